import Diagnostics
import Digests
import Foundation
import Layers
import Recipe
import Steps
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// The head of an ELF program (ELF-64 Object File Format, "File Header").
func elf(machine: UInt8 = 183, bits: UInt8 = 2, order: UInt8 = 1, text: String = "") -> [UInt8] {
    [0x7f] + Array("ELF".utf8) + [bits, order, 1] + [UInt8](repeating: 0, count: 9) + [2, 0, machine, 0]
        + [UInt8](repeating: 0, count: 44) + Array(text.utf8)
}

/// A folder with release files, and what the cache would hold of them.
private final class Bench {
    let folder: TemporaryFolder
    let store: LayerStore

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-runtimes")
        store = try LayerStore(folder: folder.path.appending("layers"))
    }

    func write(_ name: String, _ bytes: [UInt8]) throws {
        try writeAtomically(to: folder.path.appending(name), bytes: bytes)
    }

    /// Makes an archive with GNU tar.
    func shell(_ script: String) async throws {
        try await ToolRunner().run(
            Judge.sh, ["-ec", script], directory: folder.path,
            place: "test")
    }

    /// A runtime with one release file.
    func runtime(
        _ name: String = "test", file: String, to: String? = nil, members: [ContainerRuntime.Member] = []
    ) -> ContainerRuntime {
        var artefact = ContainerRuntime.Artefact()
        artefact.urls = ["https://example.org/v1/\(file)"]
        artefact.to = to
        artefact.members = members
        var runtime = ContainerRuntime()
        runtime.name = name
        runtime.artefacts = [artefact]
        return runtime
    }

    func step(_ runtimes: ContainerRuntime...) throws -> RuntimesStep {
        try RuntimesStep(
            runtimes,
            artefacts: runtimes.flatMap { runtime in
                try runtime.artefacts.map { artefact in
                    let path = folder.path.appending(artefact.fileName)
                    return RuntimeArtefact(
                        runtime: runtime.file, wanted: artefact, digest: .of(try readFile(path)), path: path)
                }
            }, store: store)
    }
}

@Suite struct RuntimesStepTests {
    @Test(arguments: [("gz", "-z"), ("xz", "-J"), ("zst", "--zstd")])
    func whatIsTakenOfAnArchiveGoesWhereItShall(suffix: String, option: String) async throws {
        let bench = try Bench()
        try bench.write("tmp/x/opt/urunc/bin/tender", elf(text: "tender"))
        try bench.write("share/run.sh", Array("#!/bin/sh\n".utf8))
        try bench.write("share/a/text", Array("text".utf8))
        try await bench.shell(
            """
            chmod 755 share/run.sh; ln -s ../run.sh share/a/link; echo other > other
            tar --owner=7 --mtime=@1234567 -c \(option) -f release.tar.\(suffix) tmp share other
            """)
        let runtime = bench.runtime(
            file: "release.tar.\(suffix)",
            members: [
                .init(from: "*/urunc/bin/tender", to: "/opt/urunc/bin/tender"),
                .init(from: "share/", to: "/usr/share/test/"),
            ])
        let step = try bench.step(runtime)
        #expect(try step.unpack().map(\.bytes) == [UInt64(elf(text: "tender").count) + 14])
        let tree = try sampleTree()
        let after = try tree.with(step.apply(to: tree, epoch: epoch))
        let new = Set(after.paths).subtracting(tree.paths).sorted().filter { after[$0]?.kind != .directory }
        #expect(
            new.map(\.description) == [
                "/opt/urunc/bin/tender", "/usr/share/test/a/link", "/usr/share/test/a/text", "/usr/share/test/run.sh",
            ])
        #expect(new.map { after[$0]?.attributes.mode } == [0o755, 0o777, 0o644, 0o755])
        #expect(
            new.allSatisfy {
                after[$0]?.attributes.mtime == Timestamp(seconds: epoch) && after[$0]?.attributes.uid == 0
            })
        #expect(try ContentReader().bytes(of: #require(after.content("opt/urunc/bin/tender"))) == elf(text: "tender"))
        #expect(try after.text("usr/share/test/a/link") == "#!/bin/sh\n")
    }

    @Test(arguments: [
        (
            elf(machine: 62),
            """
            test.yaml: program: /usr/local/bin/x is a program for another machine
              expected: ELF of 64 bits, little-endian, machine 183 (AArch64)
              found:    64 bits, little-endian, machine 62 (x86-64)
              next:     name the file for arm64
            """
        ),
        (
            elf(machine: 40, bits: 1),
            """
            test.yaml: program: /usr/local/bin/x is a program for another machine
              expected: ELF of 64 bits, little-endian, machine 183 (AArch64)
              found:    32 bits, little-endian, machine 40 (32-bit ARM)
              next:     name the file for arm64
            """
        ),
        (
            Array("Not Found".utf8),
            """
            test.yaml: program: /usr/local/bin/x is not executable
              expected: an ELF program, or a script that begins with #!
              next:     correct the file's mode, or what is taken from where
            """
        ),
        (
            [],
            """
            test.yaml: program: /usr/local/bin/x is not executable
              expected: an ELF program, or a script that begins with #!
              found:    an empty file
              next:     correct the file's mode, or what is taken from where
            """
        ),
    ])
    func aProgramThatTheBoardCannotRunIsRefused(bytes: [UInt8], message: String) throws {
        let bench = try Bench()
        try bench.write("program", bytes)
        let step = try bench.step(bench.runtime(file: "program", to: "/usr/local/bin/x"))
        #expect(refusal { _ = try step.unpack() } == message)
        // What was refused once is not in the cache the next time.
        #expect(refusal { _ = try step.unpack() } == message)
    }

    @Test(arguments: [
        (
            "mkdir a; echo x > a/y; tar -czf r.tar.gz a", "bin/tender",
            """
            test.yaml: r.tar.gz: the archive does not hold what is taken from it
              expected: bin/tender
              next:     correct members in test.yaml
            """
        ),
        (
            "mkdir bin; ln -s /etc/passwd bin/tender; tar -czf r.tar.gz bin", "bin/tender",
            "test.yaml: r.tar.gz: bin/tender: the member is no plain file\n  expected: a file"
        ),
        (
            "mkdir bin; ln -s ../../etc/passwd bin/x; tar -czf r.tar.gz bin", "bin/",
            """
            test.yaml: r.tar.gz: bin/x: the link leads out of bin/
              expected: a link to a file beside or below it
            """
        ),
        (
            "mkdir bin; echo x > bin/tender; tar -czPf r.tar.gz --transform 's,bin,../bin,' bin", "bin/tender",
            "test.yaml: r.tar.gz: ../bin/: the path climbs out with '..'\n  next:     do not use this archive"
        ),
        (
            "mkdir bin; echo '#!' > bin/tender; tar -cf r.tar bin/tender; tar -rf r.tar bin/tender; gzip r.tar",
            "bin/tender",
            "test.yaml: r.tar.gz: bin/tender: the archive holds the file twice"
        ),
        (
            "mkdir bin; truncate -s 3G bin/tender; tar -cf - bin | gzip -1 > r.tar.gz", "bin/tender",
            """
            test.yaml: r.tar.gz: bin/tender: the file is too large
              expected: at most 2147483648 bytes
              found:    3221225472 bytes
            """
        ),
        (
            "echo nothing > r.tar.gz", "bin/tender",
            "test.yaml: r.tar.gz: the archive is damaged: unrecognized archive format"
        ),
        (
            "mkdir bin; mkfifo bin/p; tar -czf r.tar.gz bin", "bin/",
            """
            test.yaml: r.tar.gz: bin/p: the member is neither a file nor a symbolic link
              expected: files, folders and symbolic links
            """
        ),
    ])
    func aBadArchiveIsRefused(script: String, from: String, message: String) async throws {
        let bench = try Bench()
        try await bench.shell(script)
        let member = ContainerRuntime.Member(from: from, to: from.hasSuffix("/") ? "/opt/x/" : "/opt/x")
        let step = try bench.step(bench.runtime(file: "r.tar.gz", members: [member]))
        #expect(refusal { _ = try step.unpack() } == message)
    }

    @Test func twoRuntimesShareAFileOrAreRefused() throws {
        let bench = try Bench()
        try bench.write("one", elf(text: "same"))
        try bench.write("two", elf(text: "same"))
        try bench.write("three", elf(text: "other"))
        let tree = try sampleTree()
        let one = bench.runtime("one", file: "one", to: "/usr/local/bin/x")
        let two = bench.runtime("two", file: "two", to: "/usr/local/bin/x")
        let layer = try bench.step(one, two).apply(to: tree, epoch: epoch)
        #expect(layer.entries.map(\.path) == ["usr/local/bin/x"])
        let three = bench.runtime("three", file: "three", to: "/usr/local/bin/x")
        #expect(
            refusal { _ = try bench.step(one, three).unpack() } == """
                /usr/local/bin/x: two runtimes bring different files
                  expected: the same bytes and mode from both, or another path in one
                  found:    one.yaml and three.yaml
                """)
    }

    @Test func aFileOfAPackageIsNotOverwritten() throws {
        let bench = try Bench()
        try bench.write("one", elf())
        let tree = try sampleTree()
        let step = try bench.step(bench.runtime("one", file: "one", to: "/usr/sbin/sshd"))
        #expect(
            refusal { _ = try step.apply(to: tree, epoch: epoch) } == """
                one.yaml: it brings /usr/sbin/sshd, which is there already
                  expected: a path that no package and no stock image has
                  next:     change where it goes in one.yaml
                """)
    }

    @Test func configurationIsAddedAndAScriptIsHeldToBeOne() throws {
        let bench = try Bench()
        var file = ContainerRuntime.AddedFile()
        file.to = "/etc/urunc/config.toml"
        file.content = "[log]\n"
        var runtime = ContainerRuntime()
        runtime.name = "test"
        runtime.files = [file]
        let tree = try sampleTree()
        let after = try tree.with(bench.step(runtime).apply(to: tree, epoch: epoch))
        #expect(try after.text("etc/urunc/config.toml") == "[log]\n")
        runtime.files[0].mode = 0o755
        let step = runtime
        #expect(
            refusal { try bench.step(step) } == """
                test.yaml: /etc/urunc/config.toml is not executable
                  expected: an ELF program, or a script that begins with #!
                  next:     correct the file's mode, or what is taken from where
                """)
    }
}
