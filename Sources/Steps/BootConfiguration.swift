import Layers

/// The files by which a Raspberry Pi's firmware finds and starts the system (config.txt and cmdline.txt; Raspberry Pi
/// documentation, "The config.txt file"), and Debian's settings that make the board's own kernel hook write the same.
///
/// Debian's raspi-firmware writes config.txt and cmdline.txt anew at every kernel or firmware upgrade, from
/// /etc/default/raspi-firmware, raspi-firmware-custom and raspi-extra-cmdline. So the settings go there too, and an
/// upgrade on the board changes the kernel's name and nothing else.
package struct BootConfiguration: Sendable, Equatable {
    /// The kernel's file name on the boot partition.
    package var kernel: String
    /// The initramfs's file name; nil boots without one.
    package var initramfs: String?
    /// `LABEL=writable`, `PARTUUID=…` or a device.
    package var root: String
    /// MiB of memory the system may see; nil means all.
    package var memoryLimit: Int?
    /// Consoles for the kernel, the last one being /dev/console: `tty0`, `ttyS1,115200`.
    package var consoles: [String]
    /// Lines of config.txt besides piforge's own.
    package var extraConfig: [String]
    /// Words of the command line besides piforge's own.
    package var extraCommandLine: [String]
    /// A stock image's config.txt, into which the settings go; nil makes a new one.
    var stock: StockConfigText?

    package init(
        kernel: String, initramfs: String?, root: String, memoryLimit: Int? = nil, consoles: [String],
        extraConfig: [String] = [], extraCommandLine: [String] = []
    ) {
        self.kernel = kernel
        self.initramfs = initramfs
        self.root = root
        self.memoryLimit = memoryLimit
        self.consoles = consoles
        self.extraConfig = extraConfig
        self.extraCommandLine = extraCommandLine
    }

    /// Settings that Debian's hook does not write by itself.
    var customConfig: [String] {
        customConfigOfOurs + (stock?.settings ?? []) + extraConfig
    }

    private var customConfigOfOurs: [String] {
        // arm_boost: 1,800 MHz where the board can (a 4B of revision 1.4 and newer; Raspberry Pi documentation, "Overclocking
        // options"). No core_freq: with enable_uart=1 and the mini UART as the primary one, the firmware keeps the core clock, which the
        // mini UART hangs on, fixed by itself (Raspberry Pi documentation, "Mini UART and CPU core frequency").
        var lines = ["enable_gic=1", "disable_overscan=1", "arm_boost=1"]
        if let memoryLimit { lines.append("total_mem=\(memoryLimit)") }
        return lines
    }

    /// Words that Debian's hook does not write by itself.
    var customCommandLine: [String] {
        // Debian's hook writes `rw`, and the last word counts (Linux, init/do_mounts.c). A root that the kernel mounts writable is never
        // checked (systemd-fsck-root.service, ConditionPathIsReadWrite=!/); the initramfs mounts it read-only and has it checked.
        (initramfs == nil ? ["ro"] : []) + (memoryLimit.map { ["mem=\($0)M"] } ?? []) + extraCommandLine
    }

    /// config.txt, with the same settings in the same order as Debian's hook writes them.
    package var configText: String {
        var lines = [
            "# Written by piforge. The board's raspi-firmware package writes this file anew on upgrades, from",
            "# /etc/default/raspi-firmware and raspi-firmware-custom: change those.",
            "arm_64bit=1", "enable_uart=1", "upstream_kernel=1", "kernel=\(kernel)",
        ]
        if let initramfs { lines.append("initramfs \(initramfs)") }
        if let stock { return stock.text(with: lines + customConfigOfOurs, last: extraConfig) }
        return (lines + customConfig).map { $0 + "\n" }.joined()
    }

    /// cmdline.txt: one line.
    package var commandLineText: String {
        let words =
            consoles.map { "console=\($0)" } + ["root=\(root)", "rw", "fsck.repair=yes", "net.ifnames=0", "rootwait"]
            + customCommandLine
        return words.joined(separator: " ") + "\n"
    }

    /// /etc/default/raspi-firmware.
    var debianDefaults: String {
        """
        # Written by piforge; read by the kernel hook of raspi-firmware, which writes /boot/firmware/config.txt
        # and cmdline.txt. `update-initramfs -u` runs it.
        CMA=0
        ROOTPART="\(root)"
        CONSOLES="\(consoles.joined(separator: " "))"

        """ + (initramfs == nil ? ownKernel : "")
    }

    /// The hook does nothing where no initramfs is. Where one appears, of another kernel, it would start that kernel, or hand its
    /// initramfs to ours.
    private var ownKernel: String {
        """
        # A kernel that mounts its root by itself, and that no other takes the place of. To start another one, copy it to
        # /boot/firmware and name it here, or set both to auto.
        KERNEL="\(kernel)"
        INITRAMFS="no"

        """
    }

    /// The files of `/etc/default` that keep the settings through upgrades on the board.
    func debianSettings(epoch: Int64) -> [Entry] {
        let plain = Attributes(mode: 0o644, mtime: Timestamp(seconds: epoch))
        return [
            Entry("etc/default/raspi-firmware", plain, .regular(Content(debianDefaults))),
            Entry(
                "etc/default/raspi-firmware-custom", plain,
                .regular(Content(customConfig.map { $0 + "\n" }.joined()))),
            Entry(
                "etc/default/raspi-extra-cmdline", plain,
                .regular(Content(customCommandLine.joined(separator: " ") + "\n"))),
        ]
    }
}
