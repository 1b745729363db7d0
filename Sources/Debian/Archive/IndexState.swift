import Digests
import Fetch
import Foundation
import Storage
import SystemPackage

/// What is known of the package indices in a folder: when apt last fetched and verified them whole, and what they were then.
struct IndexState {
    let folder: FilePath

    /// Where apt keeps them.
    var lists: FilePath { folder.appending("lists") }

    /// A file whose time says when they were fetched, and which holds the digest of them all.
    var stamp: FilePath { folder.appending("updated") }

    /// How long ago they were fetched; nil when there are none. Decides only whether they are fetched again.
    var age: Duration? {
        guard let attributes = try? FileManager.default.attributesOfItem(atPath: stamp.string),
            let date = attributes[.modificationDate] as? Date
        else { return nil }
        return .seconds(-date.timeIntervalSinceNow)
    }

    /// Whether they are there, and not as they were when they were fetched.
    func isDamaged() throws -> Bool {
        // An empty stamp knows only the time.
        guard let known = try? readFile(stamp, limit: 1 << 10), !known.isEmpty else { return false }
        return try known != Array(digest().hex.utf8)
    }

    /// Remembers them as they are.
    func write() throws { try writeAtomically(to: stamp, bytes: Array(digest().hex.utf8)) }

    /// Removes what apt has made of them to read them faster (apt.conf(5), Dir::Cache::pkgcache).
    func dropBinaries() {
        for name in ["pkgcache.bin", "srcpkgcache.bin"] { removeTree(folder.appending("cache").appending(name)) }
    }

    private func digest() throws -> SHA256Digest {
        let hasher = KeyHasher(purpose: "package indices' state")
        for name in fileNames(in: lists) where name != "lock" {
            // What is a link lies in a mirror's folder on this machine.
            guard case .regular = try fileKind(lists.appending(name)) else { continue }
            hasher.add(name)
            hasher.add(try SHA256Digest.of(file: lists.appending(name)))
        }
        return hasher.finalize()
    }
}
