extension Recipe {
    /// The sizes of the partitions.
    package struct Disk: Sendable, Equatable {
        /// The boot partition (FAT32).
        package var bootSize = ByteCount.mebibytes(512)
        /// The root partition (ext4); nil for as large as its files and the free space need.
        package var rootSize: ByteCount?
        /// What must be free on the root file system: added to an automatic size, checked against a given one.
        package var freeSpace = ByteCount.mebibytes(512)
        /// Whether the root file system grows to the card's end on the first boot.
        package var grow = true

        package init() {}
    }
}

extension Recipe.Disk {
    static let shape = Shape<Recipe.Disk>.object(
        Self(),
        [
            Key(
                "boot_size", \.bootSize, .size(in: .mebibytes(128)...(.gibibytes(4))),
                "The boot partition: FAT32, which holds the firmware, the kernels and their initramfs."),
            Key(
                "root_size", \.rootSize,
                .oneOf(
                    "a size",
                    [
                        .word("auto", nil, "What the files and the free space need.", is: { $0 == nil }),
                        .scalar(.size(in: .mebibytes(256)...(.gibibytes(256))), "A size.", make: { $0 }, part: { $0 }),
                    ]), fallback: "`auto`", example: .string("4G"),
                "The root partition: ext4. `auto` is what the files and `free_space` need."),
            Key(
                "free_space", \.freeSpace, .size(in: .mebibytes(0)...(.gibibytes(128))),
                "What must be free on the root file system: added to an automatic size, checked against a given one."),
            Key("grow", \.grow, .flag, "Whether the root file system grows to the end of the card on the first boot."),
        ])
}
