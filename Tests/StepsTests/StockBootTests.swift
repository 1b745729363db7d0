import Diagnostics
import Firmware
import Layers
import Steps
import TestSupport
import Testing

/// A stock boot partition becomes one that starts our kernel, and keeps the rest.
@Suite struct StockBootTests {
    private static let mountPoint: EntryPath = "boot/firmware"

    private func file(_ name: String, _ text: String) throws -> Entry {
        Entry(
            try EntryPath(validating: "boot/firmware/\(name)"), Attributes(mode: 0o755, mtime: Timestamp(seconds: 7)),
            .regular(Content(text)))
    }

    private func folder(_ name: String) throws -> Entry {
        Entry(
            try EntryPath(validating: "boot/firmware/\(name)"), Attributes(mode: 0o755, mtime: Timestamp(seconds: 7)),
            .directory)
    }

    private func stock(_ entries: [Entry], mountPoint: EntryPath = mountPoint) throws -> StockBoot {
        try StockBoot(Layer(name: "stock", entries: entries), mountPoint: mountPoint)
    }

    private func step(extra: [String] = []) -> BootStep {
        BootStep(partition: nil, memoryLimit: nil, serialConsole: false, extraConfig: extra, extraCommandLine: [])
    }

    /// The lines of ours, but the comment.
    private static let ours = [
        "arm_64bit=1", "enable_uart=1", "upstream_kernel=1", "kernel=vmlinuz-6.12.1-arm64",
        "initramfs initrd.img-6.12.1-arm64", "enable_gic=1", "disable_overscan=1", "arm_boost=1",
    ]

    struct ConfigCase: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// config.txt as the image has it; `|` ends a line.
        var before: String
        /// As it becomes; `OURS` stands for our lines.
        var after: String
    }

    static let cases = [
        ConfigCase(
            testDescription: "as of 18.04.3: kernel= is replaced in its place, what is U-Boot's goes",
            before:
                "# See http://…|kernel=kernel8.bin|device_tree_address=0x02000000|enable_uart=1|cmdline=nobtcmd.txt|",
            after: "# See http://…|OURS|cmdline=nobtcmd.txt|"),
        ConfigCase(
            testDescription: "settings that are not about starting stay where they are",
            before: "a=1|kernel=x|b=2|c=3|",
            after: "a=1|OURS|b=2|c=3|"),
        ConfigCase(testDescription: "no kernel line", before: "gpu_mem=16|", after: "gpu_mem=16|OURS|"),
        ConfigCase(
            testDescription: "a kernel for each board goes, and ours counts for all",
            before: "[pi3]|kernel=uboot_rpi_3.bin|[pi4]|kernel=uboot_rpi_4.bin|max_framebuffers=2|[all]|arm_64bit=1|",
            after: "[pi3]|[pi4]|max_framebuffers=2|[all]|[all]|OURS|"),
        ConfigCase(
            testDescription: "no kernel line behind a section", before: "gpu_mem=16|[pi3]|dtparam=audio=on|",
            after: "gpu_mem=16|[pi3]|dtparam=audio=on|[all]|OURS|"),
        ConfigCase(
            testDescription: "a kernel before the sections", before: "kernel=a|[pi4]|kernel=b|hdmi_safe=1|",
            after: "OURS|[pi4]|hdmi_safe=1|"),
        ConfigCase(
            testDescription: "lines that end as DOS ends them", before: "a=1\r|kernel=x\r|b=2\r|\r|",
            after: "a=1|OURS|b=2|"),
        ConfigCase(
            testDescription: "no end of line at the end, blanks in front",
            before: "  kernel = x|\tinitramfs a followkernel",
            after: "OURS|"),
        ConfigCase(
            testDescription: "a comment with the word stays", before: "#kernel=old|", after: "#kernel=old|OURS|"),
        ConfigCase(
            testDescription: "two kernels, one place", before: "kernel=a|x=1|kernel=b|y=2|", after: "OURS|x=1|y=2|"),
    ]

    @Test(arguments: cases)
    func configIsChangedInPlace(row: ConfigCase) throws {
        let tree = try sampleTree()
        let boot = try stock([try file("config.txt", row.before.replacing("|", with: "\n"))])
        let result = try tree.with(step().apply(to: tree, facts(stockBoot: boot), epoch: epoch))
        let text = try #require(try result.text("boot/firmware/config.txt"))
        let written = text.replacing("\n", with: "|")
        let marks = "# Written by piforge. "
        let lines = text.split(separator: "\n").filter { !$0.hasPrefix(marks) && !$0.hasPrefix("# /etc/default/raspi") }
        #expect(
            lines.map(String.init)
                == row.after.split(separator: "|").flatMap { $0 == "OURS" ? Self.ours : [String($0)] }, "\(written)")
        // What a Pi 4 reads of it.
        let config = try FirmwareConfig { $0 == "config.txt" ? text : nil }
        #expect(config.settings["kernel"] == "vmlinuz-6.12.1-arm64")
        #expect(config.initramfs?.file == "initrd.img-6.12.1-arm64")
        #expect(config.settings["arm_64bit"] == "1")
        #expect(config.settings["device_tree_address"] == nil)
    }

    @Test(arguments: [
        "gpu_mem=16\nkernel=x\ngpu_mem=32\n", "kernel=x\n[pi4]\ngpu_mem=32\n[pi3]\n", "[pi4]\ngpu_mem=1\n",
    ])
    func theRecipesSettingsHaveTheLastWord(before: String) throws {
        let tree = try sampleTree()
        let boot = try stock([try file("config.txt", before)])
        let result = try tree.with(step(extra: ["gpu_mem=64"]).apply(to: tree, facts(stockBoot: boot), epoch: epoch))
        let text = try #require(try result.text("boot/firmware/config.txt"))
        #expect(try FirmwareConfig { $0 == "config.txt" ? text : nil }.settings["gpu_mem"] == "64", "\(text)")
        // The board's own hook writes the file anew from these: the same must count then.
        let custom = try #require(try result.text("etc/default/raspi-firmware-custom"))
        let anew = "arm_64bit=1\nkernel=vmlinuz-6.13\n" + custom
        let config = try FirmwareConfig { $0 == "config.txt" ? anew : nil }
        #expect(config.settings["gpu_mem"] == "64" && config.settings["kernel"] == "vmlinuz-6.13", "\(custom)")
    }

    @Test func theCommandLineStandsInTheFileThatTheConfigurationNames() throws {
        let tree = try sampleTree()
        let boot = try stock([
            try file(
                "config.txt", "kernel=x\ncmdline=btcmd.txt\n[pi3]\ncmdline=other.txt\n[pi4]\ncmdline=nobtcmd.txt\n"),
            try file("nobtcmd.txt", "stock"), try file("btcmd.txt", "stock"), try file("cmdline.txt", "stock"),
        ])
        let result = try tree.with(step().apply(to: tree, facts(stockBoot: boot), epoch: epoch))
        #expect(try result.text("boot/firmware/nobtcmd.txt")?.hasPrefix("console=tty0 root=LABEL=writable ") == true)
        #expect(try result.text("boot/firmware/btcmd.txt") == "stock")
        #expect(try result.text("boot/firmware/cmdline.txt") == "stock")
    }

    @Test func namesThatDifferByCaseAloneAreOneFile() throws {
        let tree = try sampleTree()
        let boot = try stock([
            try file("CONFIG.TXT", "kernel=x\ncmdline=NoBTCmd.txt\nstart_x=1\n"), try file("NOBTCMD.TXT", "stock"),
            try file("START4.ELF", "old"), try file("Vendor.txt", "kept"), try folder("OVERLAYS"),
            try file("OVERLAYS/A.DTBO", "old"), try file("OVERLAYS/b.dtbo", "theirs"), try folder("Fixup4.dat"),
            try file("Fixup4.dat/inside", "x"), try folder("extra"), try file("extra/x", "y"),
        ])
        let result = try tree.with(step().apply(to: tree, facts(stockBoot: boot), epoch: epoch))
        let paths = result.subtree(Self.mountPoint)?.paths.map(\.description) ?? []
        #expect(
            paths == [
                "/", "/NoBTCmd.txt", "/Vendor.txt", "/bcm2711-rpi-4-b.dtb", "/config.txt", "/extra", "/extra/x",
                "/fixup4.dat", "/initrd.img-6.12.1-arm64", "/overlays", "/overlays/a.dtbo", "/overlays/b.dtbo",
                "/start4.elf", "/vmlinuz-6.12.1-arm64",
            ])
        #expect(Set(paths.map { $0.lowercased() }).count == paths.count)
        #expect(try result.text("boot/firmware/start4.elf") == "firmware")
        #expect(try result.text("boot/firmware/overlays/a.dtbo") == "overlay")
        #expect(try result.text("boot/firmware/overlays/b.dtbo") == "theirs")
        #expect(try result.text("boot/firmware/config.txt")?.contains("start_x=1\n") == true)
    }

    @Test func aPartitionThatNoPiWouldStartFromIsRefused() throws {
        let elsewhere = failure {
            try stock([try file("config.txt", "")], mountPoint: "boot")
        }
        #expect(
            elsewhere?.description == """
                base image: its boot partition is mounted at /boot
                  expected: /boot/firmware, as Ubuntu and Debian have it for the Pi
                  next:     use an image of the Ubuntu family
                """)
        let none = failure { try stock([try file("start.elf", "")]) }
        #expect(none?.description == "config.txt: the boot partition has no such file")
        for name in ["../x", "sub/x", ".hidden"] {
            let odd = failure { try stock([try file("config.txt", "cmdline=\(name)\n")]) }
            #expect(
                odd?.description == """
                    base image: config.txt: cmdline= names no file of the boot partition
                      found:    \(name)
                    """)
        }
    }
}
