import Diagnostics
import Foundation
import Layers
import Storage
import SystemPackage

/// The folders of the cache. All in it can be made again; nothing in it is written but whole.
///
///     store/     downloads, by SHA-256        apt/      package indices
///     layers/    layers, by key               blocks/   compressed blocks of images, by digest
///     plans/     what the last builds ran with           python/   Kconfiglib, which explains a kernel's configuration
///     kernels/   what was compiled, by key               kernel-work/    compiles that were interrupted, by recipe
///     ccache/    compiled files of kernels               work/           of running builds; removed when they end
public struct Cache: Sendable {
    public let root: FilePath
    public let layers: LayerStore

    public var store: FilePath { root.appending("store") }
    public var apt: FilePath { root.appending("apt") }
    public var blocks: FilePath { root.appending("blocks") }
    public var plans: FilePath { root.appending("plans") }
    public var work: FilePath { root.appending("work") }
    public var kernels: FilePath { root.appending("kernels") }
    public var kernelWork: FilePath { root.appending("kernel-work") }
    public var proofs: FilePath { root.appending("proofs") }

    /// `--cache`, or `$XDG_CACHE_HOME/piforge`, or `~/.cache/piforge`.
    public static func defaultRoot(environment: [String: String]) -> FilePath {
        if let folder = environment["XDG_CACHE_HOME"], folder.hasPrefix("/") {
            return FilePath(folder).appending("piforge")
        }
        return FilePath(environment["HOME"] ?? "/tmp").appending(".cache").appending("piforge")
    }

    /// Opens or creates the cache, and removes what builds that were killed have left in it.
    ///
    /// - Throws: `Failure` when a folder cannot be created.
    public init(root: FilePath) throws {
        self.root = root
        try createFolder(root)
        layers = try LayerStore(folder: root.appending("layers"))
        // Images in the cache hold password hashes and keys: it is its owner's alone.
        restrictToOwner(root)
        for folder in ["work", "python"] { TemporaryFolder.removeAbandoned(in: root.appending(folder)) }
        for folder in ["layers", "blocks", "plans", "kernels"] { removeAbandonedPartials(in: root.appending(folder)) }
    }

    /// One part of the cache and the room it takes.
    public struct Usage: Sendable, Codable {
        public let name: String
        public let files: Int
        /// Bytes on the disk, holes left out.
        public let bytes: UInt64
    }

    /// What each part of the cache takes.
    public func usage() -> [Usage] {
        [
            "store", "apt", "layers", "blocks", "plans", "kernels", "kernel-work", "ccache", "proofs", "python", "work",
        ].map { name in
            var files = 0
            var bytes: UInt64 = 0
            for path in Self.files(below: root.appending(name)) {
                files += 1
                bytes += allocatedSize(of: path)
            }
            return Usage(name: name, files: files, bytes: bytes)
        }
    }

    /// Removes what has not been used for longer than `age` seconds before `now`; everything when `age` is nil.
    ///
    /// - Returns: how many bytes came free.
    public func prune(olderThan age: Int64?, now: Int64) -> UInt64 {
        var freed: UInt64 = 0
        for part in ["store", "apt", "layers", "blocks", "plans", "kernels", "ccache", "proofs", "python"] {
            for path in Self.files(below: root.appending(part)) {
                if let age, now - lastUse(of: path) < age { continue }
                freed += allocatedSize(of: path)
                removeTree(path)
            }
        }
        for name in (try? FileManager.default.contentsOfDirectory(atPath: kernelWork.string)) ?? [] {
            // Whole or not at all: half of a compile is of no use. The log is what a compile writes to last.
            let work = kernelWork.appending(name)
            if let age, now - lastUse(of: work.appending("log")) < age { continue }
            guard let lock = FolderLock(ifFree: work) else { continue }
            freed += Self.files(below: work).reduce(0) { $0 + allocatedSize(of: $1) }
            Self.empty(kernelWork: work)
            withExtendedLifetime(lock) {}
        }
        return freed
    }

    /// Removes what is in a kernel's work folder. The lock stays: somebody may wait for it.
    static func empty(kernelWork folder: FilePath) {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.string)) ?? []
        for name in names where name != "lock" { removeTree(folder.appending(name)) }
    }

    private static func files(below folder: FilePath) -> [FilePath] {
        guard let names = FileManager.default.enumerator(atPath: folder.string) else { return [] }
        return names.compactMap { name in
            guard let name = name as? String else { return nil }
            let path = folder.pushing(FilePath(name))
            guard case .regular = try? fileKind(path) else { return nil }
            return path
        }
    }
}
