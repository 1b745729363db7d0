import CExt2FS
import Diagnostics
import Storage

/// A stretch of an ext file system that belongs to no file (Linux, Documentation/filesystems/ext4/blockgroup.rst).
package struct Ext4Area: Sendable, Equatable {
    /// What lies there. A copy is of the kind of what it copies.
    package enum Kind: Sendable, Equatable {
        case bootBlock, superblock, descriptors, blockBitmap, inodeBitmap, inodeTable
    }

    package var kind: Kind
    /// The block group it lies in. Superblock and descriptors of other groups than 0 are copies.
    package var group: UInt32
    /// Bytes from the file system's beginning.
    package var range: Range<UInt64>
}

/// Bytes of a file that lie one after the other on the disk.
package struct Ext4Run: Sendable, Equatable {
    /// The first byte within the file.
    package var logical: UInt64
    /// Bytes from the file system's beginning: whole blocks.
    package var range: Range<UInt64>
    /// Allocated but never written: reads as zeros, whatever the disk has there.
    package var isUnwritten: Bool
}

extension Ext4Reader {
    /// Bytes.
    package var blockSize: UInt64 { volume.blockSize }
    /// As the superblock has it. Inodes are numbered from 1 to it.
    package var inodeCount: UInt32 { volume.inodeCount }
    /// As the superblock has it.
    package var freeInodeCount: UInt32 { volume.freeInodeCount }
    /// Inode N lies in group (N - 1) / `inodesPerGroup`.
    package var inodesPerGroup: UInt32 { volume.superblock.s_inodes_per_group }
    /// The last group may have fewer.
    package var blocksPerGroup: UInt32 { volume.superblock.s_blocks_per_group }
    /// The block that group 0 begins with: 1 on blocks of 1 KiB, else 0.
    package var firstBlock: UInt64 { UInt64(volume.superblock.s_first_data_block) }
    /// Bytes of an inode in its table.
    package var inodeSize: UInt64 { volume.superblock.s_rev_level == 0 ? 128 : UInt64(volume.superblock.s_inode_size) }
    /// Bytes of a group's descriptor: 64 with the feature 64bit, else 32.
    package var descriptorSize: UInt64 {
        volume.superblock.s_feature_incompat & 0x80 != 0 ? UInt64(volume.superblock.s_desc_size) : 32
    }

    /// What belongs to no file, group by group.
    package var areas: [Ext4Area] {
        var areas = [Ext4Area(kind: .bootBlock, group: 0, range: 0..<1024)]
        for group in 0..<UInt32(volume.handle.pointee.group_desc_count) { areas += self.areas(of: group) }
        return areas
    }

    private func areas(of group: UInt32) -> [Ext4Area] {
        let handle = volume.handle
        var areas: [Ext4Area] = []
        func add(_ kind: Ext4Area.Kind, _ block: UInt64, _ count: UInt64) {
            areas.append(
                Ext4Area(kind: kind, group: group, range: block * blockSize..<(block + count) * blockSize))
        }
        var superblock: blk64_t = 0
        var old: blk64_t = 0
        var new: blk64_t = 0
        ext2fs_super_and_bgd_loc2(handle, group, &superblock, &old, &new, nil)
        // On blocks of more than 1 KiB the first superblock lies behind the boot block, in block 0.
        if group == 0 {
            areas.append(Ext4Area(kind: .superblock, group: 0, range: 1024..<max(2048, blockSize)))
        } else if superblock != 0 {
            add(.superblock, superblock, 1)
        }
        if old != 0 { add(.descriptors, old, UInt64(handle.pointee.desc_blocks)) }
        if new != 0 { add(.descriptors, new, 1) }
        add(.blockBitmap, ext2fs_block_bitmap_loc(handle, group), 1)
        add(.inodeBitmap, ext2fs_inode_bitmap_loc(handle, group), 1)
        add(.inodeTable, ext2fs_inode_table_loc(handle, group), UInt64(handle.pointee.inode_blocks_per_group))
        return areas
    }

    // MARK: Metadata

    /// The parts of the inode tables that have ever been used, in disk order, in bytes from the file system's beginning.
    package var usedInodeTables: [Range<UInt64>] {
        let handle = volume.handle
        let ranges = (0..<UInt32(handle.pointee.group_desc_count)).compactMap { group -> Range<UInt64>? in
            let start = ext2fs_inode_table_loc(handle, group) * blockSize
            let length = (UInt64(usedInodes(in: group)) * inodeSize + blockSize - 1) / blockSize * blockSize
            guard start < size, length > 0 else { return nil }
            return start..<min(size, start + length)
        }
        return Self.joined(ranges)
    }

    private func usedInodes(in group: UInt32) -> UInt32 {
        guard ext2fs_has_group_desc_csum(volume.handle) != 0 else { return inodesPerGroup }
        if ext2fs_bg_flags_test(volume.handle, group, UInt16(EXT2_BG_INODE_UNINIT)) != 0 { return 0 }
        return inodesPerGroup - min(inodesPerGroup, ext2fs_bg_itable_unused(volume.handle, group))
    }

    /// Where the folders' names, and the attributes and link targets outside of inodes lie, in disk order, in bytes from
    /// the file system's beginning. What is damaged is passed over.
    ///
    /// - Throws: what the source throws; `CancellationError`.
    package func nameRanges() throws -> [Range<UInt64>] {
        var ranges: [Range<UInt64>] = []
        for group in 0..<UInt32(volume.handle.pointee.group_desc_count) {
            for index in 0..<usedInodes(in: group) {
                if index % 4096 == 0 { try Task.checkCancellation() }
                let number = group * inodesPerGroup + index + 1
                let inode = try volume.readInode(number)
                guard inode.linkCount > 0, let type = inode.type else { continue }
                let end = inode.attributeBlock.multipliedReportingOverflow(by: blockSize)
                if inode.attributeBlock != 0, !end.overflow, end.partialValue + blockSize <= size {
                    ranges.append(end.partialValue..<end.partialValue + blockSize)
                }
                guard type == .directory || type == .symlink, hasBlocks(inode) else { continue }
                ranges += ((try? volume.extents(of: number, inode)) ?? []).map {
                    $0.physical * blockSize..<($0.physical + $0.count) * blockSize
                }
            }
        }
        return Self.joined(ranges)
    }

    /// Whether the inode's area maps blocks: not of a device, nor where it holds a target or content itself.
    private func hasBlocks(_ inode: Ext4Inode) -> Bool {
        if inode.flags & Ext4Inode.inlineDataFlag != 0 { return false }
        switch inode.type {
        case .regular, .directory: return true
        case .symlink: return inode.flags & Ext4Inode.extentsFlag != 0 || inode.size >= inode.area.count
        default: return false
        }
    }

    private static func joined(_ ranges: [Range<UInt64>]) -> [Range<UInt64>] {
        var result: [Range<UInt64>] = []
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            if let last = result.last, last.upperBound >= range.lowerBound {
                result[result.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
            } else {
                result.append(range)
            }
        }
        return result
    }

    // MARK: Files' blocks

    /// Where an inode's content lies, in file order; nothing where the inode holds it itself, or has none.
    ///
    /// - Throws: `Failure` naming the inode where its map is damaged.
    package func runs(of number: UInt32) throws -> [Ext4Run] {
        let inode = try volume.readInode(number)
        guard hasBlocks(inode) else { return [] }
        return try volume.extents(of: number, inode).map {
            Ext4Run(
                logical: $0.logical * blockSize, range: $0.physical * blockSize..<($0.physical + $0.count) * blockSize,
                isUnwritten: $0.isUnwritten)
        }
    }

    /// The blocks that map an inode's content, in bytes from the file system's beginning; what is damaged is passed over.
    package func mapBlocks(of number: UInt32) throws -> [Range<UInt64>] {
        guard hasBlocks(try volume.readInode(number)) else { return [] }
        let list = BlockList(limit: volume.blockCount)
        ext2fs_block_iterate3(
            volume.handle, number, BLOCK_FLAG_READ_ONLY, nil,
            { _, block, logical, _, _, context in
                guard let context, let block else { return BLOCK_ABORT }
                let list = Unmanaged<BlockList>.fromOpaque(context).takeUnretainedValue()
                return list.add(block.pointee, isMap: logical < 0) ? 0 : BLOCK_ABORT
            }, Unmanaged.passUnretained(list).toOpaque())
        return list.blocks.map { $0 * blockSize..<($0 + 1) * blockSize }
    }

    /// The block of an inode's attributes, in bytes from the file system's beginning; nil for none.
    package func attributeBlock(of number: UInt32) throws -> Range<UInt64>? {
        let block = try volume.readInode(number).attributeBlock
        return block == 0 || block >= volume.blockCount ? nil : block * blockSize..<(block + 1) * blockSize
    }
}

/// Gathers the blocks that map one inode.
private final class BlockList {
    private let limit: UInt64
    private var seen: UInt64 = 0
    private(set) var blocks: [UInt64] = []

    init(limit: UInt64) { self.limit = limit }

    /// - Returns: whether to go on.
    func add(_ block: UInt64, isMap: Bool) -> Bool {
        seen += 1
        guard block < limit, seen <= 2 * limit else { return false }
        if isMap { blocks.append(block) }
        return true
    }
}
