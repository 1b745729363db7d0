import Diagnostics
import Foundation
import Layers
import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// The folders of the cache, open for a command that uses them. All in them can be made again; nothing is written but whole.
///
/// While it is open, a prune spares what the command uses (``CachePrune``). What each folder holds: ``CachePart``.
package struct Cache: Sendable {
    /// The folder of all others. It is its owner's alone.
    package let root: FilePath
    /// The layers in the folder `layers`, and those that machines share.
    package private(set) var layers: LayerStore
    /// What machines share, where there is such a cache.
    package private(set) var shared: (any SharedCache)?
    /// Takes a line about each thing that was found damaged.
    package private(set) var note: CacheNote = { _ in }
    private let session: CacheSession

    /// Files by their SHA-256 (``Fetch/DownloadStore``): downloads, and compiled kernels' packages.
    package var store: FilePath { root.appending("store") }
    /// What apt keeps: its indices.
    package var apt: FilePath { root.appending("apt") }
    /// Compressed blocks (``XZ/BlockCache``).
    package var blocks: FilePath { root.appending("blocks") }
    /// What the bytes of stretches of disks hash to, by what they are made of (``Storage/DigestIndex``).
    package var digests: FilePath { root.appending("digests") }
    /// What the last builds ran with (``PlanRecord``), and digests of files that wait to be accepted.
    package var plans: FilePath { root.appending("plans") }
    /// Work folders of running commands. What killed ones left goes when the cache is opened.
    package var work: FilePath { root.appending("work") }
    /// Records of compiled kernels by their keys; the packages are in ``store``.
    package var kernels: FilePath { root.appending("kernels") }
    /// A folder for each recipe whose kernel's compile has not ended.
    package var kernelWork: FilePath { root.appending("kernel-work") }
    /// Unpacked images under proof, and the proof's program for arm64.
    package var proofs: FilePath { root.appending("proofs") }

    /// `--cache`, or `$XDG_CACHE_HOME/piforge`, or `~/.cache/piforge`.
    package static func defaultRoot(environment: [String: String]) -> FilePath {
        if let folder = environment["XDG_CACHE_HOME"], folder.hasPrefix("/") {
            return FilePath(folder).appending("piforge")
        }
        let home = environment["HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? homeOfUser() ?? "/var/empty"
        return FilePath(home).appending(".cache").appending("piforge")
    }

    /// Opens or creates the cache, and removes what commands that were killed have left in it. Waits while it is pruned.
    ///
    /// - Parameter shared: what machines share.
    /// - Throws: `Failure` when a folder cannot be created.
    package init(root: FilePath, shared: (any SharedCache)? = nil) throws {
        self.root = root
        self.shared = shared
        try Self.requireCache(root)
        try createFolder(root)
        // Images in the cache hold password hashes and keys: it is its owner's alone.
        restrictToOwner(root)
        session = try CacheSession(root)
        layers = try LayerStore(folder: root.appending("layers"))
        layers.shared = shared
        Self.removeAbandoned(in: root)
    }

    /// The cache with its notes going to `progress`.
    package func reporting(to progress: any ProgressReporter) -> Cache {
        var cache = self
        cache.note = { progress.report(.note(step: "cache", text: $0)) }
        cache.layers.note = cache.note
        return cache
    }

    /// The cache without what machines share, for a command that only looks.
    func withoutShared() -> Cache {
        var cache = self
        cache.shared = nil
        cache.layers.shared = nil
        return cache
    }

    /// Removes what is in a kernel's work folder. The lock stays: somebody may wait for it.
    static func empty(kernelWork folder: FilePath) {
        for name in fileNames(in: folder) where name != "lock" { removeTree(folder.appending(name)) }
    }

    /// Refuses a folder with other things in it: a cache is closed to others, and what is abandoned in it is removed.
    private static func requireCache(_ root: FilePath) throws {
        let names = fileNames(in: root)
        let parts = Set(CachePart.all.map(\.name))
        // Somebody may have laid parts of another cache there.
        guard !names.contains("lock"), !names.allSatisfy(parts.contains) else { return }
        throw Failure(
            .usage, at: root.string, "the folder holds other things than a cache",
            expected: "a folder that is empty or not there, or a cache",
            found: names.filter { !parts.contains($0) }.prefix(4).joined(separator: ", "),
            next: "name another one with --cache")
    }

    static func removeAbandoned(in root: FilePath) {
        for part in CachePart.all {
            TemporaryFolder.removeAbandoned(in: root.appending(part.name))
            removeAbandonedPartials(in: root.appending(part.name))
        }
    }

    // MARK: Damage

    /// Runs `body`; where it comes upon a layer that is damaged, or gone, or a stored file that is, the cache is rid of all that
    /// is damaged, and `body` runs again: what it needs of that is made anew.
    ///
    /// - Throws: what `body` throws; `Failure` for damage that stays.
    package func mending<Result>(_ body: () async throws -> Result) async throws -> Result {
        var attempts = 0
        while true {
            do { return try await body() } catch let damage as DamagedContent {
                attempts += 1
                guard attempts <= 3, damage.file.starts(with: root) else { throw damage.failure }
                note("\(damage.failure.message); it is dropped, and made again (\(damage.file))")
                if damage.file.starts(with: layers.folder) {
                    let removed = try layers.removeDamaged()
                    note("all layers were compared with their digests; \(removed) dropped")
                } else {
                    removeTree(damage.file)
                }
            }
        }
    }
}

/// The home of whoever runs this, as the system knows it (getpwuid(3)).
private func homeOfUser() -> String? { getpwuid(getuid()).map { String(cString: $0.pointee.pw_dir) } }

/// A command's hold on the cache: a shared lock on `lock`, and a work folder whose time is that of the command's start. The kernel
/// lets go of both when the process ends in whatever way.
final class CacheSession: Sendable {
    private let lock: OpenFile
    private let mark: TemporaryFolder

    init(_ root: FilePath) throws {
        lock = try OpenFile.forLock(root.appending("lock"))
        try lock.lock(.shared)
        mark = try TemporaryFolder(in: root.appending("work"), name: "session")
    }
}
