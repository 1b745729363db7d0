import Layers

/// Turns what the guest's disk shows as changed into a layer that two runs give alike.
struct Normalisation {
    let tree: Tree
    let epoch: Int64

    /// Applies the rules, sets times, and drops what has not changed but for its time.
    ///
    /// What the scripts made or changed bears the epoch. A folder that was there before, and in which only names came or
    /// went, keeps its own time and is no change.
    func apply(to changes: Layer) -> Layer {
        var layer = Layer(name: changes.name)
        for path in changes.whiteouts where !isLeftOut(path) { layer.whiteouts.append(path) }
        var leftOut: Set<EntryPath> = []
        for var entry in changes.entries {
            if case .hardLink(let target) = entry.kind {
                // A name of something that a rule has left out goes with it.
                if leftOut.contains(target) || isLeftOut(entry.path) {
                    leftOut.insert(entry.path)
                    continue
                }
                layer.entries.append(entry)
                continue
            }
            let rule = NormalisationRule.all.first { $0.matches(entry.path, entry.kind) }
            switch rule?.action {
            case .leaveOut:
                leftOut.insert(entry.path)
                continue
            case .empty: entry.kind = .regular(Content([]))
            case nil: break
            }
            entry.attributes.mtime = Timestamp(seconds: epoch)
            if let before = tree[entry.path] {
                if entry.kind == .directory, before.kind == .directory {
                    entry.attributes.mtime = before.attributes.mtime
                }
                if isSame(entry, before) { continue }
            }
            layer.entries.append(entry)
        }
        return layer
    }

    /// A name that is gone is left alone where a rule leaves it out: a regular file, as far as the tree knows.
    private func isLeftOut(_ path: EntryPath) -> Bool {
        guard let node = tree[path] else { return false }
        return NormalisationRule.all.contains { rule in
            guard case .leaveOut = rule.action else { return false }
            return rule.matches(path, node.kind)
        }
    }

    private func isSame(_ entry: Entry, _ before: TreeNode) -> Bool {
        var attributes = entry.attributes
        attributes.mtime = before.attributes.mtime
        // Another name of the file may have become a file of its own; then both stand in the layer.
        return before.linkCount == 1 && attributes == before.attributes && entry.kind == before.kind
    }
}
