import Diagnostics
import Digests

/// One inode of a tree; several names may share it.
package struct TreeNode: Sendable, Hashable {
    /// The same for all of the node's names.
    package var attributes: Attributes
    /// Never `.hardLink`: names that share an inode share the node.
    package var kind: EntryKind
    /// How many names it has.
    package internal(set) var linkCount = 1
}

/// Layers merged, the last one winning. Nobody edits it in place but by applying a further layer.
///
/// Paths are resolved as the kernel would: a layer's `lib/x` lands in `usr/lib/x` where a layer below made `lib` a
/// symbolic link to `usr/lib`, and a folder entry over a link to a folder leaves the link, as dpkg does.
package struct Tree: Sendable {
    /// Nodes in the order their layers brought them: the order their content has on the disk. A node nobody names
    /// any more has a link count of 0.
    package private(set) var nodes: [TreeNode] = []
    /// The node of each name. The root is always there.
    package private(set) var names: [EntryPath: Int] = [:]
    /// Which names each folder holds.
    private var children: [EntryPath: Set<EntryPath>] = [:]

    /// A tree with only a root folder: mode 0755, owned by root, at time 0.
    package init() {
        nodes = [TreeNode(attributes: Attributes(mode: 0o755, mtime: Timestamp(seconds: 0)), kind: .directory)]
        names = [.root: 0]
    }

    /// Merges layers, lowest first.
    ///
    /// - Throws: `Failure` naming the layer and the path, as ``apply(_:)``.
    package init(_ layers: [Layer]) throws {
        self.init()
        for layer in layers { try apply(layer) }
    }

    /// The node at exactly this name; links in the path are not followed.
    package subscript(_ path: EntryPath) -> TreeNode? { names[path].map { nodes[$0] } }

    /// Every name, sorted by its bytes.
    package var paths: [EntryPath] { names.keys.sorted() }

    /// The names in a folder, sorted.
    package func children(of folder: EntryPath) -> [EntryPath] { children[folder, default: []].sorted() }

    /// Puts a layer on top.
    ///
    /// - Throws: `Failure` naming the layer and the path: a hard link to nothing, a path through something that is no
    ///   folder, or links that go round in a circle.
    package mutating func apply(_ layer: Layer) throws {
        for path in layer.whiteouts { remove(try resolveParent(of: path, layer)) }
        for entry in layer.entries { try insert(entry, layer) }
    }

    /// Follows symbolic links as the kernel would with this tree as its root, the last component too.
    ///
    /// - Returns: nil when it leads nowhere or round in a circle.
    package func resolve(_ path: EntryPath) -> EntryPath? {
        guard let resolved = follow(path, followLast: true), names[resolved] != nil else { return nil }
        return resolved
    }

    /// Where a path of the tree itself stands: links on the way are followed, the last component is not.
    ///
    /// - Returns: nil when the way goes round in a circle; what stands there need not exist.
    package func place(of path: EntryPath) -> EntryPath? { follow(path, followLast: false) }

    /// The names of all that is in a folder, at any depth; empty for what is not a folder.
    package func contents(of folder: EntryPath) -> [EntryPath] {
        children[folder, default: []].sorted().flatMap { [$0] + contents(of: $0) }
    }

    /// The node a path leads to, links followed.
    package func lookup(_ path: EntryPath) -> TreeNode? { resolve(path).flatMap { self[$0] } }

    /// The content of the regular file a path leads to, links followed; nil where there is none.
    package func content(_ path: EntryPath) -> Content? {
        guard case .regular(let content) = lookup(path)?.kind else { return nil }
        return content
    }

    /// The part of the tree below `folder`, as a tree of its own; nil when `folder` is not a directory in it.
    package func subtree(_ folder: EntryPath) -> Tree? {
        guard let top = names[folder], nodes[top].kind == .directory else { return nil }
        return selecting { $0.relative(to: folder) }
    }

    /// The tree without what is below `folder`; the folder itself stays, empty, as a mount point does.
    package func emptying(_ folder: EntryPath) -> Tree {
        selecting { $0 == folder || !$0.isInside(folder) ? $0 : nil }
    }

    /// A digest of all that the tree means and of the order its content has on the disk.
    package var digest: SHA256Digest {
        let hasher = KeyHasher(purpose: "tree")
        var sequence: [Int: Int] = [:]
        for (index, node) in nodes.enumerated() where node.linkCount > 0 { sequence[index] = sequence.count }
        var firstName: [Int: EntryPath] = [:]
        for path in paths {
            guard let index = names[path] else { continue }
            hasher.add(sequence[index] ?? 0)
            let kind: EntryKind
            if let first = firstName[index] {
                kind = .hardLink(first)
            } else {
                kind = nodes[index].kind
                firstName[index] = path
            }
            let entry = Entry(path, nodes[index].attributes, kind)
            hasher.add(LayerIndex.encode(Layer(name: "", entries: [entry]), locatingContent: false))
        }
        return hasher.finalize()
    }

    // MARK: Changing names

    private mutating func insert(_ entry: Entry, _ layer: Layer) throws {
        if entry.path.isRoot {
            if entry.kind == .directory { nodes[0].attributes = entry.attributes }
            return
        }
        let path = try resolveParent(of: entry.path, layer)
        try makeParents(of: path, attributes: entry.attributes)
        switch entry.kind {
        case .directory:
            if let existing = names[path] {
                if nodes[existing].kind == .directory {
                    nodes[existing].attributes = entry.attributes
                    return
                }
                if let target = follow(path, followLast: true), self[target]?.kind == .directory { return }
                remove(path)
            }
            name(path, add(TreeNode(attributes: entry.attributes, kind: .directory)))
        case .hardLink(let target):
            let resolved = try resolveParent(of: target, layer)
            guard let index = names[resolved], nodes[index].kind != .directory else {
                throw Failure(
                    at: "\(layer.name): \(entry.path)", "the hard link's target \(target) is not a file in the tree")
            }
            if names[path] == index { return }
            remove(path)
            nodes[index].linkCount += 1
            name(path, index)
        default:
            remove(path)
            name(path, add(TreeNode(attributes: entry.attributes, kind: entry.kind)))
        }
    }

    private mutating func add(_ node: TreeNode) -> Int {
        nodes.append(node)
        return nodes.count - 1
    }

    private mutating func name(_ path: EntryPath, _ index: Int) {
        names[path] = index
        if let parent = path.parent { children[parent, default: []].insert(path) }
    }

    /// Folders that no layer names get mode 0755, root, and the time of the entry that needs them.
    private mutating func makeParents(of path: EntryPath, attributes: Attributes) throws {
        guard let parent = path.parent else { return }
        if let known = names[parent] {
            guard nodes[known].kind == .directory else {
                throw Failure(at: "\(path)", "\(parent) stands in the way: it is not a folder")
            }
            return
        }
        try makeParents(of: parent, attributes: attributes)
        name(parent, add(TreeNode(attributes: Attributes(mode: 0o755, mtime: attributes.mtime), kind: .directory)))
    }

    private mutating func remove(_ path: EntryPath) {
        guard !path.isRoot, let index = names[path] else { return }
        for child in children[path, default: []] { remove(child) }
        children[path] = nil
        names[path] = nil
        nodes[index].linkCount -= 1
        if let parent = path.parent { children[parent]?.remove(path) }
    }

    private func selecting(_ rename: (EntryPath) -> EntryPath?) -> Tree {
        var result = Tree()
        var moved: [Int: Int] = [:]
        // By node, so that the order on the disk stays.
        let ordered = names.sorted { ($0.value, $0.key) < ($1.value, $1.key) }
        for (path, index) in ordered {
            guard let newPath = rename(path) else { continue }
            if newPath.isRoot {
                result.nodes[0].attributes = nodes[index].attributes
                continue
            }
            if let known = moved[index] {
                result.nodes[known].linkCount += 1
                result.name(newPath, known)
            } else {
                var node = nodes[index]
                node.linkCount = 1
                let added = result.add(node)
                moved[index] = added
                result.name(newPath, added)
            }
        }
        return result
    }

    // MARK: Resolving

    private func resolveParent(of path: EntryPath, _ layer: Layer) throws -> EntryPath {
        guard let parent = path.parent else { return path }
        guard let resolved = follow(parent, followLast: true) else {
            throw Failure(at: "\(layer.name): \(path)", "its folder is reached through links that go round in a circle")
        }
        if let node = self[resolved], node.kind != .directory {
            throw Failure(at: "\(layer.name): \(path)", "\(resolved) stands in the way: it is not a folder")
        }
        return resolved.appending(path.name)
    }

    /// Follows links; components that do not exist are taken as they stand. Nil after 40 links (Linux, MAXSYMLINKS).
    private func follow(_ path: EntryPath, followLast: Bool) -> EntryPath? {
        var pending = Array(path.components.reversed())
        var current = EntryPath.root
        var links = 0
        while let component = pending.popLast() {
            if component == [UInt8(ascii: ".")] { continue }
            if component == [UInt8(ascii: "."), UInt8(ascii: ".")] {
                current = current.parent ?? .root
                continue
            }
            let next = current.appending(component)
            guard case .symlink(let target) = self[next]?.kind, followLast || !pending.isEmpty else {
                current = next
                continue
            }
            links += 1
            guard links <= 40 else { return nil }
            if target.first == UInt8(ascii: "/") { current = .root }
            pending += target.split(separator: UInt8(ascii: "/")).reversed()
        }
        return current
    }
}
