import Diagnostics
import Storage
import SystemPackage

/// What of a disk is in use, and so has to be on a card: the rest is free space, whatever lies there.
///
/// Zeros count as anything else does: a file's zeros, an empty inode table and an empty journal must not be what another
/// system left on the card. The answer comes from the file systems' own bitmaps and tables, never from the holes of a
/// file of the host, which differ from one host's file system to another's.
package enum UsedSpace {
    /// The stretches in use of a whole disk, in bytes, in order.
    ///
    /// A partition that holds neither ext4 nor FAT, or one that cannot be read, counts as a whole; so does a disk without a
    /// partition table. What lies outside of partitions counts as free.
    ///
    /// - Throws: `Failure` when the disk cannot be read; `CancellationError`.
    package static func ranges(of disk: FilePath) throws -> [Range<UInt64>] {
        let source = try FileSource(disk)
        guard let table = try? PartitionTable(reading: source, place: disk.string) else { return [0..<source.size] }
        return try table.partitions.sorted { $0.start < $1.start }.flatMap { partition in
            try Task.checkCancellation()
            let whole = partition.offset..<partition.offset + partition.size
            let used = (try? ranges(of: partition, source, disk)) ?? [0..<partition.size]
            return used.map { $0.lowerBound + whole.lowerBound..<$0.upperBound + whole.lowerBound }
                .map { $0.clamped(to: whole) }.filter { !$0.isEmpty }
        }
    }

    private static func ranges(
        of partition: Partition, _ source: FileSource, _ disk: FilePath
    ) throws -> [Range<UInt64>] {
        if Partition.fatTypes.contains(partition.type) {
            return try FATReader(source, offset: partition.offset, place: disk.string).usedRanges()
        }
        return try Ext4Reader(disk, offset: partition.offset, place: disk.string).usedRanges()
    }
}
