import Debian
import Diagnostics
import Digests
import Engine
import Storage
import TestSupport
import Testing

/// Files that a person has to accept, and the commands by which that is done.
@Suite struct AcceptanceCommandTests {
    @Test func aFileOfThisMachineIsAcceptedWithoutANetwork() async throws {
        let server = try await LoopbackServer()
        let bench = try RuntimeBench(
            runtime: """
                summary: mine
                artefacts:
                  - {name: mine-1.0, urls: ["\(server.base)/mine", ./mine], to: /usr/local/bin/mine}
                  - {name: far-1.0, urls: ["\(server.base)/far"], to: /usr/local/bin/far}
                packages: [less]
                """)
        server.serve("/mine", [1])
        try bench.write("runtimes/mine", bench.program)
        let refused = await failure { _ = try await bench.builder(offline: true).filesToAccept() }
        #expect(
            refused?.description == """
                far-1.0: the file is not pinned in the lock file, and may not be fetched
                  next:     run once without --offline
                """)
        let near = try RuntimeBench(
            runtime: """
                summary: mine
                artefacts: [{name: mine-1.0, urls: ["\(server.base)/mine", ./mine], to: /usr/local/bin/mine}]
                packages: [less]
                """)
        try near.write("runtimes/mine", near.program)
        let files = try await near.builder(offline: true).filesToAccept()
        #expect(files.map(\.sha256) == [SHA256Digest.of(near.program).hex])
        _ = try near.builder(offline: true).accept(files)
        #expect(try PackageLock.read(near.lockPath).inputs.map(\.sha256) == [.of(near.program)])
    }

    @Test func aCommandThatAMessageNamesFindsTheSameCacheAndSettings() async throws {
        let bench = try RuntimeBench(
            runtime: """
                summary: mine
                artefacts: [{name: mine-1.0, urls: [./mine], to: /usr/local/bin/mine}]
                packages: [less]
                """)
        try bench.write("runtimes/mine", bench.program)
        let builder = try bench.builder(overrides: ["memory.limit=1G"], givenCache: "my cache")
        let asked = await failure { _ = try await builder.plan() }
        #expect(
            asked?.next
                == "piforge lock accept \(bench.path("pi.yaml")) --all --cache 'my cache' --set memory.limit=1G"
        )
        let unknown = failure { _ = try builder.accept("mine-1.0", .of("another")) }
        #expect(
            unknown?.next
                == "piforge build \(bench.path("pi.yaml")) --cache 'my cache' --set memory.limit=1G fetches it, and shows its sum"
        )
        let plain = try bench.builder()
        #expect(
            await failure { _ = try await plain.plan() }?.next
                == "piforge lock accept \(bench.path("pi.yaml")) --all")
    }
}
