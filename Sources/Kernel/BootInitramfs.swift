import Diagnostics
import Digests
import Layers

/// The initramfs that an image boots with until the board makes its own: busybox, a small init, and the modules that
/// a Pi 4, QEMU's raspi4b and QEMU's virt need to reach their root on SD, USB, NVMe or virtio.
///
/// The init's command line is described at the top of `Resources/boot-init.sh`.
package enum BootInitramfs {
    /// What may be chosen of an initramfs. The defaults are enough to make one.
    package struct Options: Sendable {
        /// Modules besides ``driverModules`` and ``fileSystemModules``; each must be there.
        package var additionalModules: [String] = []
        /// How the archive is compressed; nil takes zstd, or gzip where the kernel's configuration lacks RD_ZSTD.
        package var filter: ArchiveWriter.Filter?
        /// The modification time of all that is in it.
        package var time = Timestamp(seconds: 0)
        /// A static busybox for arm64; nil takes the tree's, of the package busybox-static.
        package var busybox: Content?

        package init() {}
    }

    /// What the root must be reachable through: a kernel that has one of these neither built in nor as a module is
    /// refused.
    static let requiredModules = ["ext4", "mmc_block", "sdhci_iproc"]

    /// Drivers, loaded when their device is there. Kernels differ in which they have and which are built in.
    package static let driverModules = [
        // The Pi's firmware interface, clocks, resets, power and DMA, which the rest stands on.
        "bcm2835_mailbox", "raspberrypi", "clk_raspberrypi", "reset_raspberrypi", "gpio_raspberrypi_exp",
        "bcm2835_power", "raspberrypi_power", "bcm2835_dma", "pinctrl_bcm2835",
        // SD: the card's host, its supplies, the older host.
        "fixed", "gpio_regulator", "sdhci_iproc", "bcm2835", "mmc_block", "pwrseq_simple",
        // USB over PCIe. Not the SoC's own USB (dwc2): on a Pi 4 that is the power socket, and probing it takes seconds.
        "pcie_brcmstb", "xhci_pci", "xhci_pci_renesas", "usb_storage", "uas", "sd_mod",
        // NVMe (Compute Module 4).
        "nvme",
        // Virtual machines.
        "virtio_pci", "virtio_mmio", "virtio_blk", "virtio_scsi",
    ]

    /// What no device asks for, loaded first.
    package static let fileSystemModules = ["crc32c_generic", "libcrc32c", "ext4"]

    /// A digest of all that decides the initramfs besides the tree: the init script and the modules it takes.
    package static var rulesDigest: SHA256Digest {
        let hasher = KeyHasher(purpose: "boot initramfs")
        hasher.add(PackageResources.boot_init_sh)
        for names in [requiredModules, driverModules, fileSystemModules] {
            hasher.add(names.count)
            for name in names { hasher.add(name) }
        }
        return hasher.finalize()
    }

    /// Makes the initramfs for one kernel of a tree that has been through ``Depmod``.
    ///
    /// - Returns: the compressed cpio archive.
    /// - Throws: `Failure` when the kernel cannot reach a root, or the tree has no static busybox.
    package static func make(
        _ release: KernelRelease, in tree: Tree, options: Options = Options()
    ) throws -> [UInt8] {
        let index = try ModuleIndex(release, in: tree)
        _ = try index.closure(of: requiredModules + options.additionalModules)
        func there(_ names: [String]) -> [String] { names.filter(index.isLoadable) }
        let fileSystems = try index.closure(of: there(fileSystemModules + options.additionalModules))
        let modules = try index.closure(of: fileSystems + there(driverModules))

        let program = Attributes(mode: 0o755, mtime: options.time)
        let link = Attributes(mode: 0o777, mtime: options.time)
        let initScript = String(decoding: PackageResources.boot_init_sh, as: UTF8.self)
        var entries = [
            Entry("bin", program, .directory),
            Entry("bin/busybox", program, .regular(try options.busybox ?? busybox(in: tree))),
            // The kernel runs /sbin/modprobe for what a file system asks for.
            Entry("bin/modprobe", link, .symlink(Array("busybox".utf8))),
            Entry("bin/sh", link, .symlink(Array("busybox".utf8))),
            Entry("sbin", link, .symlink(Array("bin".utf8))),
            // The console that the kernel opens for init, before there is a devtmpfs.
            Entry("dev/console", Attributes(mode: 0o600, mtime: options.time), .characterDevice(major: 5, minor: 1)),
            Entry(
                "etc/modules", Attributes(mode: 0o644, mtime: options.time),
                .regular(Content(fileSystems.map { "\($0)\n" }.joined()))),
            Entry("init", program, .regular(Content(initScript))),
        ]
        entries += try index.entries(of: modules, from: tree, time: options.time)
        let filter = try options.filter ?? defaultFilter(release, tree)
        return try ArchiveWriter(.cpio, filter: filter).bytes(of: entries)
    }

    /// A static busybox of the tree: /bin/busybox, which is /usr/bin/busybox where /bin is a link.
    ///
    /// - Throws: `Failure` naming the package that brings it.
    package static func busybox(in tree: Tree) throws -> Content {
        if let busybox = tree.content("bin/busybox") ?? tree.content("usr/bin/busybox") { return busybox }
        throw Failure(
            at: "boot initramfs", "the tree holds no busybox", expected: "/bin/busybox of busybox-static",
            next: "add busybox-static to the recipe's packages")
    }

    private static func defaultFilter(_ release: KernelRelease, _ tree: Tree) throws -> ArchiveWriter.Filter {
        guard let config = release.config.flatMap({ tree.content($0) }) else { return .gzip(level: 9) }
        let lines = try ContentReader().text(of: config).splitLines()
        return lines.contains("CONFIG_RD_ZSTD=y") ? .zstd(level: 19) : .gzip(level: 9)
    }
}
