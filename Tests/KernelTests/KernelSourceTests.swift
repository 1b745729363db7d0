import Diagnostics
import Foundation
import Kernel
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// A whole source, out of archives and folders, and what its lists say.
@Suite struct KernelSourceTests {
    private func unpack(_ arguments: [String], prepare: (FilePath) throws -> Void = { _ in }) async throws
        -> TemporaryFolder
    {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-source")
        let root = folder.path.appending("linux-6.12.9")
        try SmallKernel.write(to: root)
        try prepare(root)
        let archive = folder.path.appending("linux.tar.gz")
        try await ToolRunner().run(
            Judge.tar, ["-czf", archive.string] + arguments, directory: folder.path, place: "tar")
        let file = try OpenFile.reading(archive)
        let target = folder.path.appending("target")
        try createFolder(target)
        try KernelSourceArchive.unpack(
            file, range: 0..<(try file.size()), compression: .gzip, strips: true, place: "linux.tar.gz", to: target)
        return folder
    }

    @Test func anArchiveIsUnpackedWhole() async throws {
        let folder = try await unpack(["linux-6.12.9"]) { root in
            try FileManager.default.createSymbolicLink(
                atPath: root.appending("scripts/up").string, withDestinationPath: "../init/main.c")
            try writeAtomically(to: root.appending("scripts/run.sh"), mode: 0o755, bytes: [])
        }
        let target = folder.path.appending("target")
        for (path, text) in SmallKernel.files {
            #expect(try readFile(target.pushing(FilePath(path))) == Array(text.utf8))
        }
        #expect(try fileKind(target.appending("scripts/run.sh")) == .regular(runs: true))
        #expect(try fileKind(target.appending("scripts/up")) == .symlink(Array("../init/main.c".utf8)))
    }

    @Test(arguments: [
        (["--transform", "s,/Kbuild,/../../Kbuild,", "linux-6.12.9"], "the path climbs out with '..'"),
        (
            ["--transform", "s,^linux-6.12.9/scripts,other/scripts,", "linux-6.12.9"],
            "the archive's files do not all lie in one folder"
        ),
        (["linux-6.12.9/init/out"], "the link leads out of the source"),
        (["linux-6.12.9/init/deep"], "the link leads out of the source"),
        (["linux-6.12.9/init/pipe"], "a kernel's source holds nothing of this kind"),
        (["linux-6.12.9/init/main.c", "linux-6.12.9/init/same"], "a kernel's source holds nothing of this kind"),
        (
            ["--hard-dereference", "linux-6.12.9/init/main.c", "linux-6.12.9/init/main.c"],
            "the path stands twice in the archive"
        ),
        (["linux-6.12.9/init/main.c"], "this is no source of a Linux kernel"),
    ])
    func hostileArchivesAreRefused(arguments: [String], message: String) async throws {
        let failure = await failure {
            _ = try await unpack(arguments) { root in
                let files = FileManager.default
                let folder = root.appending("init")
                switch arguments.last.map({ FilePath($0).lastComponent?.string ?? "" }) {
                case "out":
                    try files.createSymbolicLink(atPath: folder.appending("out").string, withDestinationPath: "/etc")
                case "deep":
                    try files.createSymbolicLink(
                        atPath: folder.appending("deep").string, withDestinationPath: "x/../../../etc")
                case "pipe": mkfifo(folder.appending("pipe").string, 0o644)
                case "same":
                    try files.linkItem(
                        atPath: folder.appending("main.c").string, toPath: folder.appending("same").string)
                default: break
                }
            }
        }
        #expect(failure?.message == message)
    }

    @Test func whatACompileLeavesInATreeDoesNotCount() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-source")
        let root = folder.path.appending("linux")
        try SmallKernel.write(to: root)
        let clean = try KernelTreeCopy(root).digest()
        for name in [
            ".config", "init/main.o", "init/.main.o.cmd", "vmlinux", "include/generated/autoconf.h", ".git/HEAD",
            "arch/arm64/boot/Image", "arch/arm64/boot/dts/x.dtb", "scripts/kconfig/parser.tab.c",
        ] { try writeAtomically(to: root.pushing(FilePath(name)), bytes: [1]) }
        #expect(try KernelTreeCopy(root).digest() == clean)
        let copy = folder.path.appending("copy")
        try createFolder(copy)
        try KernelTreeCopy(root).write(to: copy)
        #expect(try KernelTreeCopy(copy).digest() == clean)
        #expect(!exists(copy.appending(".config")))
        try writeAtomically(to: root.pushing("init/main.c"), bytes: Array("int other;\n".utf8))
        #expect(try KernelTreeCopy(root).digest() != clean)
    }

    @Test func theSourcesListsTellHowManyFilesThereAre() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-source")
        for (name, text) in [
            (
                "init/Makefile",
                "obj-y := main.o # the start\nobj-$(CONFIG_NET) += net.o\nifdef CONFIG_NET\nobj-y += more.o\nelse\nobj-y += less.o\nendif\n"
            ),
            ("drivers/Makefile", "obj-$(CONFIG_NET) += net/\nobj-$(CONFIG_USB) += usb/\n"),
            (
                "drivers/net/Makefile",
                "obj-$(CONFIG_CARD) += card.o\ncard-y := a.o \\\n\tb.o\ncard-$(CONFIG_X) += c.o\n"
            ),
            ("drivers/usb/Makefile", "obj-y += usb.o\n"),
        ] { try writeAtomically(to: folder.path.pushing(FilePath(name)), bytes: Array(text.utf8)) }
        for name in [
            "init/main.c", "init/net.c", "init/more.c", "init/less.c", "drivers/net/a.c", "drivers/net/b.S",
            "drivers/net/c.c", "drivers/usb/usb.c",
        ] {
            try writeAtomically(to: folder.path.pushing(FilePath(name)), bytes: [])
        }
        func count(_ config: String) throws -> Int? {
            KbuildFiles(tree: folder.path, config: try KernelConfig(Array(config.utf8), at: "x")).count
        }
        #expect(try count("CONFIG_A=y\n") == 2)
        #expect(try count("CONFIG_NET=y\nCONFIG_CARD=m\n") == 5)
        #expect(try count("CONFIG_NET=y\nCONFIG_CARD=m\nCONFIG_X=y\nCONFIG_USB=y\n") == 7)
    }

    // MARK: What make says

    @Test func filesAreCountedOnceHoweverTheLogIsCut() {
        let text =
            "  CC      init/main.o\n  HOSTCC  scripts/x.o\n  CC [M]  lib/a.o\n  AS      b.o\n  CC      init/main.o\n  LD      c.o\n"
        for cut in 1..<30 {
            var log = MakeLog()
            let bytes = Array(text.utf8)
            for start in stride(from: 0, to: bytes.count, by: cut) {
                log.add(bytes[start..<min(start + cut, bytes.count)])
            }
            #expect(log.files == ["init/main.o", "lib/a.o", "b.o"])
            #expect(log.latest == "init/main.o")
        }
    }

    @Test(arguments: [
        (
            "a.c:1:1: warning: x\na.c:3:5: error: 'y' undeclared\n    3 |  y\n      |  ^\nb.c:1: error: later\nmake[2]: *** [a.o] Error 1\n",
            "a.c:3:5: error: 'y' undeclared\n                3 |  y\n                  |  ^"
        ),
        ("make: *** No rule to make target 'x.o'.  Stop.\n", "make: *** No rule to make target 'x.o'.  Stop."),
        (
            "aarch64-linux-gnu-ld: a.o: in function `f':\na.c:(.text+0x4): undefined reference to `g'\nmake: *** [vmlinux] Error 1\n",
            "aarch64-linux-gnu-ld: a.o: in function `f':"
        ),
        ("ERROR: modpost: \"f\" [a.ko] undefined!\nmake: *** [x] Error 1\n", "ERROR: modpost: \"f\" [a.ko] undefined!"),
        ("one\ntwo\n", "one\n            two"),
    ])
    func theFirstErrorIsTheCompilers(text: String, error: String) {
        var log = MakeLog()
        log.add(Array(text.utf8))
        #expect(log.firstError == error)
    }
}
