import Diagnostics
import Storage

/// One entry of a partition table. A sector has 512 bytes.
package struct Partition: Sendable, Equatable {
    /// What the partition holds (the type byte of the table).
    package enum Kind: UInt8, Sendable {
        /// FAT32 with LBA addresses, which the Pi's firmware boots from.
        case fat32 = 0x0c
        /// A Linux file system.
        case linux = 0x83
    }

    /// The type bytes of FAT12, FAT16 and FAT32, with CHS or LBA addresses, and of an EFI system partition.
    package static let fatTypes: Set<UInt8> = [0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e, 0xef]

    /// The type byte; see ``Kind``.
    package var type: UInt8
    /// Whether the entry's active flag is set (80 and not 00).
    package var isActive: Bool
    /// First sector.
    package var start: UInt32
    /// Sectors; at least 1.
    package var count: UInt32

    package init(type: UInt8, isActive: Bool = false, start: UInt32, count: UInt32) {
        self.type = type
        self.isActive = isActive
        self.start = start
        self.count = count
    }

    /// Bytes from the disk's beginning.
    package var offset: UInt64 { UInt64(start) * PartitionTable.sectorSize }
    /// Bytes.
    package var size: UInt64 { UInt64(count) * PartitionTable.sectorSize }
}

/// A master boot record: the partition table of up to four primary partitions in a disk's first sector.
///
///     0     440 bytes   boot code, not used by the Pi's firmware: zeros
///     440   u32         disk signature; a partition's PARTUUID is it and the partition's number (c0ffee00-02)
///     444   u16         zero
///     446   4 entries   active (80 or 0) · first CHS, 3 bytes · type · last CHS, 3 bytes · first sector u32 · sectors u32
///     510   55 aa
///
/// Sources: UEFI specification 2.10, section 5.2.1; Linux, block/partitions/msdos.c.
package struct PartitionTable: Sendable, Equatable {
    /// Bytes.
    package static let sectorSize: UInt64 = 512
    /// Partitions begin at multiples of this many sectors: 4 MiB, the erase unit of most SD cards.
    package static let alignment: UInt32 = 8192

    /// The disk signature.
    package var signature: UInt32
    /// In the order of the table's entries; at most four, empty entries left out.
    package var partitions: [Partition]
    /// The number of each partition, from 1: the entry it stands in.
    package var numbers: [Int]

    /// - Parameter partitions: at most four; they get the numbers 1, 2, ….
    package init(signature: UInt32, partitions: [Partition]) {
        self.signature = signature
        self.partitions = partitions
        numbers = Array(1..<partitions.count + 1)
    }

    /// Lays partitions out one after the other, each aligned, the first at sector 8192 and active.
    ///
    /// - Parameter parts: type and size in bytes of each; sizes are rounded up to whole sectors.
    /// - Throws: `Failure` when there are more than four, one is empty, or they go beyond what 32 bits of sectors hold.
    package static func laidOut(
        signature: UInt32, _ parts: [(kind: Partition.Kind, size: UInt64)]
    ) throws -> PartitionTable {
        guard parts.count <= 4 else {
            throw Failure(at: "partition table", "too many partitions", expected: "at most 4", found: "\(parts.count)")
        }
        var next = UInt64(alignment)
        var partitions: [Partition] = []
        for (number, part) in parts.enumerated() {
            guard part.size > 0 else {
                throw Failure(at: "partition table", "partition \(number + 1) has no size")
            }
            let count = (part.size - 1) / sectorSize + 1
            guard count <= UInt64(UInt32.max), next + count <= UInt64(UInt32.max) else {
                throw Failure(
                    at: "partition table", "partition \(number + 1) ends beyond 2 TiB, the most this table can hold")
            }
            partitions.append(
                Partition(type: part.kind.rawValue, isActive: number == 0, start: UInt32(next), count: UInt32(count)))
            next = (next + count + UInt64(alignment) - 1) / UInt64(alignment) * UInt64(alignment)
        }
        return PartitionTable(signature: signature, partitions: partitions)
    }

    /// The first size of a disk that holds all partitions: bytes, a multiple of 4 MiB.
    package var diskSize: UInt64 {
        let unit = UInt64(Self.alignment) * Self.sectorSize
        let end = partitions.map { $0.offset + $0.size }.max() ?? unit
        return (end + unit - 1) / unit * unit
    }

    /// A partition's PARTUUID as Linux and udev give it.
    ///
    /// - Parameter number: from 1.
    package func partitionUUID(_ number: Int) -> String {
        Self.partitionUUID(number, signature: signature)
    }

    /// As ``partitionUUID(_:)``, for a disk that is not laid out yet.
    package static func partitionUUID(_ number: Int, signature: UInt32) -> String {
        "\(signature.hex(digits: 8))-\(number.hex(digits: 2))"
    }

    // MARK: On the disk

    /// The table as a sector of 512 bytes.
    package func encoded() -> [UInt8] {
        var sector = [UInt8](repeating: 0, count: Int(Self.sectorSize))
        sector.replaceSubrange(440..<444, with: littleEndian(signature))
        for (number, partition) in zip(numbers, partitions) {
            var entry: [UInt8] = [partition.isActive ? 0x80 : 0]
            entry += Self.chs(partition.start) + [partition.type] + Self.chs(partition.start &+ partition.count &- 1)
            entry += littleEndian(partition.start) + littleEndian(partition.count)
            let position = 446 + 16 * (number - 1)
            sector.replaceSubrange(position..<position + 16, with: entry)
        }
        sector[510] = 0x55
        sector[511] = 0xaa
        return sector
    }

    /// Reads a disk's table and checks it against the disk.
    ///
    /// - Parameter place: the disk, for errors.
    /// - Throws: `Failure` when there is no table, it is a GPT (a hybrid one too), or a partition is extended, empty,
    ///   overlaps another or goes beyond the disk's end.
    package init(reading disk: some ByteSource, place: String) throws {
        guard disk.size >= Self.sectorSize else {
            throw Failure(
                at: place, "too small for a partition table", expected: "at least 512 bytes", found: "\(disk.size)")
        }
        var sector = [UInt8](repeating: 0, count: Int(Self.sectorSize))
        try sector.withUnsafeMutableBytes { try disk.read(at: 0, into: $0) }
        try self.init(decoding: sector, diskSize: disk.size, place: place)
    }

    /// - Parameters:
    ///   - sector: the disk's first 512 bytes.
    ///   - diskSize: bytes.
    ///   - place: the disk, for errors.
    /// - Throws: as ``init(reading:place:)``.
    package init(decoding sector: [UInt8], diskSize: UInt64, place: String) throws {
        guard sector.count == Int(Self.sectorSize), sector[510] == 0x55, sector[511] == 0xaa else {
            throw Failure(at: place, "no partition table", expected: "the bytes 55 aa at offset 510")
        }
        signature = littleEndian(sector, at: 440)
        partitions = []
        numbers = []
        for number in 1...4 {
            let position = 446 + 16 * (number - 1)
            let type = sector[position + 4]
            if type == 0 { continue }
            guard type != 0xee else {
                throw Failure(
                    at: place, "the disk has a GPT partition table, as disks for PCs have",
                    expected: "an MBR with primary partitions", next: Self.conversion)
            }
            // Extended partitions, with CHS or LBA addresses, and Linux's: a chain of further tables.
            guard ![0x05, 0x0f, 0x85].contains(type) else {
                throw Failure(
                    at: place, "partition \(number) is an extended partition",
                    expected: "an MBR with primary partitions", found: "type 0x\(String(type, radix: 16))")
            }
            let active = sector[position]
            guard active == 0 || active == 0x80 else {
                throw Failure(
                    at: place, "partition \(number) has an invalid active flag", expected: "0x00 or 0x80",
                    found: "0x\(String(active, radix: 16))")
            }
            partitions.append(
                Partition(
                    type: type, isActive: active == 0x80, start: littleEndian(sector, at: position + 8),
                    count: littleEndian(sector, at: position + 12)))
            numbers.append(number)
        }
        try validate(diskSize: diskSize, place: place)
    }

    /// sgdisk(8) keeps the partitions where they are, but takes one for Windows (type 7) where the GPT says `basic data`, as it does for
    /// a FAT boot partition.
    private static let conversion =
        "with a raw copy of it: sgdisk --gpttombr=1:2 COPY.img && sfdisk --part-type COPY.img 1 c, where 1 is the FAT boot partition "
        + "and 2 the root (sgdisk --print COPY.img; Debian's packages gdisk and fdisk)"

    private func validate(diskSize: UInt64, place: String) throws {
        let sectors = diskSize / Self.sectorSize
        for (number, partition) in zip(numbers, partitions) {
            guard partition.count > 0 else { throw Failure(at: place, "partition \(number) has no sectors") }
            guard partition.start > 0 else {
                throw Failure(at: place, "partition \(number) begins at sector 0, on the partition table")
            }
            let end = UInt64(partition.start) + UInt64(partition.count)
            guard end <= sectors else {
                throw Failure(
                    at: place, "partition \(number) goes beyond the end of the disk",
                    expected: "at most \(sectors) sectors", found: "sectors \(partition.start) to \(end - 1)")
            }
        }
        let sorted = zip(numbers, partitions).sorted { $0.1.start < $1.1.start }
        for (first, second) in zip(sorted, sorted.dropFirst())
        where UInt64(first.1.start) + UInt64(first.1.count) > UInt64(second.1.start) {
            throw Failure(at: place, "partitions \(first.0) and \(second.0) overlap at sector \(second.1.start)")
        }
    }

    /// Cylinder, head and sector of an address for 255 heads of 63 sectors; fe ff ff from cylinder 1024 on.
    private static func chs(_ sector: UInt32) -> [UInt8] {
        let cylinder = sector / (255 * 63)
        guard cylinder < 1024 else { return [0xfe, 0xff, 0xff] }
        let head = UInt8(sector / 63 % 255)
        return [head, UInt8(sector % 63 + 1) | UInt8(cylinder >> 8) << 6, UInt8(cylinder & 0xff)]
    }
}
