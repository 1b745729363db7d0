import Digests
import Disk
import Foundation
import Storage

/// What is known about a stock image's disk, besides the files on it.
package struct StockFacts: Codable, Sendable, Equatable {
    /// SHA-256 of the image as it was published.
    package var image: SHA256Digest
    /// Bytes of the unpacked disk.
    package var diskSize: UInt64
    /// The disk signature; a partition's PARTUUID begins with it.
    package var diskSignature: UInt32
    /// Those that the partition table has, in its order, empty entries left out; also those that are not read.
    package var partitions: [StockPartition]
    /// The number of the partition that the root file system was read from.
    package var rootPartition: Int
    /// The number of the partition that the boot files were read from.
    package var bootPartition: Int
    /// Where the boot partition is mounted: an absolute path.
    package var bootMountPoint: String

    /// The partition of the number ``rootPartition``.
    package var root: StockPartition? { partitions.first { $0.number == rootPartition } }
    /// The partition of the number ``bootPartition``.
    package var boot: StockPartition? { partitions.first { $0.number == bootPartition } }
}

/// One partition of a stock image.
package struct StockPartition: Codable, Sendable, Equatable {
    /// From 1.
    package var number: Int
    /// The type byte of the partition table.
    package var type: UInt8
    /// Whether the partition table marks it as bootable (0x80 in the entry's first byte).
    package var isActive: Bool
    /// First sector, of 512 bytes.
    package var start: UInt32
    /// Sectors.
    package var count: UInt32
    /// `vfat`, `ext4`, `ext3` or `ext2`; nil for anything else.
    package var fileSystem: String?
    /// As Linux sees it; nil for none.
    package var label: String?
    /// As Linux gives it: `C0FF-EE01` of a FAT, 36 characters of an ext4.
    package var uuid: String?

    init(_ number: Int, _ partition: Partition) {
        self.number = number
        type = partition.type
        isActive = partition.isActive
        start = partition.start
        count = partition.count
    }

    /// Bytes.
    package var size: UInt64 { UInt64(count) * PartitionTable.sectorSize }
    var offset: UInt64 { UInt64(start) * PartitionTable.sectorSize }
    var isFAT: Bool { Partition.fatTypes.contains(type) }
    var isLinux: Bool { type == Partition.Kind.linux.rawValue }

    /// For errors: `partition 2 ('writable', 2048 MiB)`.
    var description: String {
        "partition \(number) (" + (label.map { "'\($0)', " } ?? "") + "\(size >> 20) MiB)"
    }
}

extension StockFacts {
    func json() throws -> [UInt8] { try jsonBytes(self, .file, at: "the facts of a stock image") }

    /// nil for anything but what ``json()`` wrote.
    init?(json: [UInt8]) {
        guard let facts = try? JSONDecoder().decode(StockFacts.self, from: Data(json)) else { return nil }
        self = facts
    }
}
