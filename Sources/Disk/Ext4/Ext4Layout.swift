import Diagnostics
import Layers

/// Which inode number every node of a tree gets, and how much room the tree needs: pure, so that whoever compares a
/// file system with the tree it was written from can ask again.
///
/// Nodes are numbered in the tree's order, that of its layers: an edit in a late layer moves few inodes.
struct Ext4Layout {
    static let rootInode: UInt32 = 2
    /// The inode mke2fs gives lost+found: the first that is not reserved.
    static let lostAndFoundInode: UInt32 = 11
    static let lostAndFound: EntryPath = "lost+found"

    /// A folder and the names in it, sorted.
    struct Folder {
        var path: EntryPath
        var node: Int
        var children: [(name: [UInt8], node: Int)] = []
        /// How many of the children are folders.
        var subfolders = 0

        /// How many blocks its names need.
        var blockCount: UInt64 { Ext4Directory.blockCount(nameLengths: children.lazy.map(\.name.count)) }
    }

    /// The inode of each node; 0 for a node that nothing names any more.
    private(set) var inodes: [UInt32]
    /// One name of each node, for errors.
    private(set) var firstNames: [Int: EntryPath] = [:]
    /// In node order; the root first.
    private(set) var folders: [Folder] = []
    /// How many inodes from number 12 on.
    private(set) var newInodeCount: UInt64 = 0
    /// An upper bound, in blocks: folders, content without regard to holes, long links, attributes, extent trees.
    private(set) var neededBlocks: UInt64 = 0

    /// After the folders' blocks free blocks are left up to the next multiple of this many, so that a folder that
    /// grows by a block does not move all content.
    static let folderAlignment: UInt64 = 256

    init(_ tree: Tree) {
        inodes = [UInt32](repeating: 0, count: tree.nodes.count)
        var folderOf: [EntryPath: Folder] = [:]
        for path in tree.paths {
            guard let node = tree.names[path] else { continue }
            let isFolder = tree.nodes[node].kind == .directory
            if firstNames[node] == nil { firstNames[node] = path }
            if isFolder { folderOf[path] = Folder(path: path, node: node) }
            // Sorted paths bring a folder before what is in it.
            guard let parent = path.parent else { continue }
            folderOf[parent]?.children.append((Array(path.name), node))
            if isFolder { folderOf[parent]?.subfolders += 1 }
        }
        var next = Self.lostAndFoundInode + 1
        for (index, node) in tree.nodes.enumerated() where node.linkCount > 0 {
            switch firstNames[index] {
            case EntryPath.root: inodes[index] = Self.rootInode
            case Self.lostAndFound where node.kind == .directory: inodes[index] = Self.lostAndFoundInode
            default:
                inodes[index] = next
                next += 1
            }
            neededBlocks += Self.blocks(of: node)
        }
        newInodeCount = UInt64(next - Self.lostAndFoundInode - 1)
        folders = folderOf.values.sorted { $0.node < $1.node }
        neededBlocks += folders.reduce(Self.folderAlignment) { $0 + $1.blockCount }
    }

    /// The inode number a name has on the file system; nil when the tree does not have the name.
    func inode(of path: EntryPath, in tree: Tree) -> UInt32? { tree.names[path].map { inodes[$0] } }

    private static func blocks(of node: TreeNode) -> UInt64 {
        var blocks: UInt64 = 0
        switch node.kind {
        case .regular(let content):
            let data = content.size / ext4BlockSize + (content.size % ext4BlockSize == 0 ? 0 : 1)
            // An extent tree's own blocks: content of more than 64 MiB may be in more than four pieces.
            blocks = data + (data > 16384 ? 1 + data / 100_000 : 0)
        case .symlink(let target) where target.count >= 60: blocks = 1
        default: break
        }
        let attributes = node.attributes.xattrs.reduce(4) { $0 + 24 + $1.name.utf8.count + $1.value.count }
        // What follows the fields in an inode of 256 bytes, and its magic number.
        return blocks + (attributes > 256 - 128 - 32 - 4 ? 1 : 0)
    }
}

extension Ext4 {
    /// The smallest file system written here, in bytes.
    package static let smallestSize: UInt64 = 16 << 20
    /// The largest file system written here, in bytes.
    package static let largestSize: UInt64 = 512 << 30
    /// Room is reserved in the group descriptor tables so that the file system grows online up to this size, in bytes.
    static let growthLimit: UInt64 = 1 << 40

    /// The size a file system needs to hold a tree and leave `freeBytes` to ordinary users: a multiple of 4 MiB,
    /// reliably large enough.
    ///
    /// - Parameters:
    ///   - inodeCount, reservedPercent, journalSize: as in ``Ext4Options``.
    package static func minimumSize(
        of tree: Tree, freeBytes: UInt64, inodeCount: UInt64? = nil, reservedPercent: Int = 1,
        journalSize: UInt64? = nil
    ) -> UInt64 {
        let layout = Ext4Layout(tree)
        return minimumSize(
            of: layout, freeBytes: freeBytes, inodeCount: inodeCount, reservedPercent: reservedPercent,
            journalSize: journalSize)
    }

    static func minimumSize(
        of layout: Ext4Layout, freeBytes: UInt64, inodeCount: UInt64?, reservedPercent: Int, journalSize: UInt64?
    ) -> UInt64 {
        let step: UInt64 = 4 << 20
        let needed = layout.neededBlocks + (freeBytes + ext4BlockSize - 1) / ext4BlockSize
        var size = max(smallestSize, needed * ext4BlockSize / step * step)
        while size < largestSize {
            let blocks = size / ext4BlockSize
            let inodes = inodeCount ?? defaultInodeCount(layout.newInodeCount, size: size)
            let journal = journalSize ?? defaultJournalSize(size)
            let reserved = blocks * UInt64(reservedPercent) / 100
            let wanted = needed + reserved + overhead(size: size, inodes: inodes, journalSize: journal)
            if wanted <= blocks { break }
            size += (wanted - blocks) * ext4BlockSize / step * step + step
        }
        return size
    }

    static func defaultJournalSize(_ size: UInt64) -> UInt64 {
        min(64 << 20, max(4 << 20, (size / 32) & ~0xfffff))
    }

    static func defaultInodeCount(_ newInodes: UInt64, size: UInt64) -> UInt64 {
        UInt64(Ext4Layout.lostAndFoundInode) + max(newInodes + newInodes / 4 + 64, size / 16384)
    }

    /// The blocks an empty file system takes, bounded from above.
    private static func overhead(size: UInt64, inodes: UInt64, journalSize: UInt64) -> UInt64 {
        let blocks = size / ext4BlockSize
        let groups = (blocks + 32767) / 32768
        let inodesPerGroup = ((inodes + groups - 1) / groups + 15) / 16 * 16
        // A bitmap each for blocks and inodes, and the inode table: 16 inodes of 256 bytes a block.
        var total = groups * (2 + inodesPerGroup / 16)
        // Superblock and group descriptors, with the room to grow: in group 0 and those of powers of 3, 5 and 7.
        let descriptors = max((groups + 63) / 64, growthLimit / ext4BlockSize / 32768 / 64) + 1
        total += descriptors + 1
        for group in 1..<max(groups, 2) where isPower(group) { total += descriptors + 1 }
        // Journal and its extents, lost+found, the resize inode; a last group too small for its own tables is cut off.
        return total + journalSize / ext4BlockSize + 32 + 128 + inodesPerGroup / 16
    }

    private static func isPower(_ group: UInt64) -> Bool {
        ([3, 5, 7] as [UInt64]).contains { base in
            var power: UInt64 = 1
            while power < group { power *= base }
            return power == group
        }
    }
}
