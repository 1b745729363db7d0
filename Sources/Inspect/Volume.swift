import Diagnostics
import Disk
import Layers
import Storage

/// A partition of an image, with the file system on it. Belongs to one task.
package final class Volume {
    enum Content {
        case ext4(Ext4Reader)
        case fat(FATVolume)
        /// Why nothing can be read.
        case none(String)
    }

    /// From 1.
    package let number: Int
    /// The table's entry.
    package let partition: Partition
    /// The PARTUUID, as Linux gives it: `c0ffee00-02`.
    package let partitionUUID: String
    let content: Content

    /// - Parameter place: the image, for errors.
    init(_ number: Int, _ table: PartitionTable, _ partition: Partition, on disk: HeldSource, place: String) throws {
        self.number = number
        self.partition = partition
        partitionUUID = table.partitionUUID(number)
        let place = "\(place): partition \(number)"
        do {
            if Partition.fatTypes.contains(partition.type) {
                content = .fat(FATVolume(try FATReader(disk, offset: partition.offset, place: place)))
            } else if try Self.hasExt4Magic(partition, disk) {
                content = .ext4(try Ext4Reader(disk, offset: partition.offset, place: place))
            } else {
                content = .none("type 0x\(String(partition.type, radix: 16)) is neither FAT nor ext4")
            }
        } catch let failure as Failure {
            content = .none(failure.message)
        }
    }

    /// The superblock's magic number (Linux, Documentation/filesystems/ext4/super.rst).
    private static func hasExt4Magic(_ partition: Partition, _ disk: HeldSource) throws -> Bool {
        guard partition.size >= 2048 else { return false }
        var magic: [UInt8] = [0, 0]
        try magic.withUnsafeMutableBytes { try disk.read(at: partition.offset + 1024 + 56, into: $0) }
        return magic == [0x53, 0xef]
    }

    /// Bytes of the disk.
    var range: Range<UInt64> { partition.offset..<partition.offset + partition.size }

    var ext4: Ext4Reader? { if case .ext4(let reader) = content { reader } else { nil } }
    var fat: FATVolume? { if case .fat(let volume) = content { volume } else { nil } }
    /// Why nothing can be read; nil where it can.
    package var problem: String? { if case .none(let reason) = content { reason } else { nil } }

    /// `vfat`, `ext4`, `ext3` or `ext2`; nil for anything else.
    package var fileSystem: String? {
        switch content {
        case .ext4(let reader): reader.kind
        case .fat: "vfat"
        case .none: nil
        }
    }

    /// As Linux sees it; nil for none.
    package var label: String? {
        switch content {
        case .ext4(let reader): reader.label.isEmpty ? nil : reader.label
        case .fat(let volume): volume.label
        case .none: nil
        }
    }

    /// As Linux gives it: `C0FF-EE01` of a FAT, 36 characters of an ext4.
    package var uuid: String? {
        switch content {
        case .ext4(let reader): reader.uuid
        case .fat(let volume): volume.reader.uuid
        case .none: nil
        }
    }

    /// Bytes of the file system, and of it those that nothing has.
    package var space: (size: UInt64, free: UInt64)? {
        switch content {
        case .ext4(let reader): (reader.size, reader.free)
        case .fat(let volume): (volume.reader.size, volume.reader.free)
        case .none: nil
        }
    }

    /// The ways an fstab may name it.
    var names: FileSystemTable.Names {
        FileSystemTable.Names(number: number, label: label, uuid: uuid, partitionUUID: partitionUUID)
    }

    /// Where a file's content lies, in bytes from the partition's beginning; nothing for one that takes no block.
    func ranges(of file: ImageFile) throws -> [Range<UInt64>] {
        switch (file.node, content) {
        case (.ext4(let entry), .ext4(let reader)):
            guard case .regular = entry.kind else { return [] }
            return try reader.runs(of: entry.inode).filter { !$0.isUnwritten }.map(\.range)
        case (.fat(let entry), .fat(let volume)): return entry.isFolder ? [] : try volume.reader.ranges(of: entry)
        default: return []
        }
    }
}

/// A FAT file system whose names are read once. Belongs to one task.
final class FATVolume {
    let reader: FATReader
    private var known: [FATReader.Entry]?
    private var knownLabel: String??

    init(_ reader: FATReader) { self.reader = reader }

    /// Every name, a folder before what is in it.
    func entries() throws -> [FATReader.Entry] {
        if let known { return known }
        let entries = try reader.entries()
        known = entries
        return entries
    }

    var label: String? {
        if let knownLabel { return knownLabel }
        let label = (try? reader.volumeLabel()) ?? nil
        knownLabel = .some(label)
        return label
    }

    /// The entry of this name; where none has exactly that name, the one whose letters differ in case alone, as Linux
    /// finds it.
    func entry(at path: EntryPath) throws -> FATReader.Entry? {
        let all = try entries()
        if let exact = all.first(where: { $0.path == path }) { return exact }
        let wanted = path.description.uppercased()
        return all.first { $0.path.description.uppercased() == wanted }
    }
}
