import XZ
import Diagnostics
import Disk
import Storage
import SystemPackage

/// An image that was opened for a look: a raw disk, or one in an .xz file of which only the blocks are unpacked that are
/// read. Belongs to one task.
package final class ImageDisk {
    /// As it was given.
    package let path: FilePath
    /// Bytes of the file.
    package let fileSize: UInt64
    /// The .xz file; nil for a raw disk.
    package let packed: XZSource?
    /// Read, and checked against the disk, when the image was opened.
    package let table: PartitionTable
    /// In the table's order.
    package let volumes: [Volume]
    let source: HeldSource
    private var heldNames: Set<Int> = []

    /// Bytes of the disk.
    package var size: UInt64 { source.size }

    /// - Throws: `Failure` of kind usage when the file cannot be opened; `Failure` when it is neither an .xz file nor a
    ///   disk, or its partition table cannot be used.
    package init(_ path: FilePath) throws {
        self.path = path
        guard try fileKind(resolving: path) else {
            throw Failure(
                .usage, at: path.string, "this is no file", expected: "an image: NAME.img or NAME.img.xz")
        }
        let file = try FileSource(path)
        fileSize = file.size
        if try ImagePacking(of: path) == .xz {
            let packed = XZSource(try XZFile(path))
            self.packed = packed
            source = HeldSource(packed)
        } else {
            packed = nil
            source = HeldSource(file)
        }
        table = try PartitionTable(reading: source, place: path.string)
        let (source, table) = (source, table)
        volumes = try zip(table.numbers, table.partitions).map { number, partition in
            try Volume(number, table, partition, on: source, place: path.string)
        }
    }

    /// The partition of that number.
    ///
    /// - Throws: `Failure` of kind usage where there is none, or nothing can be read of it.
    package func volume(_ number: Int) throws -> Volume {
        guard let volume = volumes.first(where: { $0.number == number }) else {
            throw Failure(
                .usage, at: path.string, "the image has no partition \(number)",
                expected: volumes.map { "\($0.number)" }.joined(separator: ", "))
        }
        if let problem = volume.problem {
            throw Failure(at: "\(path): partition \(number)", "its file system cannot be read: \(problem)")
        }
        return volume
    }

    // MARK: Reading in the disk's order

    /// Makes ready for a walk through all names: inodes and folders are read in the disk's order and kept.
    func holdNames(of volume: Volume) throws {
        guard packed != nil, let reader = volume.ext4, heldNames.insert(volume.number).inserted else { return }
        let start = volume.partition.offset
        func onDisk(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
            ranges.map { start + $0.lowerBound..<start + $0.upperBound }
        }
        try source.hold(onDisk(reader.usedInodeTables))
        try source.hold(onDisk(try reader.nameRanges()))
    }

    /// Makes ready for reading files in any order: what is on the disk of them is read in its order and kept. A file that
    /// is damaged is passed over.
    func hold(_ files: [ImageFile]) throws {
        guard packed != nil else { return }
        var ranges: [Range<UInt64>] = []
        for file in files {
            guard let volume = volumes.first(where: { $0.number == file.partition }) else { continue }
            let start = volume.partition.offset
            ranges += ((try? volume.ranges(of: file)) ?? []).map { start + $0.lowerBound..<start + $0.upperBound }
        }
        try source.hold(ranges)
    }
}

/// Whether a file, itself or behind a link, stands there.
private func fileKind(resolving path: FilePath) throws -> Bool {
    switch try fileKind(path) {
    case .regular, .symlink: true
    default: false
    }
}
