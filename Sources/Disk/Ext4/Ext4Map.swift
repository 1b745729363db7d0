import CExt2FS
import Diagnostics
import SystemPackage

/// Says what lies where on an ext2, ext3 or ext4 file system of which a stretch is not to be trusted. Belongs to one task.
///
/// It reads what is whole and passes over what is not: where the superblock or the group descriptors are damaged it takes
/// a copy of them, and checksums of metadata do not stop it.
package final class Ext4Map {
    private let handle: ext2_filsys
    private var blockSize: UInt64 { UInt64(handle.pointee.blocksize) }
    private var groups: UInt32 { UInt32(handle.pointee.group_desc_count) }

    /// - Parameters:
    ///   - offset: where the file system begins in the file, in bytes.
    ///   - damaged: what is not to be trusted, in bytes from the file system's beginning.
    /// - Throws: `Failure` when neither the superblock nor a copy of it can be read.
    package init(_ image: FilePath, offset: UInt64, damaged: [Range<UInt64>]) throws {
        // Where mke2fs puts the first copies, by block size (mke2fs(8), sparse_super).
        let copies: [(block: UInt64, size: UInt32)] = [
            (0, 0), (32768, 4096), (98304, 4096), (8193, 1024), (24577, 1024), (16384, 2048),
        ]
        for copy in copies {
            var opened: ext2_filsys?
            let code = ext2fs_open2(
                image.string, "offset=\(offset)", EXT2_FLAG_64BITS | EXT2_FLAG_IGNORE_CSUM_ERRORS, Int32(copy.block),
                copy.size, piforge_unix_io_manager(), &opened)
            guard code == 0, let opened else { continue }
            let block = UInt64(opened.pointee.blocksize)
            // Superblock and descriptors lie together, from the copy's first block on.
            let used = copy.block * block..<(copy.block + 1 + UInt64(opened.pointee.desc_blocks)) * block + 1024
            if !damaged.contains(where: used.overlaps) {
                handle = opened
                return
            }
            ext2fs_free(opened)
        }
        throw Failure(at: image.string, "neither the superblock nor a copy of it can be read at byte \(offset)")
    }

    deinit { ext2fs_free(handle) }

    /// What a stretch holds, in disk order; empty where it is nothing, or nothing that can be told.
    ///
    /// - Parameter range: in bytes from the file system's beginning.
    /// - Throws: `CancellationError`.
    package func objects(in range: Range<UInt64>) throws -> [DiskObject] {
        var list = DiskObjectList(in: range)
        list.add("boot block", 0..<1024)
        for group in 0..<groups { addMetadata(of: group, to: &list) }
        var owners: [Owner] = []
        for number in 1..<max(2, handle.pointee.super.pointee.s_inodes_count &+ 1) {
            if number % 4096 == 0 { try Task.checkCancellation() }
            if let owner = owner(number, in: range) { owners.append(owner) }
        }
        let names = try paths(of: Set(owners.map(\.inode)))
        for owner in owners {
            let name = name(of: owner, names[owner.inode])
            for part in owner.parts { list.add(part.key.title(of: name), part.value..<part.value + blockSize) }
        }
        return list.objects
    }

    private func addMetadata(of group: UInt32, to list: inout DiskObjectList) {
        func blocks(_ first: UInt64, _ count: UInt64) -> Range<UInt64> {
            first * blockSize..<(first + count) * blockSize
        }
        var superblock: blk64_t = 0
        var old: blk64_t = 0
        var new: blk64_t = 0
        ext2fs_super_and_bgd_loc2(handle, group, &superblock, &old, &new, nil)
        // On blocks of more than 1 KiB the first superblock lies behind the boot block, in block 0.
        if group == 0 {
            list.add("superblock", 1024..<max(2048, blockSize))
        } else if superblock != 0 {
            list.add("superblock's copy in group \(group)", blocks(superblock, 1))
        }
        let copy = group == 0 ? "group descriptors" : "group descriptors' copy in group \(group)"
        if old != 0 { list.add(copy, blocks(old, UInt64(handle.pointee.desc_blocks))) }
        if new != 0 { list.add(copy, blocks(new, 1)) }
        list.add("block bitmap of group \(group)", blocks(ext2fs_block_bitmap_loc(handle, group), 1))
        list.add("inode bitmap of group \(group)", blocks(ext2fs_inode_bitmap_loc(handle, group), 1))
        let table = UInt64(handle.pointee.inode_blocks_per_group)
        list.add("inode table of group \(group)", blocks(ext2fs_inode_table_loc(handle, group), table))
    }

    // MARK: Inodes

    private enum Part: Hashable {
        case content, map, attributes

        func title(of name: String) -> String {
            switch self {
            case .content: name
            case .map: "block map of \(name)"
            case .attributes: "attributes of \(name)"
            }
        }
    }

    /// An inode with blocks in the stretch that is asked for.
    private struct Owner {
        var inode: UInt32
        var mode: UInt16
        /// The first byte of each part there.
        var parts: [Part: UInt64]
    }

    private func owner(_ number: UInt32, in range: Range<UInt64>) -> Owner? {
        var inode = ext2_inode()
        guard ext2fs_read_inode(handle, number, &inode) == 0, inode.i_mode != 0 || number < 11, inode.i_links_count > 0
        else { return nil }
        var owner = Owner(inode: number, mode: inode.i_mode, parts: [:])
        let attributes = ext2fs_file_acl_block(handle, &inode) * blockSize
        if attributes != 0, range.overlaps(attributes..<attributes + blockSize) {
            owner.parts[.attributes] = attributes
        }
        if ext2fs_inode_has_valid_blocks2(handle, &inode) != 0 {
            let search = BlockSearch(
                range, blockSize: blockSize, limit: 4 * ext2fs_blocks_count(handle.pointee.super))
            ext2fs_block_iterate3(
                handle, number, BLOCK_FLAG_READ_ONLY, nil,
                { _, block, logical, _, _, context in
                    guard let context, let block else { return BLOCK_ABORT }
                    let search = Unmanaged<BlockSearch>.fromOpaque(context).takeUnretainedValue()
                    return search.visit(block.pointee, isContent: logical >= 0) ? 0 : BLOCK_ABORT
                }, Unmanaged.passUnretained(search).toOpaque())
            if let content = search.content { owner.parts[.content] = content }
            if let map = search.map { owner.parts[.map] = map }
        }
        return owner.parts.isEmpty ? nil : owner
    }

    private func name(of owner: Owner, _ path: [UInt8]?) -> String {
        switch owner.inode {
        case 2: return "root folder"
        case 7: return "room for more group descriptors"
        case 8: return "journal"
        default: break
        }
        guard let path else { return "inode \(owner.inode), whose name cannot be told" }
        let text = String(decoding: path, as: UTF8.self).map { $0.isASCII && ($0.asciiValue ?? 0) < 32 ? "?" : $0 }
        return (owner.mode & 0o170000 == 0o040000 ? "folder " : "") + String(text)
    }

    // MARK: Names

    /// The first path of each of these inodes that a readable folder leads to.
    private func paths(of wanted: Set<UInt32>) throws -> [UInt32: [UInt8]] {
        var result: [UInt32: [UInt8]] = [:]
        var visited: Set<UInt32> = [2]
        var pending: [(inode: UInt32, path: [UInt8])] = [(2, [])]
        while let folder = pending.popLast(), result.count < wanted.count {
            try Task.checkCancellation()
            for entry in names(in: folder.inode) {
                let path = folder.path + (folder.path.isEmpty ? [] : [UInt8(ascii: "/")]) + entry.name
                guard path.count <= 4095 else { continue }
                if wanted.contains(entry.inode), result[entry.inode] == nil { result[entry.inode] = path }
                // A type of 0 is from a file system that does not keep types here.
                if entry.type == 2 || entry.type == 0, visited.insert(entry.inode).inserted {
                    pending.append((entry.inode, path))
                }
            }
        }
        return result
    }

    private func names(in folder: UInt32) -> [Ext4Directory.Name] {
        let list = NameList()
        guard ext2fs_check_directory(handle, folder) == 0 else { return [] }
        // A block that cannot be read ends the folder: what came before it counts.
        ext2fs_dir_iterate2(
            handle, folder, 0, nil,
            { _, kind, entry, _, _, _, context in
                // DIRENT_OTHER_FILE; the folder itself and its parent are 1 and 2.
                guard let context, let entry, kind == 3 else { return 0 }
                let list = Unmanaged<NameList>.fromOpaque(context).takeUnretainedValue()
                let length = Int(ext2fs_dirent_name_len(entry))
                let name = withUnsafeBytes(of: &entry.pointee.name) { Array($0.prefix(length)) }
                let type = UInt8(truncatingIfNeeded: ext2fs_dirent_file_type(entry))
                list.names.append(Ext4Directory.Name(inode: entry.pointee.inode, type: type, name: name))
                return 0
            }, Unmanaged.passUnretained(list).toOpaque())
        return list.names
    }
}

/// Looks for the first blocks of one inode that lie in a range.
private final class BlockSearch {
    private let range: Range<UInt64>
    private let blockSize: UInt64
    private var rest: UInt64
    /// First bytes, from the file system's beginning: of content, and of what maps it.
    private(set) var content: UInt64?
    private(set) var map: UInt64?

    init(_ range: Range<UInt64>, blockSize: UInt64, limit: UInt64) {
        self.range = range
        self.blockSize = blockSize
        rest = limit
    }

    /// - Returns: whether to go on.
    func visit(_ block: UInt64, isContent: Bool) -> Bool {
        guard rest > 0, block < 1 << 40 else { return false }
        rest -= 1
        let start = block * blockSize
        if range.overlaps(start..<start + blockSize) {
            if isContent { content = min(content ?? start, start) } else { map = min(map ?? start, start) }
        }
        return true
    }
}

private final class NameList { var names: [Ext4Directory.Name] = [] }
