import Diagnostics
import Layers
import Steps
import TestSupport
import Testing

@Suite struct BootStepTests {
    private let step = BootStep(
        partition: "PARTUUID=1234abcd-02", memoryLimit: 1024, serialConsole: true, extraConfig: ["dtparam=audio=off"],
        extraCommandLine: ["quiet"])

    @Test func bootPartitionHoldsExactlyWhatTheFirmwareNeeds() throws {
        let tree = try sampleTree()
        let result = try tree.with(step.apply(to: tree, facts(), epoch: epoch))
        let names = result.subtree("boot/firmware")?.paths.map(\.description)
        #expect(
            names == [
                "/", "/bcm2711-rpi-4-b.dtb", "/cmdline.txt", "/config.txt", "/fixup4.dat", "/initrd.img-6.12.1-arm64",
                "/overlays", "/overlays/a.dtbo", "/start4.elf", "/vmlinuz-6.12.1-arm64",
            ])
        #expect(
            try result.text("boot/firmware/cmdline.txt") == """
                console=tty0 console=ttyS1,115200 root=LABEL=writable rw fsck.repair=yes net.ifnames=0 rootwait \
                mem=1024M quiet

                """)
        let config = try result.text("boot/firmware/config.txt")?.split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(
            config == [
                "arm_64bit=1", "enable_uart=1", "upstream_kernel=1", "kernel=vmlinuz-6.12.1-arm64",
                "initramfs initrd.img-6.12.1-arm64", "enable_gic=1", "disable_overscan=1", "arm_boost=1",
                "total_mem=1024",
                "dtparam=audio=off",
            ])
    }

    @Test func boardsOwnHookIsToldTheSameSettings() throws {
        let tree = try sampleTree()
        let result = try tree.with(step.apply(to: tree, facts(), epoch: epoch))
        #expect(
            try result.text("etc/default/raspi-firmware-custom")
                == "enable_gic=1\ndisable_overscan=1\narm_boost=1\ntotal_mem=1024\ndtparam=audio=off\n")
        #expect(
            try result.text("etc/default/raspi-extra-cmdline")
                == "mem=1024M quiet\n")
        #expect(try result.text("etc/default/raspi-firmware")?.contains("ROOTPART=\"LABEL=writable\"") == true)
    }

    /// A kernel that mounts its root by itself: nothing names an initramfs, the root is a partition, and the board's hook keeps to it.
    @Test func withoutAnInitramfsNothingNamesOne() throws {
        let tree = try sampleTree()
        let result = try tree.with(step.apply(to: tree, facts(hasInitramfs: false), epoch: epoch))
        #expect(result.subtree("boot/firmware")?.paths.contains { "\($0)".contains("initrd") } == false)
        #expect(try result.text("boot/firmware/config.txt")?.contains("initramfs") == false)
        #expect(try result.text("boot/firmware/cmdline.txt")?.contains(" root=PARTUUID=1234abcd-02 rw ") == true)
        // Mounted read-only first, so that it is checked; the last of `ro` and `rw` counts.
        #expect(try result.text("boot/firmware/cmdline.txt")?.contains(" rootwait ro ") == true)
        #expect(try result.text("etc/default/raspi-extra-cmdline")?.hasPrefix("ro ") == true)
        let defaults = try result.text("etc/default/raspi-firmware")
        #expect(defaults?.contains("\nROOTPART=\"PARTUUID=1234abcd-02\"\n") == true)
        #expect(defaults?.hasSuffix("\nKERNEL=\"vmlinuz-6.12.1-arm64\"\nINITRAMFS=\"no\"\n") == true)
    }

    @Test func missingFirmwareIsNamed() throws {
        let tree = try sampleTree().with(Layer(name: "x", whiteouts: ["usr/lib/raspi-firmware/start4.elf"]))
        let error = failure { try step.apply(to: tree, facts(), epoch: epoch) }
        #expect(error?.message == "the image has no /usr/lib/raspi-firmware/start4.elf")
    }
}
