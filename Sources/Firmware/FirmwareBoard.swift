/// A board of the Raspberry Pi 4's family, as the filters of config.txt tell boards apart.
///
/// Source: Raspberry Pi documentation, "The config.txt file", section "Model filters"; "Raspberry Pi hardware", section "New-style
/// revision codes".
package struct FirmwareBoard: Sendable, Equatable {
    /// As people call it.
    package var name: String
    /// The model filters that match, without brackets.
    package var models: Set<String>
    /// The number of the board's type in its revision code, for `[board-type=…]`.
    package var type: UInt64
    /// The device trees that its firmware looks for, Linux's own name first, which `upstream_kernel=1` prefers.
    package var deviceTrees: [String]
    /// The number of the partition that it boots from, for `[boot_partition=…]`: the first one of a card that nothing else was
    /// installed on.
    package var partition: UInt64 = 1

    /// A Pi 4 Model B.
    package static let pi4ModelB = FirmwareBoard(
        name: "Pi 4 Model B", models: ["pi4"], type: 0x11, deviceTrees: ["bcm2711-rpi-4-b.dtb"])
    /// A Pi 400.
    package static let pi400 = FirmwareBoard(
        name: "Pi 400", models: ["pi4", "pi400"], type: 0x13, deviceTrees: ["bcm2711-rpi-400.dtb"])
    /// A Compute Module 4.
    package static let computeModule4 = FirmwareBoard(
        name: "Compute Module 4", models: ["pi4", "cm4"], type: 0x14,
        deviceTrees: ["bcm2711-rpi-cm4-io.dtb", "bcm2711-rpi-cm4.dtb"])

    /// A Compute Module 4S, which has the shape of the earlier modules.
    package static let computeModule4S = FirmwareBoard(
        name: "Compute Module 4S", models: ["pi4", "cm4s"], type: 0x15, deviceTrees: ["bcm2711-rpi-cm4s.dtb"])

    /// The boards that could read the config.txt of an image for the Pi 4: those that start4.elf runs on and that Linux has a
    /// device tree for. piforge claims no more than the first two; a recipe may set what it likes for the others.
    package static let family = [pi4ModelB, pi400, computeModule4, computeModule4S]
}
