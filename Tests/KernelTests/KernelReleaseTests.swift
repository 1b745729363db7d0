import Diagnostics
import Kernel
import Layers
import TestSupport
import Testing
import Tools

private let file = Attributes(mode: 0o644, mtime: Timestamp(seconds: 0))

private func tree(kernels: [String], _ more: [Entry] = []) throws -> Tree {
    var entries = [
        Entry("usr/lib", file, .directory), Entry("lib", file, .symlink(Array("usr/lib".utf8))),
    ]
    for name in kernels {
        entries.append(Entry(try EntryPath(validating: "boot/vmlinuz-\(name)"), file, .regular(Content("x"))))
        entries.append(
            Entry(try EntryPath(validating: "usr/lib/modules/\(name)/modules.order"), file, .regular(Content(""))))
    }
    return try Tree([Layer(name: "kernels", entries: entries + more)])
}

/// 64 bytes that begin as given, with more at given offsets.
private func header(_ start: [UInt8], _ more: [(Int, [UInt8])] = []) -> Content {
    var bytes = start + [UInt8](repeating: 0, count: 64 - start.count)
    for (offset, piece) in more { bytes.replaceSubrange(offset..<(offset + piece.count), with: piece) }
    return Content(bytes)
}

private let arm64Magic: [UInt8] = [0x41, 0x52, 0x4d, 0x64]

@Suite struct KernelReleaseTests {
    @Test func newestKernelIsTheHighestNumber() throws {
        let tree = try tree(kernels: ["6.9.1-arm64", "6.12.48+deb13-arm64", "6.12.5+deb13-arm64"])
        #expect(
            KernelRelease.all(in: tree).map(\.name) == ["6.9.1-arm64", "6.12.5+deb13-arm64", "6.12.48+deb13-arm64"])
        let newest = try KernelRelease.find(in: tree)
        #expect(newest.image == "boot/vmlinuz-6.12.48+deb13-arm64")
        #expect(newest.modules == "usr/lib/modules/6.12.48+deb13-arm64")
        #expect(newest.config == nil)
    }

    @Test func missingKernelsAreNamed() throws {
        let none = failure { try KernelRelease.find(in: tree(kernels: [])) }
        #expect(
            none?.description == """
                kernel: the tree holds no kernel with an image and modules
                  expected: /boot/vmlinuz-RELEASE and /lib/modules/RELEASE
                  found:    none
                  next:     add a kernel package, such as linux-image-arm64, to the recipe's packages
                """)
        let other = failure { try KernelRelease.find("7.0", in: tree(kernels: ["6.1", "6.12"])) }
        #expect(
            other?.description == """
                kernel: the tree holds no kernel '7.0' with an image and modules
                  expected: /boot/vmlinuz-RELEASE and /lib/modules/RELEASE
                  found:    6.1, 6.12
                  next:     add a kernel package, such as linux-image-arm64, to the recipe's packages
                """)
    }

    @Test func rawImageAndGzipOfItAreTaken() async throws {
        let raw = header([0x4d, 0x5a], [(16, [0, 0, 0x50, 2]), (56, arm64Magic)])
        #expect(try ARM64Image(raw, place: "Image").memorySize == 0x250_0000)
        guard case .bytes(let bytes) = raw.source else { return }
        let packed = try await ToolRunner().run(Judge.gzip, ["-nc"], input: bytes, place: "gzip").output
        #expect(try ARM64Image(Content(packed), place: "Image.gz").isCompressed)
    }

    @Test(arguments: [
        (
            header([0x4d, 0x5a, 0, 0] + Array("zimg".utf8), [(56, [0xcd, 0x23, 0x82, 0x81])]),
            "an EFI zboot image (a compressed EFI program)"
        ),
        (header([], [(36, [0x18, 0x28, 0x6f, 0x01])]), "a 32-bit zImage"),
        (header([0x7f, 0x45, 0x4c, 0x46]), "an ELF file"),
        (header([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]), "an xz file"),
        (Content("MZ"), "an EFI program without an arm64 Image header"), (Content(""), "an empty file"),
        (Content("hello"), "a file of no known kind"),
    ])
    func whatTheFirmwareCannotStartIsRefused(content: Content, found: String) {
        let error = failure { try ARM64Image(content, place: "/boot/vmlinuz-7.0") }
        #expect(
            error?.description == """
                /boot/vmlinuz-7.0: the Pi's firmware cannot start this kernel
                  expected: a raw arm64 Image, or a gzip of one
                  found:    \(found)
                  next:     use a kernel package whose image is uncompressed, or build with CONFIG_EFI_ZBOOT=n
                """)
    }

    @Test func modulesCloseOverHardAndSoftNeeds() throws {
        let folder = "usr/lib/modules/6.12/"
        func list(_ name: String, _ text: String) throws -> Entry {
            Entry(try EntryPath(validating: folder + name), file, .regular(Content(text)))
        }
        let tree = try tree(
            kernels: ["6.12"],
            [
                try list("kernel/ext4.ko", "ext4"), try list("kernel/jbd2.ko", "jbd2"),
                try list("kernel/crc16.ko", "c"),
                try list("kernel/crc32c-generic.ko", "g"),
                try list(
                    "modules.dep",
                    "kernel/ext4.ko: kernel/jbd2.ko kernel/crc16.ko\nkernel/jbd2.ko: kernel/crc16.ko\nkernel/crc16.ko:\n"
                        + "kernel/crc32c-generic.ko:\n"),
                try list("modules.softdep", "# comment\nsoftdep jbd2 pre: crypto-crc32c post: nothing\n"),
                try list("modules.alias", "alias fs-ext4 ext4\nalias crypto-crc32c crc32c_generic\nalias x y\n"),
                try list("modules.builtin", "kernel/drivers/mmc/mmc_block.ko\n"),
            ])
        let index = try ModuleIndex(KernelRelease.find(in: tree), in: tree)
        #expect(try index.closure(of: ["ext4", "mmc-block"]) == ["crc16", "crc32c_generic", "jbd2", "ext4"])
        let error = failure { try index.closure(of: ["ext4", "btrfs"]) }
        #expect(
            error?.description
                == "kernel 6.12: the kernel lacks the modules btrfs\n  expected: each built in or as a module")
        let entries = try index.entries(of: ["crc16", "jbd2"], from: tree, time: Timestamp(seconds: 0))
        #expect(
            entries.map { "\($0.path)" } == [
                "/lib/modules/6.12/kernel/crc16.ko", "/lib/modules/6.12/kernel/jbd2.ko",
                "/lib/modules/6.12/modules.dep",
                "/lib/modules/6.12/modules.alias",
            ])
        #expect(entries[2].kind == .regular(Content("kernel/crc16.ko: \nkernel/jbd2.ko: kernel/crc16.ko\n")))
    }

    @Test func treeWithoutDepmodIsRefused() throws {
        let tree = try tree(kernels: ["6.12"])
        let error = failure { try ModuleIndex(KernelRelease.find(in: tree), in: tree) }
        #expect(
            error?.description == "/usr/lib/modules/6.12/modules.dep: the file is missing or empty: depmod has not run")
    }
}
