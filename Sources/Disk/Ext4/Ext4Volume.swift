import CExt2FS
import Diagnostics
import Layers
import Storage
import SystemPackage

/// A run of file blocks that lie one after the other on the disk.
struct Ext4Extent: Equatable {
    /// First block within the file.
    var logical: UInt64
    /// First block on the disk.
    var physical: UInt64
    /// Blocks.
    var count: UInt64
    /// Allocated but never written: reads as zeros.
    var isUnwritten = false
}

/// An open ext2, ext3 or ext4 file system: the one owner of libext2fs's handle. Belongs to one task.
///
/// It knows inodes, block maps, attributes and bitmaps; content and directory blocks are read and written beside it,
/// straight in the image file.
final class Ext4Volume {
    /// For errors: the image's path.
    let place: String
    let handle: ext2_filsys
    /// Gives blocks to libext2fs where it needs some itself (attribute blocks).
    private var allocate: (() throws -> UInt64)?

    /// What reads for the handle, where that is not libext2fs itself.
    private let channel: Ext4Channel?

    /// Opens the file system that begins `offset` bytes into the file.
    ///
    /// - Parameter place: for errors; the file's path where it is nil.
    /// - Throws: `Failure` naming the file when it holds none, or one with features this libext2fs does not know.
    init(_ path: FilePath, offset: UInt64 = 0, writable: Bool = false, place: String? = nil) throws {
        self.place = place ?? path.string
        channel = nil
        var opened: ext2_filsys?
        let flags = EXT2_FLAG_64BITS | (writable ? EXT2_FLAG_RW : 0)
        let code = ext2fs_open2(path.string, "offset=\(offset)", flags, 0, 0, piforge_unix_io_manager(), &opened)
        guard code == 0, let opened else {
            throw Failure(
                at: self.place, "could not open the ext4 file system at byte \(offset): \(Self.message(code))",
                next: place == nil ? "e2fsck -fn \(path.string)" : nil)
        }
        handle = opened
        if writable { try check(ext2fs_read_bitmaps(handle), "read the bitmaps") }
    }

    /// Opens the file system that begins `offset` bytes into a source, for reading.
    ///
    /// - Throws: as ``init(_:offset:writable:place:)``; what the source throws.
    init(_ source: any ByteSource, offset: UInt64, place: String) throws {
        self.place = place
        let channel = Ext4Channel(source, offset: offset)
        self.channel = channel
        var opened: ext2_filsys?
        let code = ext2fs_open2(channel.name, nil, EXT2_FLAG_64BITS, 0, 0, channel.manager, &opened)
        guard code == 0, let opened else {
            if let error = channel.takeError() { throw error }
            throw Failure(
                at: place, "could not open the ext4 file system at byte \(offset): \(Self.message(code))")
        }
        handle = opened
    }

    // Nothing is written here: a volume that was not closed by `finish` belongs to a failed run.
    deinit { ext2fs_free(handle) }

    /// Registers libext2fs's messages with libcom_err, once.
    private static let messages: Void = initialize_ext2_error_table()

    private static func message(_ code: errcode_t) -> String {
        _ = messages
        guard code != 0, let text = error_message(code) else { return "unknown error" }
        return String(cString: text)
    }

    func check(_ code: errcode_t, _ what: @autoclosure () -> String) throws {
        if code == 0 { return }
        if let error = channel?.takeError() { throw error }
        throw Failure(at: place, "could not \(what()): \(Self.message(code))")
    }

    // MARK: Superblock

    var superblock: ext2_super_block { handle.pointee.super.pointee }
    var blockSize: UInt64 { UInt64(handle.pointee.blocksize) }
    var blockCount: UInt64 { ext2fs_blocks_count(handle.pointee.super) }
    var freeBlockCount: UInt64 { ext2fs_free_blocks_count(handle.pointee.super) }
    var inodeCount: UInt32 { superblock.s_inodes_count }
    var freeInodeCount: UInt32 { superblock.s_free_inodes_count }
    /// The first inode number that files may have; the one before is lost+found's on a file system mke2fs made.
    var firstInode: UInt32 { superblock.s_first_ino }

    // MARK: Inodes

    /// - Parameter number: 1 to `inodeCount`.
    func readInode(_ number: UInt32) throws -> Ext4Inode {
        Ext4Inode(try readRaw(number))
    }

    private func readRaw(_ number: UInt32) throws -> ext2_inode_large {
        var raw = ext2_inode_large()
        let code = withUnsafeMutableBytes(of: &raw) {
            ext2fs_read_inode_full(
                handle, number, $0.baseAddress?.assumingMemoryBound(to: ext2_inode.self), Int32($0.count))
        }
        try check(code, "read inode \(number)")
        return raw
    }

    /// Writes an inode; its access and creation time are the epoch. Attributes it had stay.
    func writeInode(_ number: UInt32, _ inode: Ext4Inode, epoch: Int64) throws {
        var raw = inode.raw(epoch: epoch)
        let code = withUnsafeMutableBytes(of: &raw) {
            ext2fs_write_inode_full(
                handle, number, $0.baseAddress?.assumingMemoryBound(to: ext2_inode.self), Int32($0.count))
        }
        try check(code, "write inode \(number)")
    }

    /// Takes a free inode number.
    func markUsed(inode number: UInt32, isDirectory: Bool) {
        ext2fs_inode_alloc_stats2(handle, number, 1, isDirectory ? 1 : 0)
    }

    // MARK: Blocks

    /// The runs of free blocks, in disk order.
    func freeRanges() throws -> [Range<UInt64>] {
        var ranges: [Range<UInt64>] = []
        var position = UInt64(superblock.s_first_data_block)
        let last = blockCount - 1
        while position <= last {
            var start: UInt64 = 0
            let found = ext2fs_find_first_zero_block_bitmap2(handle.pointee.block_map, position, last, &start)
            if found == errcode_t(ENOENT) { break }
            try check(found, "search the block bitmap")
            var end: UInt64 = 0
            let ended = ext2fs_find_first_set_block_bitmap2(handle.pointee.block_map, start, last, &end)
            if ended == errcode_t(ENOENT) { end = last + 1 } else { try check(ended, "search the block bitmap") }
            ranges.append(start..<end)
            position = end
        }
        return ranges
    }

    /// The runs of blocks that are not free, in disk order: files, folders, and the file system's own. What lies before
    /// the first block that the bitmap knows is among them.
    func usedRanges() throws -> [Range<UInt64>] {
        if handle.pointee.block_map == nil { try check(ext2fs_read_block_bitmap(handle), "read the block bitmap") }
        var used: [Range<UInt64>] = []
        var position: UInt64 = 0
        for free in try freeRanges() {
            if position < free.lowerBound { used.append(position..<free.lowerBound) }
            position = free.upperBound
        }
        if position < blockCount { used.append(position..<blockCount) }
        return used
    }

    /// Takes free blocks.
    func markUsed(blocks: Range<UInt64>) {
        ext2fs_block_alloc_stats_range(handle, blocks.lowerBound, blk_t(blocks.count), 1)
    }

    /// Writes one node of an inode's extent tree, with its checksum. The inode has been written before.
    func writeExtentBlock(_ bytes: [UInt8], at block: UInt64, of inode: UInt32) throws {
        var bytes = bytes
        let code = bytes.withUnsafeMutableBytes { raw -> errcode_t in
            let header = raw.baseAddress?.assumingMemoryBound(to: ext3_extent_header.self)
            let sum = ext2fs_extent_block_csum_set(handle, inode, header)
            return sum == 0 ? io_channel_write_blk64(handle.pointee.io, block, 1, raw.baseAddress) : sum
        }
        try check(code, "write the extents of inode \(inode)")
    }

    /// Writes one directory block, with its checksum. The inode has been written before.
    func writeDirectoryBlock(_ bytes: [UInt8], at block: UInt64, of inode: UInt32) throws {
        var bytes = bytes
        let code = bytes.withUnsafeMutableBytes { ext2fs_write_dir_block4(handle, block, $0.baseAddress, 0, inode) }
        try check(code, "write the folder with inode \(inode)")
    }

    /// Where an inode's content lies, in file order; what no extent covers is a hole.
    ///
    /// - Throws: `Failure` naming the inode when its map is damaged, leaves the disk, or maps more than the disk holds.
    func extents(of number: UInt32, _ inode: Ext4Inode) throws -> [Ext4Extent] {
        let map = BlockMap(volume: self, inode: number)
        if inode.flags & Ext4Inode.extentsFlag != 0 {
            try readExtentTree(number, into: map)
        } else {
            // Blocks of ext2 and ext3: four fixed levels of block lists.
            let context = Unmanaged.passUnretained(map).toOpaque()
            let code = ext2fs_block_iterate3(
                handle, number, BLOCK_FLAG_READ_ONLY | BLOCK_FLAG_DATA_ONLY, nil,
                { _, block, logical, _, _, context in
                    guard let context, let block, logical >= 0 else { return 0 }
                    let map = Unmanaged<BlockMap>.fromOpaque(context).takeUnretainedValue()
                    map.add(Ext4Extent(logical: UInt64(logical), physical: block.pointee, count: 1))
                    return map.failure == nil ? 0 : BLOCK_ABORT
                }, context)
            if let failure = map.failure { throw failure }
            try check(code, "read the block map of inode \(number)")
        }
        if let failure = map.failure { throw failure }
        return map.extents
    }

    private func readExtentTree(_ number: UInt32, into map: BlockMap) throws {
        var opened: ext2_extent_handle_t?
        try check(ext2fs_extent_open(handle, number, &opened), "read the extents of inode \(number)")
        guard let opened else { return }
        defer { ext2fs_extent_free(opened) }
        var extent = ext2fs_extent()
        var code = ext2fs_extent_get(opened, EXT2_EXTENT_ROOT, &extent)
        // Steps are counted because index nodes, too, may be shared or go round in a circle.
        var steps: UInt64 = 0
        while code == 0, map.failure == nil {
            if extent.e_flags & UInt32(EXT2_EXTENT_FLAGS_LEAF) != 0 {
                map.add(
                    Ext4Extent(
                        logical: extent.e_lblk, physical: extent.e_pblk, count: UInt64(extent.e_len),
                        isUnwritten: extent.e_flags & UInt32(EXT2_EXTENT_FLAGS_UNINIT) != 0))
            }
            steps += 1
            guard steps <= 3 * blockCount else { throw map.refusal("its extent tree does not end") }
            code = ext2fs_extent_get(opened, EXT2_EXTENT_NEXT, &extent)
        }
        let ends = [EXT2_ET_EXTENT_NO_NEXT, EXT2_ET_EXTENT_NOT_FOUND, EXT2_ET_NO_CURRENT_NODE].map { Int($0) }
        if code != 0, !ends.contains(code) { try check(code, "read the extents of inode \(number)") }
    }

    /// The content that an inode with the flag inline_data keeps in itself and its attributes (Linux,
    /// Documentation/filesystems/ext4/inlinedata.rst): of a folder 4 bytes of its parent's inode number and names, of
    /// anything else the bytes.
    func inlineContent(of number: UInt32) throws -> [UInt8] {
        var length = 0
        try check(ext2fs_inline_data_size(handle, number, &length), "read the content in inode \(number)")
        guard length >= 0, length <= Int(blockSize) else {
            throw Failure(at: place, "inode \(number) is damaged: it holds \(length) bytes of content in itself")
        }
        // libext2fs copies the 60 bytes of the block area at least.
        var bytes = [UInt8](repeating: 0, count: max(length, 60))
        var got = bytes.count
        let code = bytes.withUnsafeMutableBytes { ext2fs_inline_data_get(handle, number, nil, $0.baseAddress, &got) }
        try check(code, "read the content in inode \(number)")
        return Array(bytes.prefix(min(got, length)))
    }

    // MARK: Extended attributes

    /// An inode's extended attributes, in the form getxattr(2) gives, ordered by name.
    func readAttributes(of number: UInt32) throws -> [ExtendedAttribute] {
        // Without the feature ext_attr (Linux, Documentation/filesystems/ext4/super.rst) there are none.
        guard superblock.s_feature_compat & 0x8 != 0 else { return [] }
        return try withAttributes(of: number) { attributes in
            let list = AttributeList()
            let code = ext2fs_xattrs_iterate(
                attributes,
                { name, value, length, context in
                    guard let name, let context else { return 0 }
                    let list = Unmanaged<AttributeList>.fromOpaque(context).takeUnretainedValue()
                    let bytes = Array(UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : length))
                    guard let name = String(validatingCString: name) else {
                        list.oddName = String(cString: name)
                        return XATTR_ABORT
                    }
                    list.attributes.append(ExtendedAttribute(name: name, value: bytes))
                    return 0
                }, Unmanaged.passUnretained(list).toOpaque())
            if let name = list.oddName {
                throw Failure(at: place, "inode \(number) has an attribute whose name is not UTF-8", found: name)
            }
            try check(code, "read the attributes of inode \(number)")
            // system.data is content (inline_data), not an attribute.
            return try list.attributes.filter { $0.name != "system.data" }.map { attribute in
                // The iteration gives an access list as the disk has it, unlike all else.
                guard attribute.name.hasPrefix("system.posix_acl_") else { return attribute }
                return try value(of: attribute.name, in: attributes, number)
            }.sorted { $0.name < $1.name }
        }
    }

    /// One attribute, in the form getxattr(2) gives.
    private func value(
        of name: String, in attributes: OpaquePointer, _ number: UInt32
    ) throws -> ExtendedAttribute {
        var value: UnsafeMutableRawPointer?
        var length = 0
        try check(
            ext2fs_xattr_get(attributes, name, &value, &length), "read the attribute \(name) of inode \(number)")
        defer { ext2fs_free_mem(&value) }
        return ExtendedAttribute(name: name, value: Array(UnsafeRawBufferPointer(start: value, count: length)))
    }

    /// Sets a new inode's extended attributes; a block for those that do not fit into the inode comes from `allocate`.
    func writeAttributes(
        _ list: [ExtendedAttribute], of number: UInt32, allocate: @escaping () throws -> UInt64
    ) throws {
        self.allocate = allocate
        piforge_set_block_allocator(
            handle,
            { handle, _, block in
                guard let context = handle?.pointee.priv_data, let block else {
                    return errcode_t(EXT2_ET_BLOCK_ALLOC_FAIL)
                }
                let volume = Unmanaged<Ext4Volume>.fromOpaque(context).takeUnretainedValue()
                guard let next = try? volume.allocate?() else { return errcode_t(EXT2_ET_BLOCK_ALLOC_FAIL) }
                block.pointee = next
                return 0
            }, Unmanaged.passUnretained(self).toOpaque())
        defer {
            piforge_set_block_allocator(handle, nil, nil)
            self.allocate = nil
        }
        try withAttributes(of: number) { attributes in
            for attribute in list {
                let code = attribute.value.withUnsafeBytes {
                    ext2fs_xattr_set(attributes, attribute.name, $0.baseAddress, $0.count)
                }
                try check(code, "set the attribute \(attribute.name) of \(attribute.value.count) bytes")
            }
            try check(ext2fs_xattrs_write(attributes), "write the attributes of inode \(number)")
        }
    }

    private func withAttributes<Result>(
        of number: UInt32, _ body: (OpaquePointer) throws -> Result
    ) throws -> Result {
        var opened: OpaquePointer?
        try check(ext2fs_xattrs_open(handle, number, &opened), "read the attributes of inode \(number)")
        defer { ext2fs_xattrs_close(&opened) }
        guard let attributes = opened else { throw Failure(at: place, "inode \(number) has no attribute list") }
        try check(ext2fs_xattrs_read(attributes), "read the attributes of inode \(number)")
        return try body(attributes)
    }

    // MARK: Finishing

    /// Makes libext2fs take `epoch` for the clock.
    func setTime(_ epoch: Int64) { handle.pointee.now = time_t(epoch) }

    /// Sets everything in the superblock that a clock or a machine has a say in, and writes the file system out.
    ///
    /// The inode tables count as zeroed: the file was sparse when mke2fs got it, so the kernel has nothing to do there.
    func finish(epoch: Int64) throws {
        let time = UInt32(truncatingIfNeeded: epoch)
        let superblock = handle.pointee.super
        superblock?.pointee.s_mkfs_time = time
        superblock?.pointee.s_lastcheck = time
        superblock?.pointee.s_wtime = time
        superblock?.pointee.s_mtime = 0
        superblock?.pointee.s_mnt_count = 0
        superblock?.pointee.s_kbytes_written = 0
        // The directory hash of names with bytes over 127 depends on the signedness of the host's char.
        superblock?.pointee.s_flags = UInt32(EXT2_FLAGS_SIGNED_HASH)
        for group in 0..<handle.pointee.group_desc_count {
            ext2fs_bg_flags_set(handle, group, UInt16(EXT2_BG_INODE_ZEROED))
            ext2fs_group_desc_csum_set(handle, group)
        }
        handle.pointee.flags |= EXT2_FLAG_DIRTY | EXT2_FLAG_CHANGED
        try check(ext2fs_flush2(handle, 0), "write the superblock and the bitmaps")
    }
}

/// Gathers and checks the extents of one inode.
private final class BlockMap {
    private let place: String
    private let inode: UInt32
    private let blocks: Range<UInt64>
    private(set) var extents: [Ext4Extent] = []
    private(set) var failure: Failure?
    private var mapped: UInt64 = 0

    init(volume: Ext4Volume, inode: UInt32) {
        place = volume.place
        self.inode = inode
        blocks = UInt64(volume.superblock.s_first_data_block)..<volume.blockCount
    }

    func refusal(_ reason: String) -> Failure {
        Failure(at: place, "inode \(inode) is damaged: \(reason)", next: "e2fsck -fn on the file system")
    }

    func add(_ extent: Ext4Extent) {
        let end = extents.last.map { $0.logical + $0.count } ?? 0
        mapped += extent.count
        if extent.count == 0 || extent.logical < end {
            failure = refusal("its extents overlap at block \(extent.logical)")
        } else if extent.physical < blocks.lowerBound || extent.physical >= blocks.upperBound
            || extent.count > blocks.upperBound - extent.physical
        {
            failure = refusal("block \(extent.physical) is beyond the disk's \(blocks.upperBound) blocks")
        } else if mapped > UInt64(blocks.count) {
            failure = refusal("it maps more blocks than the disk has")
        } else if let last = extents.last, last.logical + last.count == extent.logical,
            last.physical + last.count == extent.physical, last.isUnwritten == extent.isUnwritten
        {
            extents[extents.count - 1].count += extent.count
        } else {
            extents.append(extent)
        }
    }
}

private final class AttributeList {
    var attributes: [ExtendedAttribute] = []
    var oddName: String?
}
