import Diagnostics
import Layers

/// Fills the boot partition: firmware, device trees, kernel, initramfs, config.txt and cmdline.txt; and writes the
/// settings by which Debian's hook on the board keeps it so (`BootConfiguration`).
package struct BootStep: Step {
    package let name = "boot"
    /// The mount point of the boot partition.
    package static let mountPoint: EntryPath = "boot/firmware"

    /// Where the root file system is, as a kernel finds it without an initramfs: `PARTUUID=…-02`; nil where it always has one.
    package var partition: String?
    /// The memory that the kernel may use, in MiB; nil for all of it.
    package var memoryLimit: Int?
    /// Whether the kernel writes to the serial pins: ttyS1, at 115,200 baud.
    package var serialConsole: Bool
    /// Lines that end config.txt: the recipe's `firmware.config`.
    package var extraConfig: [String]
    /// Words that end the command line: the recipe's `firmware.cmdline`, and what its runtimes ask for.
    package var extraCommandLine: [String]

    package init(
        partition: String?, memoryLimit: Int?, serialConsole: Bool, extraConfig: [String], extraCommandLine: [String]
    ) {
        self.partition = partition
        self.memoryLimit = memoryLimit
        self.serialConsole = serialConsole
        self.extraConfig = extraConfig
        self.extraCommandLine = extraCommandLine
    }

    /// What the firmware and the board's hook are told. What a stock image has there stays, but for what starts its own kernel. On a Pi 4
    /// with the mainline device tree the header's pins are the mini UART, ttyS1.
    package func configuration(_ facts: SystemFacts) -> BootConfiguration {
        let label = "LABEL=\(FileSystemTableStep.rootLabel)"
        var configuration = BootConfiguration(
            kernel: "vmlinuz-\(facts.release)", initramfs: facts.hasInitramfs ? "initrd.img-\(facts.release)" : nil,
            // A label is for an initramfs to find: the kernel itself knows devices and partitions alone.
            root: facts.hasInitramfs ? label : partition ?? label, memoryLimit: memoryLimit,
            consoles: ["tty0"] + (serialConsole ? ["ttyS1,115200"] : []), extraConfig: extraConfig,
            extraCommandLine: extraCommandLine)
        configuration.stock = facts.stockBoot?.config
        return configuration
    }

    package let summary = "firmware, kernel, config.txt, cmdline.txt"

    package var inputs: [StepInput] {
        [
            StepInput("memory.limit", memoryLimit.map { "\($0)M" } ?? "none"),
            StepInput("system.serial_console", String(serialConsole)),
            StepInput("firmware.config", extraConfig.joined(separator: "\n")),
            StepInput("firmware.cmdline", extraCommandLine.joined(separator: " ")),
            StepInput("root partition", partition ?? "by its label"),
        ]
    }

    package func key(of path: EntryPath) -> String {
        switch path {
        case Self.mountPoint.appending("config.txt"): "firmware.config"
        case Self.mountPoint.appending("cmdline.txt"): "firmware.cmdline"
        default: name
        }
    }

    /// Takes away what is in ``mountPoint`` and fills it anew. A stock image's own files stay, but for those whose names are made here, in
    /// whatever case.
    ///
    /// - Throws: `Failure` when the tree lacks start4.elf, fixup4.dat, the kernel, its initramfs or its bcm2711-rpi-4-b.dtb.
    package func apply(to tree: Tree, _ facts: SystemFacts, epoch: Int64) throws -> Layer {
        let configuration = configuration(facts)
        let release = facts.release
        // What the package's own script left there while it ran in the micro-VM is made anew.
        var layer = Layer(name: name, whiteouts: tree.children(of: Self.mountPoint))
        layer.addDirectory(Self.mountPoint, .root(0o755, epoch: epoch))
        for file in ["start4.elf", "fixup4.dat"] where tree.content(Self.firmware.appending(file)) == nil {
            throw Failure(
                at: "boot", "the image has no \(Self.firmware.appending(file))",
                next: "set firmware.package to raspi-firmware, and non-free-firmware in packages.components")
        }
        copy(below: Self.firmware, from: tree, epoch: epoch, to: &layer) { _ in true }
        let trees = try EntryPath(validating: "usr/lib/linux-image-\(release)/broadcom")
        guard tree.content(trees.appending("bcm2711-rpi-4-b.dtb")) != nil else {
            throw Failure(at: "boot", "the kernel \(release) brings no bcm2711-rpi-4-b.dtb", expected: "in \(trees)")
        }
        copy(below: trees, from: tree, epoch: epoch, to: &layer) {
            $0.starts(with: "bcm".utf8) && Array($0.suffix(4)) == Array(".dtb".utf8)
        }
        try copy("boot/\(configuration.kernel)", from: tree, epoch: epoch, to: &layer)
        if let initramfs = configuration.initramfs {
            try copy("boot/\(initramfs)", from: tree, epoch: epoch, to: &layer)
        }
        layer.addText(Self.mountPoint.appending("config.txt"), configuration.configText, epoch: epoch)
        let commandLineName = facts.stockBoot?.commandLineName ?? "cmdline.txt"
        layer.addText(Self.mountPoint.appending(commandLineName), configuration.commandLineText, epoch: epoch)
        if let stock = facts.stockBoot {
            layer.entries += stock.entries(beside: layer.entries)
        }
        layer.entries += configuration.debianSettings(epoch: epoch)
        return layer
    }

    private static let firmware: EntryPath = "usr/lib/raspi-firmware"

    /// Copies the folder's files and folders whose names are wanted.
    private func copy(
        below folder: EntryPath, from tree: Tree, epoch: Int64, to layer: inout Layer,
        where isWanted: (ArraySlice<UInt8>) -> Bool
    ) {
        for path in tree.paths where path != folder {
            guard let below = path.relative(to: folder), isWanted(path.name), let node = tree[path] else { continue }
            let target = below.components.reduce(Self.mountPoint) { $0.appending($1) }
            switch node.kind {
            case .directory: layer.addDirectory(target, .root(0o755, epoch: epoch))
            default:
                guard let content = tree.content(path) else { continue }
                layer.entries.append(Entry(target, .root(0o755, epoch: epoch), .regular(content)))
            }
        }
    }

    private func copy(_ path: String, from tree: Tree, epoch: Int64, to layer: inout Layer) throws {
        let path = try EntryPath(validating: path)
        guard let content = tree.content(path) else {
            throw Failure.damagedCache(at: "boot", "the image has no \(path)")
        }
        layer.entries.append(
            Entry(Self.mountPoint.appending(path.name), .root(0o755, epoch: epoch), .regular(content)))
    }
}
