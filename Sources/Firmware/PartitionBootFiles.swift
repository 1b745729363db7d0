import Disk
import Storage
import SystemPackage

/// The files of a boot partition where it lies: inside a disk, or in a file of its own. Names are found whatever their letters' case is.
package struct PartitionBootFiles: BootFiles {
    private let reader: FATReader
    private let entries: [String: FATReader.Entry]

    /// - Parameters:
    ///   - disk: the disk's file, or the partition's.
    ///   - offset: where the partition begins in it, in bytes.
    ///   - place: what errors call it.
    /// - Throws: `Failure` when the file system cannot be read.
    package init(_ disk: FilePath, offset: UInt64, place: String) throws {
        reader = try FATReader(try FileSource(disk), offset: offset, place: place)
        var entries: [String: FATReader.Entry] = [:]
        for entry in try reader.entries() where !entry.isFolder { entries[Self.key("\(entry.path)")] = entry }
        self.entries = entries
    }

    private static func key(_ name: String) -> String {
        name.split(separator: "/").joined(separator: "/").lowercased()
    }

    /// As the folder's entry has it; nil for a folder, too.
    package func size(_ name: String) -> UInt64? { entries[Self.key(name)]?.size }
    /// - Throws: `Failure` for a file that cannot be read or has more than 256 MiB.
    package func contents(_ name: String) throws -> [UInt8]? {
        try entries[Self.key(name)].map { try reader.bytes(of: $0, limit: 256 << 20) }
    }
}
