import Diagnostics
import Digests
import Layers

extension Ext4Entry {
    /// The entry for a layer; nil for a regular file, whose content has to be read first.
    var layerKind: EntryKind? {
        switch kind {
        case .regular: nil
        case .directory: .directory
        case .symlink(let target): .symlink(target)
        case .characterDevice(let major, let minor): .characterDevice(major: major, minor: minor)
        case .blockDevice(let major, let minor): .blockDevice(major: major, minor: minor)
        case .fifo: .fifo
        case .socket: .socket
        }
    }
}

extension Ext4Reader {
    /// Reads the file system as a layer. ext4's own lost+found is left out; further names of an inode become hard
    /// links to the first.
    ///
    /// - Parameter include: which entries are read; a folder that is not does not keep out what is in it.
    /// - Throws: as ``forEachEntry(_:)``.
    package func readLayer(into writer: LayerWriter, include: (Ext4Entry) -> Bool = { _ in true }) throws {
        var firstNames: [UInt32: EntryPath] = [:]
        try forEachEntry { entry in
            guard include(entry), !isLostAndFound(entry) else { return }
            if entry.kind != .directory, let first = firstNames[entry.inode] {
                return try writer.add(Entry(entry.path, entry.attributes, .hardLink(first)))
            }
            if entry.linkCount > 1 { firstNames[entry.inode] = entry.path }
            try write(entry, entry.path, entry.attributes, into: writer)
        }
    }

    /// Finds what has changed on a file system since ``Ext4/write(_:to:_:tools:)`` made it from `tree`, as a layer on top
    /// of that tree: new and changed entries, and names that are gone as whiteouts.
    ///
    /// An inode whose ctime is still exactly the epoch, under a name the tree gave it, is unchanged and is not read. (So
    /// the clock of whoever changes it must be past the epoch.) Any other is compared with the tree's node, content
    /// by its digest, after `normalise`, and left out when equal. A folder that differs by its mtime alone has
    /// not changed: names came or went in it.
    ///
    /// - Parameters:
    ///   - epoch: as in the options the file system was written with.
    ///   - include: which names are looked at. A name left out gives neither an entry nor a whiteout.
    ///   - normalise: sets a changed entry's attributes to what they shall be in the layer; it may be asked more than
    ///     once, under each name of an inode.
    /// - Throws: as ``forEachEntry(_:)``.
    package func changes(
        since tree: Tree, epoch: Int64, into writer: LayerWriter, include: (EntryPath) -> Bool = { _ in true },
        normalise: (EntryPath, inout Attributes) -> Void = { _, _ in }
    ) throws {
        let layout = Ext4Layout(tree)
        let written = Timestamp(seconds: epoch)
        var present: Set<EntryPath> = []
        var changed: [Ext4Entry] = []
        var changedNames: [UInt32: [EntryPath]] = [:]
        try forEachEntry { entry in
            guard include(entry.path), !isLostAndFound(entry) || tree[entry.path] != nil else { return }
            present.insert(entry.path)
            if entry.ctime == written, layout.inode(of: entry.path, in: tree) == entry.inode { return }
            if changedNames[entry.inode] == nil { changed.append(entry) }
            changedNames[entry.inode, default: []].append(entry.path)
        }
        try addWhiteouts(tree, include, present, writer)
        for entry in changed {
            try Task.checkCancellation()
            try add(entry, names: changedNames[entry.inode] ?? [], tree, writer, normalise)
        }
    }

    private func addWhiteouts(
        _ tree: Tree, _ include: (EntryPath) -> Bool, _ present: Set<EntryPath>, _ writer: LayerWriter
    ) throws {
        var gone: Set<EntryPath> = []
        for path in tree.paths where include(path) && !present.contains(path) && path != Ext4Layout.lostAndFound {
            gone.insert(path)
            // What is in a folder goes with it.
            if let parent = path.parent, gone.contains(parent) { continue }
            writer.addWhiteout(path)
        }
    }

    /// Adds one changed inode with all its names.
    private func add(
        _ entry: Ext4Entry, names: [EntryPath], _ tree: Tree, _ writer: LayerWriter,
        _ normalise: (EntryPath, inout Attributes) -> Void
    ) throws {
        guard let first = names.first else { return }
        func normalised(_ name: EntryPath) -> Attributes {
            var attributes = entry.attributes
            normalise(name, &attributes)
            return attributes
        }
        var digest: SHA256Digest?
        // A name under which the tree has the same inode already; the others become links to it.
        let known = try names.first { name in
            guard let node = tree[name] else { return false }
            return try isSame(entry, normalised(name), node, &digest)
        }
        if let known {
            for name in names where tree.names[name] != tree.names[known] {
                try writer.add(Entry(name, entry.attributes, .hardLink(known)))
            }
            return
        }
        let attributes = normalised(first)
        // A folder over something else would be merged with it (a link to a folder stays): take the old away first.
        if entry.kind == .directory, let old = tree[first], old.kind != .directory { writer.addWhiteout(first) }
        try write(entry, first, attributes, into: writer)
        for name in names.dropFirst() { try writer.add(Entry(name, attributes, .hardLink(first))) }
    }

    private func isSame(
        _ entry: Ext4Entry, _ attributes: Attributes, _ node: TreeNode, _ digest: inout SHA256Digest?
    ) throws -> Bool {
        if entry.kind == .directory, node.kind == .directory {
            var attributes = attributes
            attributes.mtime = node.attributes.mtime
            return attributes == node.attributes
        }
        guard attributes == node.attributes else { return false }
        if let kind = entry.layerKind { return kind == node.kind }
        guard case .regular(let content) = node.kind, entry.kind == .regular(size: content.size) else { return false }
        if digest == nil {
            let hasher = SHA256Hasher()
            try forEachChunk(of: entry) { hasher.update($0) }
            digest = hasher.finalize()
        }
        return digest == content.digest
    }

    private func write(
        _ entry: Ext4Entry, _ path: EntryPath, _ attributes: Attributes, into writer: LayerWriter
    ) throws {
        if let kind = entry.layerKind { return try writer.add(Entry(path, attributes, kind)) }
        try writer.addFile(path, attributes) { sink in try forEachChunk(of: entry) { try sink.write($0) } }
    }

    private func isLostAndFound(_ entry: Ext4Entry) -> Bool {
        entry.path == Ext4Layout.lostAndFound && entry.kind == .directory
    }
}
