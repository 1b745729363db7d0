import Diagnostics
import Layers
import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// One name on an ext4 file system and the inode it leads to.
package struct Ext4Entry: Sendable, Equatable {
    /// What the inode is. A regular file's content is read through ``Ext4Reader/forEachChunk(of:_:)``.
    package enum Kind: Sendable, Equatable {
        case regular(size: UInt64)
        case directory
        /// The target's bytes.
        case symlink([UInt8])
        case characterDevice(major: UInt32, minor: UInt32)
        case blockDevice(major: UInt32, minor: UInt32)
        case fifo
        case socket
    }

    /// From the file system's root.
    package var path: EntryPath
    /// The inode's number; the root folder's is 2. Hard links of one file have the same.
    package var inode: UInt32
    /// As the inode has it: for a folder, two and one for each folder in it.
    package var linkCount: Int
    /// The inode's; its mode is without the bits of the type.
    package var attributes: Attributes
    package var kind: Kind
    /// When the inode last changed; a written tree's inodes all have the epoch.
    package var ctime: Timestamp
}

/// Reads an ext2, ext3 or ext4 file system in a file of the host, in a partition of a disk image, or in any byte source.
/// Belongs to one task.
///
/// A file system that was not unmounted cleanly is refused: its journal would have to be replayed first, which is
/// e2fsck's work. What is damaged is refused naming the inode.
package final class Ext4Reader {
    let volume: Ext4Volume
    private let source: any ByteSource
    let offset: UInt64
    private var place: String { volume.place }

    /// - Parameters:
    ///   - offset: where the file system begins, in bytes.
    ///   - place: for errors; the image's path where it is nil.
    /// - Throws: `Failure` when there is no file system that can be read, or it is longer than the file.
    package convenience init(_ image: FilePath, offset: UInt64 = 0, place: String? = nil) throws {
        let source = try FileSource(image)
        try self.init(
            source, try Ext4Volume(image, offset: offset, place: place), offset: offset,
            next: place == nil ? "e2fsck -fy \(image.string)" : nil)
    }

    /// - Parameters:
    ///   - offset: where the file system begins in the source, in bytes.
    ///   - place: the source, for errors.
    /// - Throws: as ``init(_:offset:place:)-(FilePath,_,_)``; what the source throws.
    package convenience init(_ source: any ByteSource, offset: UInt64, place: String) throws {
        try self.init(
            source, try Ext4Volume(source, offset: offset, place: place), offset: offset, next: nil)
    }

    private init(_ source: any ByteSource, _ volume: Ext4Volume, offset: UInt64, next: String?) throws {
        self.source = source
        self.offset = offset
        self.volume = volume
        let place = volume.place
        // Linux, Documentation/filesystems/ext4/super.rst: INCOMPAT_RECOVER, and what content here cannot be read through.
        let incompatible = volume.superblock.s_feature_incompat
        if incompatible & 0x4 != 0 {
            throw Failure(
                at: place, "the file system was not unmounted cleanly: its journal has not been replayed", next: next)
        }
        if incompatible & 0x8 != 0 { throw Failure(at: place, "this is a journal device, not a file system") }
        guard offset <= source.size, volume.blockCount <= (source.size - offset) / volume.blockSize else {
            throw Failure(
                at: place, "the file system is longer than the file it is in",
                expected: "\(volume.blockCount) blocks of \(volume.blockSize) bytes from byte \(offset) on",
                found: "\(source.size) bytes in the file")
        }
    }

    /// The volume's name.
    package var label: String {
        withUnsafeBytes(of: volume.superblock.s_volume_name) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// The file system's UUID, lower case with dashes.
    package var uuid: String {
        let hex = withUnsafeBytes(of: volume.superblock.s_uuid) { Array($0) }.map { $0.hex(digits: 2) }
        return [0..<4, 4..<6, 6..<8, 8..<10, 10..<16].map { hex[$0].joined() }.joined(separator: "-")
    }

    /// What Linux calls it: ext4, ext3 when it has a journal and nothing of ext4's, else ext2 (as blkid tells them apart).
    package var kind: String {
        let superblock = volume.superblock
        // Linux, Documentation/filesystems/ext4/super.rst: what ext3 has of the incompatible features (filetype,
        // recover, meta_bg) and of the read-only compatible ones (sparse_super, large_file, btree_dir).
        if superblock.s_feature_incompat & ~0x16 != 0 || superblock.s_feature_ro_compat & ~0x7 != 0 { return "ext4" }
        return superblock.s_feature_compat & 0x4 != 0 ? "ext3" : "ext2"
    }

    /// Bytes of the file system.
    package var size: UInt64 { volume.blockCount * volume.blockSize }
    /// Bytes no file has.
    package var free: UInt64 { volume.freeBlockCount * volume.blockSize }

    /// The stretches that are not free, in bytes from the file system's beginning: files, folders, and the file system's
    /// own tables, written or not.
    ///
    /// - Throws: `Failure` when the block bitmaps cannot be read.
    package func usedRanges() throws -> [Range<UInt64>] {
        let size = volume.blockSize
        return try volume.usedRanges().map { $0.lowerBound * size..<$0.upperBound * size }
    }

    // MARK: Names

    /// Every name, a folder before what is in it, the names of a folder sorted by their bytes.
    ///
    /// - Throws: `Failure` naming the inode where the file system is damaged; what `body` throws.
    package func forEachEntry(_ body: (Ext4Entry) throws -> Void) throws {
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

    /// The entry of this name, links not followed; nil where there is none.
    ///
    /// - Throws: `Failure` naming the inode where the file system is damaged on the way.
    package func entry(at path: EntryPath) throws -> Ext4Entry? {
        var number = Ext4Layout.rootInode
        for component in path.components {
            let inode = try volume.readInode(number)
            guard inode.type == .directory else { return nil }
            guard let name = try names(in: number, inode).first(where: { $0.name.elementsEqual(component) }) else {
                return nil
            }
            guard name.inode <= volume.inodeCount else {
                throw damaged(
                    number, "its name '\(String(decoding: name.name, as: UTF8.self))' leads to inode \(name.inode)")
            }
            number = name.inode
        }
        return try entry(path, number, try volume.readInode(number))
    }

    /// What is in a folder, sorted by the names' bytes; nothing for what is no folder.
    ///
    /// - Throws: `Failure` naming the inode where the file system is damaged.
    package func children(of folder: Ext4Entry) throws -> [Ext4Entry] {
        guard folder.kind == .directory else { return [] }
        return try names(in: folder.inode, try volume.readInode(folder.inode)).map { name in
            guard name.inode <= volume.inodeCount, name.inode != 0 else {
                throw damaged(
                    folder.inode,
                    "its name '\(String(decoding: name.name, as: UTF8.self))' leads to inode \(name.inode)")
            }
            let path = try EntryPath(validating: folder.path.appending(name.name).bytes)
            return try entry(path, name.inode, try volume.readInode(name.inode))
        }
    }

    private func names(in number: UInt32, _ inode: Ext4Inode) throws -> [Ext4Directory.Name] {
        try refuseUnreadable(number, inode)
        var names: [Ext4Directory.Name] = []
        if inode.flags & Ext4Inode.inlineDataFlag != 0 {
            let content = try inlineContent(number, inode)
            // The block area (after the parent's number) and the attribute are two blocks to the names in them.
            for part in [Array(content.prefix(60).dropFirst(4)), Array(content.dropFirst(60))] {
                guard let found = Ext4Directory.decode(part) else {
                    throw damaged(number, "the folder's inode holds no names")
                }
                names += found
            }
            return try sorted(names, number)
        }
        guard inode.size % volume.blockSize == 0, inode.size <= size else {
            throw damaged(number, "the folder has \(inode.size) bytes")
        }
        for extent in try volume.extents(of: number, inode) where !extent.isUnwritten {
            guard extent.logical < inode.size / volume.blockSize else { continue }
            let count = min(extent.count, inode.size / volume.blockSize - extent.logical)
            for block in extent.physical..<extent.physical + count {
                var bytes = [UInt8](repeating: 0, count: Int(volume.blockSize))
                try bytes.withUnsafeMutableBytes { try source.read(at: offset + block * volume.blockSize, into: $0) }
                guard let found = Ext4Directory.decode(bytes) else {
                    throw damaged(number, "block \(block) of the folder holds no names")
                }
                names += found
            }
        }
        return try sorted(names, number)
    }

    private func sorted(_ names: [Ext4Directory.Name], _ number: UInt32) throws -> [Ext4Directory.Name] {
        let names = names.sorted { $0.name.lexicographicallyPrecedes($1.name) }
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
    package func dataRanges(of entry: Ext4Entry) throws -> [Range<UInt64>] {
        let inode = try volume.readInode(entry.inode)
        return try volume.extents(of: entry.inode, inode).filter { !$0.isUnwritten }.map {
            $0.logical * volume.blockSize..<($0.logical + $0.count) * volume.blockSize
        }
    }

    /// Hands a regular file's content on in pieces of at most 1 MiB, holes as zeros.
    ///
    /// - Throws: `Failure` naming the inode where it is damaged, encrypted or sealed; what `body` throws.
    package func forEachChunk(of entry: Ext4Entry, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try forEachPiece(entry.inode, try volume.readInode(entry.inode), body)
    }

    private func forEachPiece(
        _ number: UInt32, _ inode: Ext4Inode, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try refuseUnreadable(number, inode)
        if inode.flags & Ext4Inode.inlineDataFlag != 0 {
            return try inlineContent(number, inode).withUnsafeBytes { if !$0.isEmpty { try body($0) } }
        }
        // A sparse file may well be longer than the disk; none in a root file system has cause to be.
        guard inode.size <= size else {
            throw Failure(
                at: place, "inode \(number) is longer than the disk", expected: "at most \(size) bytes",
                found: "\(inode.size)")
        }
        var buffer = [UInt8](repeating: 0, count: Int(min(1 << 20, inode.size)))
        var position: UInt64 = 0
        func hand(on end: UInt64, from base: UInt64?) throws {
            while position < end {
                try Task.checkCancellation()
                let count = Int(min(UInt64(buffer.count), end - position))
                try buffer.withUnsafeMutableBytes {
                    let piece = UnsafeMutableRawBufferPointer(rebasing: $0[..<count])
                    if let base {
                        try self.source.read(at: base &+ position, into: piece)
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

    /// Refuses an inode that says more than a layer can hold, by the feature's name (Linux,
    /// Documentation/filesystems/ext4/inodes.rst, `i_flags`).
    private func refuseUnreadable(_ number: UInt32, _ inode: Ext4Inode) throws {
        let features: [(flag: UInt32, name: String)] = [
            (Ext4Inode.encryptedFlag, "encrypted (encrypt)"),
            (Ext4Inode.verityFlag, "sealed with a tree of digests (verity)"),
            (Ext4Inode.casefoldFlag, "a folder whose names' case does not count (casefold)"),
        ]
        for feature in features where inode.flags & feature.flag != 0 {
            throw Failure(at: place, "inode \(number) is \(feature.name), which is not read here")
        }
    }

    private func inlineContent(_ number: UInt32, _ inode: Ext4Inode) throws -> [UInt8] {
        let content = try volume.inlineContent(of: number)
        guard inode.size <= UInt64(content.count) else {
            throw damaged(number, "it has \(inode.size) bytes, of which it holds \(content.count) in itself")
        }
        return Array(content.prefix(Int(inode.size)))
    }

    private func damaged(_ number: UInt32, _ reason: String) -> Failure {
        Failure(at: place, "inode \(number) is damaged: \(reason)", next: "e2fsck -fn on the file system")
    }
}
