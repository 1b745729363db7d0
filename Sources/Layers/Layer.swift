import Digests

/// What one step adds to the tree below it: entries in order, and names it takes away.
///
/// Whiteouts are applied before the entries, so a layer can replace a folder by removing and making it.
package struct Layer: Sendable {
    /// For people: a package's name and version, a step's name.
    package var name: String
    /// Applied in this order: of two with the same path the later one wins.
    package var entries: [Entry]
    /// Paths that are removed, with all below them.
    package var whiteouts: [EntryPath]

    package init(name: String, entries: [Entry] = [], whiteouts: [EntryPath] = []) {
        self.name = name
        self.entries = entries
        self.whiteouts = whiteouts
    }

    /// The digest of all that the layer means: not of where its content is stored, nor of its name.
    package var digest: SHA256Digest {
        let hasher = SHA256Hasher()
        hasher.update(LayerIndex.encode(self, locatingContent: false))
        return hasher.finalize()
    }
}

extension Layer {
    /// Adds a folder.
    package mutating func addDirectory(_ path: EntryPath, _ attributes: Attributes) {
        entries.append(Entry(path, attributes, .directory))
    }

    /// Adds a regular file with content at hand.
    package mutating func addFile(_ path: EntryPath, _ attributes: Attributes, text: String) {
        entries.append(Entry(path, attributes, .regular(Content(text))))
    }

    /// Adds a symbolic link.
    package mutating func addSymlink(_ path: EntryPath, to target: String, _ attributes: Attributes) {
        entries.append(Entry(path, attributes, .symlink(Array(target.utf8))))
    }
}
