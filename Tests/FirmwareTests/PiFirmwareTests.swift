import Diagnostics
import Firmware
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// A boot partition that is made up.
struct MadeUpFiles: BootFiles {
    var files: [String: [UInt8]]

    func size(_ name: String) -> UInt64? { files[name].map { UInt64($0.count) } }
    func contents(_ name: String) -> [UInt8]? { files[name] }
}

/// Bytes with others put in at an offset.
func bytes(_ count: Int, _ parts: [Int: [UInt8]]) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    for (offset, part) in parts { bytes.replaceSubrange(offset..<(offset + part.count), with: part) }
    return bytes
}

@Suite struct PiFirmwareTests {
    static let arm64 = bytes(64, [0: Array("MZ".utf8), 56: Array("ARM".utf8) + [0x64]])
    static let zboot = bytes(64, [0: Array("MZ".utf8), 4: Array("zimg".utf8)])
    static let arm32 = bytes(64, [36: [0x18, 0x28, 0x6f, 0x01]])

    /// The smallest boot partition that starts.
    static let good: [String: [UInt8]] = [
        "start4.elf": [1], "fixup4.dat": [1], "kernel8.img": arm64, "initrd": [1],
        "cmdline.txt": Array("root=x\n".utf8),
        "bcm2711-rpi-4-b.dtb": [0xd0, 0x0d, 0xfe, 0xed], "config.txt": Array("initramfs initrd followkernel\n".utf8),
    ]

    static func files(_ changes: [String: [UInt8]]) -> MadeUpFiles {
        MadeUpFiles(files: good.merging(changes) { $1 })
    }

    static func without(_ name: String) -> MadeUpFiles { MadeUpFiles(files: good.filter { $0.key != name }) }

    static func config(_ text: String, _ more: [String: [UInt8]] = [:]) -> MadeUpFiles {
        files(more.merging(["config.txt": Array(text.utf8)]) { $1 })
    }

    @Test func defaultsAreThoseOfAPi4() async throws {
        let boot = try await PiFirmware.boot(from: Self.files([:]))
        #expect(boot.kernelName == "kernel8.img")
        #expect(boot.initramfsName == "initrd")
        #expect(boot.deviceTreeName == "bcm2711-rpi-4-b.dtb")
        #expect(boot.commandLine == "root=x")
        #expect(boot.totalMemory == nil)
    }

    @Test func namesComeFromTheConfiguration() async throws {
        let boot = try await PiFirmware.boot(
            from: Self.config(
                "kernel=k\ndevice_tree=d\ncmdline=c\ntotal_mem=1024\nos_prefix=new/\n[pi3]\nkernel=wrong\n",
                ["new/k": Self.arm64, "new/d": [0xd0, 0x0d, 0xfe, 0xed], "new/c": Array("root=y".utf8)]))
        #expect(boot.kernelName == "new/k")
        #expect(boot.initramfs == nil)
        #expect(boot.commandLine == "root=y")
        #expect(boot.totalMemory == 1024)
    }

    @Test func prefixWithoutKernelIsIgnored() async throws {
        let boot = try await PiFirmware.boot(from: Self.config("os_prefix=old/\ndtoverlay=disable-bt"))
        #expect(boot.kernelName == "kernel8.img")
        #expect(
            boot.notes == [
                "os_prefix=old/ is ignored: no kernel and device tree are there",
                "dtoverlay=disable-bt is not applied: QEMU's board has no such hardware",
            ])
    }

    /// `upstream_kernel=1` looks into upstream/ first; a name that begins with a slash goes past every prefix.
    @Test func upstreamFolderIsAPrefixWhereItIsWhole() async throws {
        let tree: [UInt8] = [0xd0, 0x0d, 0xfe, 0xed]
        let plain = try await PiFirmware.boot(from: Self.config("upstream_kernel=1"))
        #expect(plain.kernelName == "kernel8.img" && plain.notes == [])
        let boot = try await PiFirmware.boot(
            from: Self.config(
                "upstream_kernel=1\ncmdline=/cmdline.txt",
                ["upstream/kernel8.img": Self.arm64, "upstream/bcm2711-rpi-4-b.dtb": tree]))
        #expect(boot.kernelName == "upstream/kernel8.img" && boot.deviceTreeName == "upstream/bcm2711-rpi-4-b.dtb")
        #expect(boot.commandLine == "root=x")
    }

    @Test func gzippedKernelIsLookedInto() async throws {
        let packed = try await ToolRunner().run(Judge.gzip, ["-c"], input: Self.arm64, place: "test").output
        #expect(try await PiFirmware.boot(from: Self.files(["kernel8.img": packed])).kernel == packed)
        let wrong = try await ToolRunner().run(Judge.gzip, ["-c"], input: Self.zboot, place: "test").output
        let failure = await failure {
            try await PiFirmware.boot(from: Self.files(["kernel8.img": wrong]))
        }
        #expect(
            failure?.description == """
                kernel8.img: the firmware cannot boot this kernel
                  expected: a raw arm64 Image or a gzip of one
                  found:    an EFI zboot image (a compressed EFI program) in a gzip file
                """)
    }

    static let kernelKinds: [([UInt8], String)] = [
        (zboot, "an EFI zboot image (a compressed EFI program)"), (arm32, "a 32-bit zImage"),
        (bytes(64, [0: [0x7f] + Array("ELF".utf8)]), "an ELF file"),
        (bytes(64, [0: [0xfd] + Array("7zXZ".utf8)]), "an xz file"),
        (bytes(64, [0: Array("MZ".utf8)]), "an EFI program without an arm64 Image header"),
        (bytes(64, [:]), "a file of no known kind"),
    ]

    @Test(arguments: kernelKinds)
    func kernelThatIsNoArm64ImageIsRefusedByName(kernel: [UInt8], kind: String) async {
        let failure = await failure {
            try await PiFirmware.boot(from: Self.files(["kernel8.img": kernel]))
        }
        #expect(
            failure?.description == """
                kernel8.img: the firmware cannot boot this kernel
                  expected: a raw arm64 Image or a gzip of one
                  found:    \(kind)
                """)
    }

    static let refusals: [(MadeUpFiles, String)] = [
        (without("config.txt"), "config.txt: the boot partition has no such file"),
        (
            without("start4.elf"),
            "start4.elf: the boot partition has no such file; the board would not start"
        ),
        (files(["fixup4.dat": []]), "fixup4.dat: the file is empty; the board would not start"),
        (config("start_x=1"), "start4x.elf: the boot partition has no such file; the board would not start"),
        (
            config("arm_64bit=0"),
            "config.txt: the kernel would be started in 32-bit mode\n  expected: arm_64bit=1\n  found:    arm_64bit=0"
        ),
        (config("kernel=none.img"), "none.img: the boot partition has no such file; config.txt makes it the kernel"),
        (without("initrd"), "initrd: the boot partition has no such file; config.txt makes it the initramfs"),
        (
            without("bcm2711-rpi-4-b.dtb"),
            "bcm2711-rpi-4-b.dtb: the boot partition has no such file; config.txt makes it the device tree"
        ),
        (config("device_tree="), "config.txt: the device tree has no name"),
        (
            files(["bcm2711-rpi-4-b.dtb": [1, 2, 3, 4]]),
            "bcm2711-rpi-4-b.dtb: the device tree is no flattened device tree (it does not begin with d00dfeed)"
        ),
        (
            without("cmdline.txt"),
            "cmdline.txt: the boot partition has no such file; the kernel would have no command line"
        ),
        (
            files(["cmdline.txt": Array("a\nb\n".utf8)]),
            "cmdline.txt: the kernel's command line must be one line\n  expected: 1 line\n  found:    2"
        ),
        (
            files(["cmdline.txt": [UInt8](repeating: 0x61, count: 2048)]),
            "cmdline.txt: the kernel's command line is too long\n  expected: at most 2047 bytes\n  found:    2048"
        ),
        (
            config("total_mem=64"),
            "config.txt: total_mem is out of range\n  expected: 128 to 8192 (MiB)\n  found:    64"
        ),
        (config("total_mem=lots"), "config.txt: the value of 'total_mem' is no number\n  found:    lots"),
    ]

    @Test(arguments: refusals)
    func whatABoardCannotBootIsRefused(files: MadeUpFiles, message: String) async {
        let failure = await failure { try await PiFirmware.boot(from: files) }
        #expect(failure?.description == message)
    }

    @Test func namesAreFoundWhateverTheirCase() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-boot")
        try writeAtomically(to: folder.path.appending("Overlays/A.dtbo"), bytes: [7])
        let files = BootFolder(folder.path)
        #expect(try files.contents("overlays/a.DTBO") == [7])
        #expect(try files.size("overlays/b.dtbo") == nil)
    }
}
