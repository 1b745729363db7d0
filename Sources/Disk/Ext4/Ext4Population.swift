import Diagnostics
import Layers
import Storage

/// Puts a tree into an empty file system: folders' blocks first, then every node in the tree's order. Of regular files it places the
/// content, and writes none.
struct Ext4Population {
    private let tree: Tree
    private let layout: Ext4Layout
    private let volume: Ext4Volume
    private let epoch: Int64
    private let place: String
    private let output: BlockOutput
    private let reader = ContentReader()
    private let cursor: BlockCursor

    /// - Parameter file: the image `volume` is open on.
    init(tree: Tree, layout: Ext4Layout, volume: Ext4Volume, file: OpenFile, epoch: Int64, place: String) throws {
        self.tree = tree
        self.layout = layout
        self.volume = volume
        self.epoch = epoch
        self.place = place
        output = BlockOutput(file: file)
        cursor = BlockCursor(try volume.freeRanges()) {
            Failure(at: place, "the file system is full", next: "make it larger")
        }
    }

    /// - Returns: where the content of the regular files belongs, in the disk's order.
    func run() throws -> [ContentReference] {
        var references: [ContentReference] = []
        for folder in layout.folders {
            try Task.checkCancellation()
            try locating(folder.path) { try write(folder) }
        }
        cursor.align(to: Ext4Layout.folderAlignment)
        for (index, node) in tree.nodes.enumerated() where node.linkCount > 0 && node.kind != .directory {
            try Task.checkCancellation()
            let path = layout.firstNames[index] ?? .root
            try locating(path) { try write(node, layout.inodes[index], path, &references) }
        }
        try output.flush()
        return references
    }

    /// Runs `body`; its failures name a path of the tree.
    private func locating(_ path: EntryPath, _ body: () throws -> Void) throws {
        do { try body() } catch let failure as Failure { throw failure.inTree(path) } catch let damage as DamagedContent
        {
            throw damage.inTree(path)
        }
    }

    // MARK: Folders

    private func write(_ folder: Ext4Layout.Folder) throws {
        let node = tree.nodes[folder.node]
        let number = layout.inodes[folder.node]
        var inode = try baseInode(node, .directory)
        if folder.path == Ext4Layout.lostAndFound {
            // mke2fs has made it, with room for what e2fsck may find.
            guard folder.children.isEmpty else {
                throw Failure(at: place, "lost+found belongs to ext4 and must be empty")
            }
            let made = try volume.readInode(number)
            (inode.size, inode.flags, inode.sectors, inode.area) = (made.size, made.flags, made.sectors, made.area)
            inode.linkCount = 2
            return try finish(number, inode, node)
        }
        var names = folder.children.map {
            Ext4Directory.Name(
                inode: layout.inodes[$0.node], type: Self.type(of: tree.nodes[$0.node].kind).directoryEntryType,
                name: $0.name)
        }
        var subfolders = folder.subfolders
        if folder.path.isRoot, tree[Ext4Layout.lostAndFound] == nil {
            let entry = Ext4Directory.Name(
                inode: Ext4Layout.lostAndFoundInode, type: InodeType.directory.directoryEntryType,
                name: Array("lost+found".utf8))
            let position = names.firstIndex { entry.name.lexicographicallyPrecedes($0.name) } ?? names.count
            names.insert(entry, at: position)
            subfolders += 1
        }
        let parent = folder.path.parent.flatMap { layout.inode(of: $0, in: tree) } ?? Ext4Layout.rootInode
        let blocks = Ext4Directory.encode(names, inode: number, parent: parent)
        // The root has a block already.
        var placed = number == Ext4Layout.rootInode ? try rootBlocks() : []
        for run in try take(UInt64(blocks.count - placed.count)) { placed += Array(run) }
        inode.size = UInt64(blocks.count) * ext4BlockSize
        // More than 64,998 subfolders: the count is given up (dir_nlink).
        inode.linkCount = subfolders + 2 > 65000 ? 1 : UInt16(subfolders + 2)
        var extents: [Ext4Extent] = []
        for (logical, block) in placed.enumerated() {
            if let last = extents.last, last.physical + last.count == block {
                extents[extents.count - 1].count += 1
            } else {
                extents.append(Ext4Extent(logical: UInt64(logical), physical: block, count: 1))
            }
        }
        let nodes = try map(extents, into: &inode)
        if number != Ext4Layout.rootInode { volume.markUsed(inode: number, isDirectory: true) }
        try finish(number, inode, node, nodes)
        for (block, bytes) in zip(placed, blocks) { try volume.writeDirectoryBlock(bytes, at: block, of: number) }
    }

    private func rootBlocks() throws -> [UInt64] {
        let root = try volume.readInode(Ext4Layout.rootInode)
        return try volume.extents(of: Ext4Layout.rootInode, root).flatMap { $0.physical..<$0.physical + $0.count }
    }

    // MARK: Everything else

    private func write(
        _ node: TreeNode, _ number: UInt32, _ path: EntryPath, _ references: inout [ContentReference]
    ) throws {
        var inode = try baseInode(node, Self.type(of: node.kind))
        guard node.linkCount <= 65000 else {
            throw Failure(at: place, "a file has too many names", expected: "at most 65000", found: "\(node.linkCount)")
        }
        inode.linkCount = UInt16(node.linkCount)
        var nodes: [(block: UInt64, bytes: [UInt8])] = []
        switch node.kind {
        case .regular(let content):
            let extents = try place(content, path, &references)
            inode.size = content.size
            for extent in extents {
                volume.markUsed(blocks: extent.physical..<extent.physical + extent.count)
            }
            nodes = try map(extents, into: &inode)
        case .symlink(let target):
            guard (1...4095).contains(target.count), !target.contains(0) else {
                throw Failure(at: place, "not a symbolic link's target", expected: "1 to 4095 bytes without NUL")
            }
            inode.size = UInt64(target.count)
            if target.count < inode.area.count {
                inode.area.replaceSubrange(0..<target.count, with: target)
            } else {
                guard let block = try take(1).first?.lowerBound else { return }
                try target.withUnsafeBytes { try output.write($0, at: block) }
                nodes = try map([Ext4Extent(logical: 0, physical: block, count: 1)], into: &inode)
            }
        case .characterDevice(let major, let minor), .blockDevice(let major, let minor):
            guard major < 1 << 12, minor < 1 << 20 else {
                throw Failure(at: place, "the device number \(major):\(minor) is out of Linux's range")
            }
            inode.setDevice(major: major, minor: minor)
        case .fifo, .socket, .directory, .hardLink: break
        }
        volume.markUsed(inode: number, isDirectory: false)
        try finish(number, inode, node, nodes)
    }

    /// Gives a content the next free blocks; its runs of zeros become holes.
    private func place(
        _ content: Content, _ path: EntryPath, _ references: inout [ContentReference]
    ) throws -> [Ext4Extent] {
        var extents: [Ext4Extent] = []
        func add(_ blocks: Range<UInt64>) throws {
            var logical = blocks.lowerBound
            for run in blocks.isEmpty ? [] : try cursor.take(UInt64(blocks.count)) {
                let count = UInt64(run.count)
                references.append(
                    ContentReference(
                        offset: run.lowerBound * ext4BlockSize, blocks: count, content: content,
                        contentOffset: logical * ext4BlockSize, path: path))
                if let last = extents.last, last.logical + last.count == logical,
                    last.physical + last.count == run.lowerBound
                {
                    extents[extents.count - 1].count += count
                } else {
                    extents.append(Ext4Extent(logical: logical, physical: run.lowerBound, count: count))
                }
                logical += count
            }
        }
        var position: UInt64 = 0
        for hole in try content.zeros?.blocks ?? reader.zeros(of: content).blocks {
            try add(position..<hole.lowerBound)
            position = hole.upperBound
        }
        try add(position..<ZeroRuns.blockCount(content.size))
        return extents
    }

    /// Writes the inode, the nodes of its extent tree, and its attributes: in this order, since their checksums hang
    /// on the inode.
    private func finish(
        _ number: UInt32, _ inode: Ext4Inode, _ node: TreeNode, _ nodes: [(block: UInt64, bytes: [UInt8])] = []
    ) throws {
        try volume.writeInode(number, inode, epoch: epoch)
        for (block, bytes) in nodes { try volume.writeExtentBlock(bytes, at: block, of: number) }
        guard !node.attributes.xattrs.isEmpty else { return }
        // libext2fs marks the block it is given as used itself.
        try volume.writeAttributes(node.attributes.xattrs, of: number) { [cursor] in
            try cursor.take(1)[0].lowerBound
        }
    }

    /// Puts the extents' tree into the inode and counts its blocks; returns the nodes that lie outside the inode.
    private func map(
        _ extents: [Ext4Extent], into inode: inout Ext4Inode
    ) throws -> [(block: UInt64, bytes: [UInt8])] {
        let encoded = try Ext4ExtentTree.encode(extents) {
            let block = try cursor.take(1)[0].lowerBound
            volume.markUsed(blocks: block..<block + 1)
            return block
        }
        inode.area = encoded.root
        inode.flags |= Ext4Inode.extentsFlag
        let blocks = extents.reduce(UInt64(encoded.blocks.count)) { $0 + $1.count }
        inode.sectors = blocks * (ext4BlockSize / 512)
        return encoded.blocks
    }

    /// Takes blocks and marks them used.
    private func take(_ count: UInt64) throws -> [Range<UInt64>] {
        let runs = try cursor.take(count)
        for run in runs { volume.markUsed(blocks: run) }
        return runs
    }

    private func baseInode(_ node: TreeNode, _ type: InodeType) throws -> Ext4Inode {
        var inode = Ext4Inode()
        inode.mode = type.rawValue | node.attributes.mode & 0o7777
        inode.uid = node.attributes.uid
        inode.gid = node.attributes.gid
        inode.mtime = node.attributes.mtime
        inode.ctime = Timestamp(seconds: epoch)
        guard Ext4Inode.seconds.contains(inode.mtime.seconds), inode.mtime.nanoseconds < 1_000_000_000 else {
            throw Failure(
                at: place, "the modification time is out of ext4's range",
                expected: "\(Ext4Inode.seconds.lowerBound) to \(Ext4Inode.seconds.upperBound) seconds since 1970",
                found: "\(inode.mtime.seconds)")
        }
        return inode
    }

    private static func type(of kind: EntryKind) -> InodeType {
        switch kind {
        case .regular, .hardLink: .regular
        case .directory: .directory
        case .symlink: .symlink
        case .characterDevice: .characterDevice
        case .blockDevice: .blockDevice
        case .fifo: .fifo
        case .socket: .socket
        }
    }
}

extension Failure {
    /// The failure with the tree's path in its place.
    func inTree(_ path: EntryPath) -> Failure {
        var failure = self
        failure.place = "\(place): \(path)"
        return failure
    }
}
