import Diagnostics
import Layers
import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// One name on an ext4 file system and the inode it leads to.
public struct Ext4Entry: Sendable, Equatable {
    /// What the inode is. A regular file's content is read through ``Ext4Reader/forEachChunk(of:_:)``.
    public enum Kind: Sendable, Equatable {
        case regular(size: UInt64)
        case directory
        /// The target's bytes.
        case symlink([UInt8])
        case characterDevice(major: UInt32, minor: UInt32)
        case blockDevice(major: UInt32, minor: UInt32)
        case fifo
        case socket
    }

    public var path: EntryPath
    public var inode: UInt32
    /// As the inode has it: for a folder, two and one for each folder in it.
    public var linkCount: Int
    public var attributes: Attributes
    public var kind: Kind
    /// When the inode last changed; a written tree's inodes all have the epoch.
    public var ctime: Timestamp
}

/// Reads an ext2, ext3 or ext4 file system in a file of the host, or in a partition of a disk image. Belongs to one task.
///
/// A file system that was not unmounted cleanly is refused: its journal would have to be replayed first, which is
/// e2fsck's work. What is damaged is refused naming the inode.
public final class Ext4Reader {
    let volume: Ext4Volume
    private let file: OpenFile
    private let offset: UInt64
    private var place: String { volume.place }

    /// - Parameter offset: where the file system begins, in bytes.
    /// - Throws: `Failure` when there is no file system that can be read, or it is longer than the file.
    public init(_ image: FilePath, offset: UInt64 = 0) throws {
        file = try OpenFile.reading(image)
        self.offset = offset
        volume = try Ext4Volume(image, offset: offset)
        // Linux, Documentation/filesystems/ext4/super.rst: INCOMPAT_RECOVER, and what content here cannot be read through.
        let incompatible = volume.superblock.s_feature_incompat
        if incompatible & 0x4 != 0 {
            throw Failure(
                at: place, "the file system was not unmounted cleanly: its journal has not been replayed",
                next: "e2fsck -fy \(image.string)")
        }
        if incompatible & 0x8 != 0 { throw Failure(at: place, "this is a journal device, not a file system") }
        let size = try file.size()
        guard offset <= size, volume.blockCount <= (size - offset) / volume.blockSize else {
            throw Failure(
                at: place, "the file system is longer than the file it is in",
                expected: "\(volume.blockCount) blocks of \(volume.blockSize) bytes from byte \(offset) on",
                found: "\(size) bytes in the file")
        }
    }

    /// The volume's name.
    public var label: String {
        withUnsafeBytes(of: volume.superblock.s_volume_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// The file system's UUID, lower case with dashes.
    public var uuid: String {
        let hex = withUnsafeBytes(of: volume.superblock.s_uuid) { Array($0) }.map { byte in
            (byte < 16 ? "0" : "") + String(byte, radix: 16)
        }
        return [0..<4, 4..<6, 6..<8, 8..<10, 10..<16].map { hex[$0].joined() }.joined(separator: "-")
    }

    /// Bytes of the file system.
    public var size: UInt64 { volume.blockCount * volume.blockSize }
    /// Bytes no file has.
    public var free: UInt64 { volume.freeBlockCount * volume.blockSize }

    // MARK: Names

    /// Every name, a folder before what is in it, the names of a folder sorted by their bytes.
    ///
    /// - Throws: `Failure` naming the inode where the file system is damaged; what `body` throws.
    public func forEachEntry(_ body: (Ext4Entry) throws -> Void) throws {
        var visited: Set<UInt32> = [Ext4Layout.rootInode]
        var directoryBlocks: UInt64 = 0
        var pending: [(path: EntryPath, inode: UInt32)] = [(.root, Ext4Layout.rootInode)]
        while let (path, number) = pending.popLast() {
            try Task.checkCancellation()
            let inode = try volume.readInode(number)
            try body(try entry(path, number, inode))
            guard inode.type == .directory else { continue }
            directoryBlocks += inode.size / volume.blockSize
            guard directoryBlocks <= volume.blockCount else {
                throw damaged(number, "the folders hold more blocks than the disk")
            }
            for name in try names(in: number, inode).reversed() {
                guard name.inode <= volume.inodeCount, name.inode != 0 else {
                    throw damaged(
                        number, "its name '\(String(decoding: name.name, as: UTF8.self))' leads to inode \(name.inode)")
                }
                let isFolder = try volume.readInode(name.inode).type == .directory
                if isFolder, !visited.insert(name.inode).inserted {
                    throw damaged(name.inode, "the folder has two names, or lies in itself")
                }
                // A path of more than 4,095 bytes is refused here.
                pending.append((try EntryPath(validating: path.appending(name.name).bytes), name.inode))
            }
        }
    }

    private func names(in number: UInt32, _ inode: Ext4Inode) throws -> [Ext4Directory.Name] {
        try refuseUnreadable(number, inode)
        guard inode.size % volume.blockSize == 0, inode.size <= size else {
            throw damaged(number, "the folder has \(inode.size) bytes")
        }
        var names: [Ext4Directory.Name] = []
        for extent in try volume.extents(of: number, inode) where !extent.isUnwritten {
            guard extent.logical < inode.size / volume.blockSize else { continue }
            let count = min(extent.count, inode.size / volume.blockSize - extent.logical)
            for block in extent.physical..<extent.physical + count {
                let bytes = try file.bytes(at: offset + block * volume.blockSize, count: Int(volume.blockSize))
                guard let found = Ext4Directory.decode(bytes) else {
                    throw damaged(number, "block \(block) of the folder holds no names")
                }
                names += found
            }
        }
        names.sort { $0.name.lexicographicallyPrecedes($1.name) }
        for (a, b) in zip(names, names.dropFirst()) where a.name == b.name {
            throw damaged(number, "the name '\(String(decoding: a.name, as: UTF8.self))' is there twice")
        }
        return names
    }

    private func entry(_ path: EntryPath, _ number: UInt32, _ inode: Ext4Inode) throws -> Ext4Entry {
        guard let type = inode.type else {
            throw damaged(number, "its mode 0\(String(inode.mode, radix: 8)) is of no type")
        }
        guard inode.linkCount > 0 else { throw damaged(number, "\(path) leads to it, but it is deleted") }
        let kind: Ext4Entry.Kind
        switch type {
        case .regular: kind = .regular(size: inode.size)
        case .directory: kind = .directory
        case .symlink: kind = .symlink(try target(of: number, inode))
        case .characterDevice: kind = .characterDevice(major: inode.device.major, minor: inode.device.minor)
        case .blockDevice: kind = .blockDevice(major: inode.device.major, minor: inode.device.minor)
        case .fifo: kind = .fifo
        case .socket: kind = .socket
        }
        return Ext4Entry(
            path: path, inode: number, linkCount: Int(inode.linkCount),
            attributes: Attributes(
                mode: inode.permissions, uid: inode.uid, gid: inode.gid, mtime: inode.mtime,
                xattrs: try volume.readAttributes(of: number)),
            kind: kind, ctime: inode.ctime)
    }

    private func target(of number: UInt32, _ inode: Ext4Inode) throws -> [UInt8] {
        guard (1...4095).contains(inode.size) else {
            throw damaged(number, "the symbolic link has a target of \(inode.size) bytes")
        }
        // A target that fits lies in the inode, where no block is counted for content.
        if inode.size < inode.area.count, inode.flags & Ext4Inode.extentsFlag == 0 {
            return Array(inode.area.prefix(Int(inode.size)))
        }
        var target: [UInt8] = []
        try forEachPiece(number, inode) { target += $0 }
        return target
    }

    // MARK: Content

    /// The ranges of a regular file that are not holes, in bytes, in order; the last may reach beyond its size.
    public func dataRanges(of entry: Ext4Entry) throws -> [Range<UInt64>] {
        let inode = try volume.readInode(entry.inode)
        return try volume.extents(of: entry.inode, inode).filter { !$0.isUnwritten }.map {
            $0.logical * volume.blockSize..<($0.logical + $0.count) * volume.blockSize
        }
    }

    /// Hands a regular file's content on in pieces of at most 1 MiB, holes as zeros.
    ///
    /// - Throws: `Failure` naming the inode where it is damaged, encrypted or compressed; what `body` throws.
    public func forEachChunk(of entry: Ext4Entry, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try forEachPiece(entry.inode, try volume.readInode(entry.inode), body)
    }

    private func forEachPiece(
        _ number: UInt32, _ inode: Ext4Inode, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try refuseUnreadable(number, inode)
        // A sparse file may well be longer than the disk; none in a root file system has cause to be.
        guard inode.size <= size else {
            throw Failure(
                at: place, "inode \(number) is longer than the disk", expected: "at most \(size) bytes",
                found: "\(inode.size)")
        }
        var buffer = [UInt8](repeating: 0, count: Int(min(1 << 20, inode.size)))
        var position: UInt64 = 0
        func hand(on end: UInt64, from source: UInt64?) throws {
            while position < end {
                try Task.checkCancellation()
                let count = Int(min(UInt64(buffer.count), end - position))
                try buffer.withUnsafeMutableBytes {
                    let piece = UnsafeMutableRawBufferPointer(rebasing: $0[..<count])
                    if let source {
                        try file.readExactly(at: source &+ position, into: piece)
                    } else {
                        piece.initializeMemory(as: UInt8.self, repeating: 0)
                    }
                    try body(UnsafeRawBufferPointer(piece))
                }
                position += UInt64(count)
            }
        }
        for extent in try volume.extents(of: number, inode) where !extent.isUnwritten {
            let start = extent.logical * volume.blockSize
            try hand(on: min(start, inode.size), from: nil)
            // Where file offset 0 would lie, were all of the file as this extent.
            let base = offset &+ extent.physical * volume.blockSize &- start
            let end = min(start + extent.count * volume.blockSize, inode.size)
            while position < end {
                let next = min(position + UInt64(buffer.count), end)
                try hand(on: next, from: base)
            }
        }
        try hand(on: inode.size, from: nil)
    }

    // MARK: Refusals

    private func refuseUnreadable(_ number: UInt32, _ inode: Ext4Inode) throws {
        if inode.flags & Ext4Inode.inlineDataFlag != 0 {
            throw Failure(
                at: place, "inode \(number) keeps its content in the inode (inline_data), which is not read here")
        }
        if inode.flags & Ext4Inode.encryptedFlag != 0 {
            throw Failure(at: place, "inode \(number) is encrypted")
        }
    }

    private func damaged(_ number: UInt32, _ reason: String) -> Failure {
        Failure(at: place, "inode \(number) is damaged: \(reason)", next: "e2fsck -fn on the file system")
    }
}
