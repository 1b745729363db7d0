/// A thing on a file system, named for people: `superblock`, `inode table of group 2`, `folder usr/lib`, `usr/bin/env`.
package struct DiskObject: Sendable, Hashable {
    /// For a person. Pieces of one thing have the same name, and are told once.
    package var name: String
    /// Its first byte within what was asked for, in bytes from the file system's beginning.
    package var offset: UInt64

    package init(_ name: String, at offset: UInt64) {
        self.name = name
        self.offset = offset
    }
}

/// Gathers the objects that lie in a range.
struct DiskObjectList {
    let range: Range<UInt64>
    private var found: [String: UInt64] = [:]

    init(in range: Range<UInt64>) { self.range = range }

    /// Adds an object that takes `bytes`, when some of them are in the range.
    mutating func add(_ name: @autoclosure () -> String, _ bytes: Range<UInt64>) {
        guard bytes.overlaps(range) else { return }
        let name = name()
        let offset = max(bytes.lowerBound, range.lowerBound)
        found[name] = min(found[name] ?? offset, offset)
    }

    /// In disk order.
    var objects: [DiskObject] {
        found.map { DiskObject($0.key, at: $0.value) }.sorted { ($0.offset, $0.name) < ($1.offset, $1.name) }
    }
}
