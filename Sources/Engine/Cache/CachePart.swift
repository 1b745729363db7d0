import Foundation
import Storage
import SystemPackage

/// One folder of the cache: what it holds, and what in it is kept or goes as one. A new kind of entry is one more line here; who
/// uses an entry marks it (`UseGate`).
package struct CachePart: Sendable {
    /// What one entry is.
    enum Entries: Sendable {
        /// Each file, at any depth; its time of last change is that of its last use. A prune beside a build may remove it.
        case files
        /// Each thing directly in the folder. Only a prune that is alone removes it.
        case children
        /// The folder. Only a prune that is alone removes it.
        case whole
        /// Work folders of running commands: nothing of them is an entry.
        case none
    }

    /// The folder's name.
    package let name: String
    /// For a person.
    package let holds: String
    let entries: Entries

    static let all = [
        CachePart(name: "store", holds: "downloads, by SHA-256", entries: .files),
        CachePart(name: "apt", holds: "package indices", entries: .whole),
        CachePart(name: "layers", holds: "layers, by what went into them", entries: .files),
        CachePart(name: "blocks", holds: "compressed blocks of images, by SHA-256", entries: .files),
        CachePart(name: "digests", holds: "digests of stretches of disks, by what they are made of", entries: .files),
        CachePart(name: "plans", holds: "what the last builds ran with", entries: .files),
        CachePart(name: "kernels", holds: "what is known of compiled kernels, by what went into them", entries: .files),
        CachePart(name: "kernel-work", holds: "compiles of kernels that were interrupted", entries: .children),
        CachePart(name: "ccache", holds: "compiled files of kernels", entries: .files),
        CachePart(name: "proofs", holds: "unpacked images under proof", entries: .files),
        CachePart(name: "python", holds: "Kconfiglib, which explains a kernel's configuration", entries: .children),
        CachePart(name: "work", holds: "work folders of running commands", entries: .none),
    ]
}

/// What is kept or goes as one.
struct CacheEntry: Sendable {
    let part: CachePart
    let path: FilePath
    /// On the disk, holes left out.
    let bytes: UInt64
    /// Seconds since 1970.
    let lastUse: Int64
}

/// What the cache holds.
package struct CacheInventory: Sendable {
    /// One part and the room it takes.
    package struct Usage: Sendable, Codable, Equatable {
        /// The part's name (``CachePart/name``), or `total`.
        package let part: String
        /// For a person (``CachePart/holds``); empty for the total.
        package let holds: String
        /// How many things there are that are kept, or go, as one.
        package let entries: Int
        /// Bytes on the disk, holes left out.
        package let bytes: UInt64
        /// When the entry that was used last was used, in seconds since 1970; nil for a part without entries.
        package let lastUsed: Int64?
    }

    let entries: [CacheEntry]

    /// Looks through a cache, which need not be open.
    package init(_ root: FilePath) {
        entries = CachePart.all.flatMap { part in
            let folder = root.appending(part.name)
            switch part.entries {
            case .files: return Self.files(below: folder).map { Self.entry(part, $0, [$0]) }
            case .children:
                return fileNames(in: folder).filter(Self.isEntry).map { name in
                    let path = folder.appending(name)
                    return Self.entry(part, path, [path] + Self.files(below: path))
                }
            case .whole:
                let files = Self.files(below: folder)
                return files.isEmpty ? [] : [Self.entry(part, folder, [folder] + files)]
            case .none: return []
            }
        }
    }

    /// Each part, those without entries too.
    package var usage: [Usage] {
        CachePart.all.filter { $0.name != "work" }.map { part in
            let entries = entries.filter { $0.part.name == part.name }
            return Usage(
                part: part.name, holds: part.holds, entries: entries.count,
                bytes: entries.reduce(0) { $0 + $1.bytes }, lastUsed: entries.map(\.lastUse).max())
        }
    }

    /// All of it.
    package var total: Usage {
        Usage(
            part: "total", holds: "", entries: entries.count, bytes: entries.reduce(0) { $0 + $1.bytes },
            lastUsed: entries.map(\.lastUse).max())
    }

    private static func entry(_ part: CachePart, _ path: FilePath, _ files: [FilePath]) -> CacheEntry {
        CacheEntry(
            part: part, path: path, bytes: files.reduce(0) { $0 + allocatedSize(of: $1) },
            lastUse: files.map(lastUse).max() ?? 0)
    }

    /// Gates and partial files are no entries, and neither are work folders.
    private static func isEntry(_ name: String) -> Bool { !name.hasPrefix(".") && !TemporaryFolder.isTemporary(name) }

    private static func files(below folder: FilePath) -> [FilePath] {
        fileNames(in: folder).filter(isEntry).flatMap { name -> [FilePath] in
            let path = folder.appending(name)
            switch try? fileKind(path) {
            case .regular?, .symlink?: return [path]
            case .directory?: return files(below: path)
            default: return []
            }
        }
    }
}
