/// What a kernel needs built in to mount an ext4 root from a Pi 4's SD card by itself. With one of these as a module it needs an
/// initramfs, which loads it.
package enum RootDrivers {
    /// Each option and what it is for, as mainline Linux names them.
    package static let options: [(option: String, purpose: String)] = [
        // The card: its host, the block device, the table and the file system on it.
        ("CONFIG_MMC_BLOCK", "SD cards as disks"),
        ("CONFIG_MMC_SDHCI_IPROC", "the SD card's host"),
        ("CONFIG_MSDOS_PARTITION", "the partition table"),
        ("CONFIG_EXT4_FS", "the root file system"),
        // What the host waits for: its clock, and the card's supplies, whose switches are lines of the firmware, asked by mailbox
        // (Linux, arch/arm64/boot/dts/broadcom/bcm2711-rpi-4-b.dts: &emmc2, sd_io_1v8_reg, sd_vcc_reg, expgpio).
        ("CONFIG_CLK_BCM2835", "the SD host's clock"),
        ("CONFIG_BCM2835_MBOX", "the mailbox to the firmware"),
        ("CONFIG_RASPBERRYPI_FIRMWARE", "the firmware"),
        ("CONFIG_GPIO_RASPBERRYPI_EXP", "the firmware's lines"),
        ("CONFIG_REGULATOR_FIXED_VOLTAGE", "the SD card's supply"),
        ("CONFIG_REGULATOR_GPIO", "the SD card's voltage"),
        // The first program finds its console and its disk there.
        ("CONFIG_DEVTMPFS", "/dev"),
        ("CONFIG_DEVTMPFS_MOUNT", "/dev"),
    ]

    /// The options that are not built in, with what they are.
    package static func missing(in config: KernelConfig) -> [(
        option: String, purpose: String, found: KernelOptionValue
    )] {
        options.compactMap { option, purpose in
            let found = config[option]
            return found == .yes ? nil : (option, purpose, found)
        }
    }
}
