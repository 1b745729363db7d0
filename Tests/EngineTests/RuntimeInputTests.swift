import Debian
import Diagnostics
import Digests
import Engine
import Fetch
import Foundation
import Recipe
import Storage
import SystemPackage
import TestSupport
import Testing

/// A recipe of a runtime in a folder of its own. No package is ever fetched.
final class RuntimeBench {
    let folder: TemporaryFolder
    /// A program that the board could run, as far as its head tells.
    let program: [UInt8] =
        [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1] + [UInt8](repeating: 0, count: 9) + [2, 0, 183, 0]
        + [UInt8](repeating: 0, count: 44)

    init(runtime: String) throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-runtime-inputs")
        try write("runtimes/mine.yaml", Array(runtime.utf8))
    }

    func path(_ name: String) -> FilePath { folder.path.appending(name) }
    func write(_ name: String, _ bytes: [UInt8]) throws { try writeAtomically(to: path(name), bytes: bytes) }
    var lockPath: FilePath { path("pi.lock") }

    func builder(
        docker: String = "{from: distribution}", more: String = "", offline: Bool = false,
        updateLock: Bool = false,
        overrides: [String] = [], givenCache: String? = nil
    ) throws -> ImageBuilder {
        let text = """
            name: pi
            epoch: 2026-11-01
            base: {debian: trixie}
            docker: \(docker)
            runtimes: [mine]
            system: {ssh: {enable: false}}
            \(more)
            """
        try write("pi.yaml", Array(text.utf8))
        let options = BuildOptions(
            recipePath: path("pi.yaml"), output: path("out"), offline: offline, locked: !updateLock,
            updateLock: updateLock, mirror: "http://127.0.0.1:1/debian",
            securityMirror: "http://127.0.0.1:1/security",
            jobs: 1, environment: [:], overrides: overrides, givenCache: givenCache)
        return ImageBuilder(
            recipe: try Recipe.load(path: path("pi.yaml")), options: options, cache: try Cache(root: path("cache")),
            progress: SilentProgress())
    }

    /// Writes a lock that answers the recipe's request with Docker of that version.
    func lock(docker version: String, _ builder: ImageBuilder) async throws {
        let known = exists(lockPath) ? try PackageLock.read(lockPath).inputs : []
        let package = try LockedPackage(
            .init(name: "docker.io", version: version, architecture: "arm64"), size: 1, sha256: .of("docker"),
            path: "pool/main/d/docker.io/docker.io_1_arm64.deb", archive: .init(rawValue: "debian"),
            source: "docker.io", sourceVersion: version)
        try PackageLock(request: .of("another"), packages: [package], inputs: known).write(to: lockPath)
        // The request that a lock has to answer is what the refusal of another one names.
        let other = await failure { _ = try await builder.plan() }
        let request = try #require(SHA256Digest(hex: (other?.expected ?? "").dropFirst("request sha256:".count)))
        try PackageLock(request: request, packages: [package], inputs: known).write(to: lockPath)
    }
}

@Suite struct RuntimeInputTests {
    private func file(_ server: LoopbackServer, sha256: String? = nil) -> String {
        """
        summary: mine
        artefacts:
          - name: mine-1.0
            urls: ["\(server.base)/gone", "\(server.base)/v1.0/mine"]
            to: /usr/local/bin/mine
        \(sha256.map { "    sha256: \"\($0)\"\n" } ?? "")
        docker: [{name: mine, type: io.containerd.mine.v1}]
        """
    }

    @Test func aReleaseFileThatNothingVouchesForIsAcceptedOnce() async throws {
        let server = try await LoopbackServer()
        let bench = try RuntimeBench(runtime: file(server))
        server.serve("/v1.0/mine", bench.program)
        let digest = SHA256Digest.of(bench.program)
        let asked = await failure { _ = try await bench.builder().plan() }
        #expect(
            asked?.description == """
                \(bench.path("pi.yaml")): nothing vouches for a file but you
                  expected: a pin in \(bench.lockPath) for each, given by somebody who has compared the sums
                  found:    mine-1.0, 64 bytes
                              sha256:\(digest.hex)
                              from \(server.base)/gone or \(server.base)/v1.0/mine
                              compare with what its publisher says
                  next:     piforge lock accept \(bench.path("pi.yaml")) --all
                """)
        #expect(!exists(bench.lockPath))
        let builder = try bench.builder()
        let name = failure { _ = try builder.accept("mine", digest) }
        #expect(name?.message == "the recipe has no file 'mine' that must be accepted")
        #expect(name?.expected == "mine-1.0")
        #expect(
            try builder.accept("mine-1.0", digest)
                == "\(bench.lockPath): mine-1.0 is pinned to sha256:\(digest.hex), 64 bytes, accepted by the user on first use"
        )
        let pin = try PackageLock.read(bench.lockPath).inputs
        #expect(pin.map(\.use) == ["runtime"])
        #expect(pin.map(\.trust) == [.accepted])

        // From now on the pin is the proof, without a network too.
        try await bench.lock(docker: "26.1.5+dfsg1-9", bench.builder())
        let rows = try await bench.builder(offline: true).plan().rows
        #expect(rows.map(\.step).contains("runtimes"))
        #expect(rows.last { $0.step == "docker" }?.summary == "daemon.json: mine")
        let steps = rows.map(\.step)
        let (first, second) = try (#require(steps.firstIndex(of: "runtimes")), #require(steps.firstIndex(of: "apt")))
        #expect(first < second)
    }

    @Test func allFilesAreListedAtOnceAndAcceptedInOneChange() async throws {
        let server = try await LoopbackServer()
        let bench = try RuntimeBench(
            runtime: """
                summary: mine
                artefacts:
                  - {name: mine-1.0, urls: ["\(server.base)/mine"], to: /usr/local/bin/mine}
                  - {name: more-1.0, urls: [./more], to: /usr/local/bin/more}
                  - {name: known-1.0, urls: [./known], sha256: "\(SHA256Digest.of("known").hex)", to: /opt/known, mode: "0644"}
                docker: [{name: mine, type: io.containerd.mine.v1}]
                proof: {image: ./proof.tar, expect: Hello}
                """)
        server.serve("/mine", bench.program)
        try bench.write("runtimes/more", bench.program + [1])
        try bench.write("runtimes/known", Array("known".utf8))
        try bench.write("runtimes/proof.tar", [UInt8](repeating: 0, count: 257) + Array("ustar".utf8))
        let asked = await failure { _ = try await bench.builder().plan() }
        #expect(asked?.message == "nothing vouches for 3 files but you")
        let files = try await bench.builder().filesToAccept()
        #expect(files.map(\.name) == ["mine-1.0", "more-1.0", "mine-proof-image"])
        for file in files { #expect(asked?.found?.contains("\(file.name), \(file.size) bytes\n") == true) }
        // What was fetched to be shown is not fetched again to be accepted; a file of this machine is looked at anew.
        server.serve("/mine", [])
        try bench.write("runtimes/more", bench.program + [2])
        let now = try await bench.builder().filesToAccept()
        #expect(now.map(\.sha256)[0] == files[0].sha256)
        #expect(now.map(\.sha256)[1] == SHA256Digest.of(bench.program + [2]).hex)
        #expect(!exists(bench.lockPath))
        #expect(try bench.builder().accept(now).count == 3)
        #expect(try PackageLock.read(bench.lockPath).inputs.map(\.name).sorted() == now.map(\.name).sorted())
        #expect(try await bench.builder().filesToAccept() == [])
    }

    @Test func aBuildFetchesAgainWhatIsNotAccepted() async throws {
        let server = try await LoopbackServer()
        let bench = try RuntimeBench(runtime: file(server))
        server.serve("/v1.0/mine", bench.program)
        let first = await failure { _ = try await bench.builder().plan() }
        #expect(first?.message == "nothing vouches for a file but you")
        // Its publisher has put another file in its place.
        let replaced = bench.program + [1]
        server.serve("/v1.0/mine", replaced)
        #expect(try await bench.builder().filesToAccept().map(\.sha256) == [SHA256Digest.of(bench.program).hex])
        let asked = await failure { _ = try await bench.builder().plan() }
        #expect(
            asked?.found == """
                mine-1.0, 65 bytes
                              sha256:\(SHA256Digest.of(replaced).hex)
                              from \(server.base)/gone or \(server.base)/v1.0/mine
                              compare with what its publisher says
                """)
        // Without a network too, the files to accept are those that were shown last.
        let shown = try await bench.builder(offline: true).filesToAccept()
        #expect(shown.map(\.sha256) == [SHA256Digest.of(replaced).hex])
        let offline = await failure { _ = try await bench.builder(offline: true).plan() }
        #expect(offline?.found == asked?.found)
    }

    @Test func aReleaseOnGitHubIsComparedWithItsPage() {
        let page = "https://github.com/urunc-dev/urunc/releases"
        #expect(FileToAccept.publisher(of: "\(page)/download/v0.8.0/urunc_static_arm64") == "\(page)/tag/v0.8.0")
        #expect(FileToAccept.publisher(of: "\(page)/latest/download/urunc_static_arm64") == "\(page)/latest")
        #expect(FileToAccept.publisher(of: "https://github.com/urunc-dev/urunc/archive/refs/tags/v0.8.0.tar.gz") == nil)
        #expect(FileToAccept.publisher(of: "https://example.org/a/b/releases/download/v1/x") == nil)
        #expect(FileToAccept.publisher(of: "/home/me/urunc_static_arm64") == nil)
    }

    @Test func anotherFileThanTheAcceptedOneIsCalledAnAttack() async throws {
        let server = try await LoopbackServer()
        let bench = try RuntimeBench(runtime: file(server))
        server.serve("/v1.0/mine", bench.program + [1])
        let pin = try PinnedInput(
            name: "mine-1.0", use: "runtime", size: 64, sha256: .of(bench.program), trust: .accepted)
        try PackageLock(request: .of("x"), packages: [], inputs: [pin]).write(to: bench.lockPath)
        let fetcher = try bench.builder()
        let refused = await failure { _ = try await fetcher.fetch() }
        #expect(
            refused?.headline == """
                \(server.base)/v1.0/mine: the file's size is not the expected one; nothing was kept: \
                another file than the one that was accepted, maybe an attack on the supply chain
                """)
        #expect(
            refused?.next
                == "find out why it changed; to accept the new one, take its line out of \(bench.lockPath)")
    }

    @Test func aSumInTheRuntimeFileIsHeld() async throws {
        let server = try await LoopbackServer()
        let wrong = String(repeating: "7a", count: 32)
        let bench = try RuntimeBench(runtime: file(server, sha256: wrong))
        server.serve("/v1.0/mine", bench.program)
        let refused = await failure { _ = try await bench.builder().plan() }
        #expect(
            refused?.description == """
                \(server.base)/v1.0/mine: the file's SHA-256 is not the expected one; nothing was kept
                  expected: \(wrong)
                  found:    \(SHA256Digest.of(bench.program).hex)
                            the other mirrors said:
                            \(server.base)/gone: the mirror does not have the file
                  next:     try again later, or name another mirror with --mirror URL
                """)
        let right = try RuntimeBench(runtime: file(server, sha256: SHA256Digest.of(bench.program).hex))
        let locked = await failure { _ = try await right.builder().plan() }
        #expect(locked?.message == "the recipe has no lock file")
        let none = failure { _ = try right.builder().accept("mine-1.0", .of(bench.program)) }
        #expect(none?.message == "the recipe has no file that must be accepted")
    }

    @Test func offlineNothingIsFetchedAndThatIsSaid() async throws {
        let server = try await LoopbackServer()
        let bench = try RuntimeBench(runtime: file(server))
        let refused = await failure { _ = try await bench.builder(offline: true).plan() }
        #expect(
            refused?.description == """
                mine-1.0: the file is not pinned in the lock file, and may not be fetched
                  next:     run once without --offline
                """)
    }

    @Test(arguments: [("20.10.21-0ubuntu1~18.04.3", "20.10.21"), ("5:20.10.24~3-0~ubuntu-bionic", "20.10.24")])
    func anEngineThatIsTooOldForATypeIsRefused(version: String, short: String) async throws {
        let bench = try RuntimeBench(
            runtime: "summary: mine\npackages: [less]\ndocker: [{name: mine, type: io.containerd.mine.v1}]\n")
        let builder = try bench.builder()
        try await bench.lock(docker: version, builder)
        let refused = await failure { _ = try await builder.plan() }
        #expect(
            refused?.description == """
                mine.yaml: Docker \(short) is too old for the runtime 'mine'
                  expected: Docker 24 or later, which knows runtimeType
                  found:    \(version)
                  next:     take Docker from its own archive (docker: {from: docker.com}), or leave the runtime out
                """)
        try await bench.lock(docker: "5:24.0.2-1~ubuntu.18.04~bionic", builder)
        #expect(try await builder.plan().rows.contains { $0.step == "runtimes" })
    }

    @Test func aProgramForAnotherMachineIsRefusedBeforeAnythingIsBuilt() async throws {
        let server = try await LoopbackServer()
        let bench = try RuntimeBench(runtime: file(server))
        var program = bench.program
        program[18] = 62
        server.serve("/v1.0/mine", program)
        let asked = await failure { _ = try await bench.builder().plan() }
        #expect(asked?.message == "nothing vouches for a file but you")
        let builder = try bench.builder()
        _ = try builder.accept("mine-1.0", .of(program))
        let refused = await failure { _ = try await builder.fetch() }
        #expect(
            refused?.message == "/usr/local/bin/mine is a program for another machine",
            "\(refused?.description ?? "")")
    }
}

/// Images of a registry on loopback.
@Suite struct RegistryImageTests {
    private let config = Array(
        #"{"architecture":"arm64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:\#(SHA256Digest.of("layer").hex)"]}}"#
            .utf8)

    private func descriptor(_ bytes: [UInt8], _ more: String = "") -> String {
        #"{"digest":"sha256:\#(SHA256Digest.of(bytes).hex)","size":\#(bytes.count)\#(more)}"#
    }

    /// An index with images for two machines, its digest, and what the registry answers.
    private func image(arm64: Bool = true) -> (digest: SHA256Digest, files: [String: [UInt8]]) {
        let layer = Array("layer".utf8)
        let manifest = Array(
            #"{"schemaVersion":2,"config":\#(descriptor(config)),"layers":[\#(descriptor(layer))]}"#.utf8)
        let other =
            #"{"digest":"sha256:\#(SHA256Digest.of("x").hex)","platform":{"architecture":"amd64","os":"linux"}}"#
        let mine = descriptor(manifest, #","platform":{"architecture":"arm64","os":"linux"}"#)
        let index = Array(#"{"manifests":[\#(arm64 ? "\(other),\(mine)" : other)]}"#.utf8)
        var files: [String: [UInt8]] = [:]
        for (kind, bytes) in [("manifests", index), ("manifests", manifest), ("blobs", config), ("blobs", layer)] {
            files["/v2/team/app/\(kind)/sha256:\(SHA256Digest.of(bytes).hex)"] = bytes
        }
        return (.of(index), files)
    }

    private func builder(
        _ bench: RuntimeBench, _ server: LoopbackServer, _ digest: SHA256Digest, offline: Bool = false
    ) throws -> ImageBuilder {
        let host = server.base.dropFirst("http://".count)
        let preload = "{from: distribution, preload: [{image: '\(host)/team/app:1.0@sha256:\(digest.hex)'}]}"
        return try bench.builder(docker: preload, offline: offline)
    }

    private static let runtime = "summary: mine\npackages: [less]\n"

    @Test func theBoardsImageOfAnIndexIsFetchedByItsDigest() async throws {
        let server = try await LoopbackServer()
        let bench = try RuntimeBench(runtime: Self.runtime)
        let (digest, files) = image()
        for (path, bytes) in files { server.serve(path, bytes) }
        let online = try builder(bench, server, digest)
        try await bench.lock(docker: "26.1.5", online)
        #expect(try await online.plan().rows.contains { $0.step == "images" && $0.summary == "1 for Docker" })
        // All of it is in the store now.
        for path in files.keys { server.serve(path, Array("changed".utf8)) }
        #expect(try await builder(bench, server, digest, offline: true).plan().rows.contains { $0.step == "images" })
    }

    @Test func anImageForOtherMachinesIsRefused() async throws {
        let server = try await LoopbackServer()
        let bench = try RuntimeBench(runtime: Self.runtime)
        let (digest, files) = image(arm64: false)
        for (path, bytes) in files { server.serve(path, bytes) }
        let refused = await failure { _ = try await builder(bench, server, digest).plan() }
        #expect(refused?.message == "the image is for other machines")
        #expect(refused?.found == "linux/amd64")
    }

    @Test func aBlobThatIsAnotherIsRefused() async throws {
        let server = try await LoopbackServer()
        let bench = try RuntimeBench(runtime: Self.runtime)
        let (digest, files) = image()
        for (path, bytes) in files { server.serve(path, path.contains("blobs") ? bytes.reversed() : bytes) }
        let refused = await failure { _ = try await builder(bench, server, digest).plan() }
        #expect(refused?.message == "the file's SHA-256 is not the expected one; nothing was kept")
        // Several are fetched at a time; whichever came first is named by its digest.
        #expect(refused?.place == "\(server.base)/v2/team/app/blobs/sha256:\(refused?.expected ?? "?")")
    }

    @Test func offlineAMissingImageIsNamed() async throws {
        let server = try await LoopbackServer()
        let bench = try RuntimeBench(runtime: Self.runtime)
        let refused = await failure { _ = try await builder(bench, server, .of("nothing"), offline: true).plan() }
        let host = server.base.dropFirst("http://".count)
        #expect(
            refused?.description == """
                --offline: the image \(host)/team/app:1.0@sha256:\(SHA256Digest.of("nothing").hex) is not in the store
                  next:     run once without --offline
                """)
    }
}
