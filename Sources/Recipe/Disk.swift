extension Recipe {
    /// The sizes of the partitions.
    public struct Disk: Sendable, Equatable {
        /// The boot partition (FAT32).
        public var bootSize = ByteCount.mebibytes(512)
        /// The root partition (ext4); nil for as large as its files and the free space need.
        public var rootSize: ByteCount?
        /// What must be free on the root file system: added to an automatic size, checked against a given one.
        public var freeSpace = ByteCount.mebibytes(512)
        /// Whether the root file system grows to the card's end on the first boot.
        public var grow = true

        public init() {}
    }

    /// How the image file is packed.
    public struct Output: Sendable, Equatable {
        public var compression = Compression()

        public init() {}

        /// How the .xz is made. The preset and the block size decide its bytes; the number of jobs does not.
        public struct Compression: Sendable, Equatable {
            /// xz's preset, 0 (fast) to 9.
            public var preset = 6
            /// Uncompressed bytes per block, 4 MiB to 64 MiB.
            public var blockSize = ByteCount.mebibytes(8)

            public init() {}
        }
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

extension Recipe.Output {
    static let shape = Shape<Recipe.Output>.object(
        Self(),
        [Key("compression", \.compression, Compression.shape, "How the .xz is made; the output's bytes depend on it.")])
}

extension Recipe.Output.Compression {
    static let shape = Shape<Recipe.Output.Compression>.object(
        Self(),
        [
            Key("preset", \.preset, .integer("xz's preset", in: 0...9), "0 is fast, 9 is small."),
            Key(
                "block_size", \.blockSize, .size(in: .mebibytes(4)...(.mebibytes(64))),
                "How much is compressed at a time. Small blocks are compressed again when they change; large ones pack better."
            ),
        ])
}
