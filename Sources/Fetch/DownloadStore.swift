import Diagnostics
import Digests
import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// Downloaded files under their own SHA-256: `sha256/ab/abcdef…`.
///
/// A file appears under its digest only when it is whole and proven, by one rename. Several piforge processes may share a
/// store: what is under way lies in `partial/`, locked, and who wants the same file waits for it. What a download that
/// broke off has left there is gone on with by the next one.
package struct DownloadStore: Sendable {
    /// Holds the folders `sha256` and `partial`.
    package let root: FilePath
    private let note: CacheNote

    /// Opens the store, creating its folder.
    ///
    /// - Parameter note: takes a line about each file that was found damaged.
    /// - Throws: `Failure` when the folder cannot be created.
    package init(_ root: FilePath, note: @escaping CacheNote = { _ in }) throws {
        self.root = root
        self.note = note
        try createFolder(partialFolder)
        removeAbandonedPartials(in: partialFolder)
    }

    /// How much of a stored file is compared before it is used.
    package enum Check: Sendable {
        /// The size, where the caller knows it.
        case size
        /// The size and the SHA-256 of all its bytes.
        case digest
    }

    /// The place of a file with that digest, whether it is there or not.
    package func path(for digest: SHA256Digest) -> FilePath {
        let hex = digest.hex
        return root.appending("sha256").appending(String(hex.prefix(2))).appending(hex)
    }

    /// The stored file with that digest; nil when the store has none. A file whose bytes are not what its name says
    /// is removed, and counts as not there.
    ///
    /// - Parameter size: the size in bytes the file must have, where it is known.
    /// - Throws: `Failure` when the file cannot be read; `CancellationError`.
    package func file(_ digest: SHA256Digest, size: UInt64?, check: Check) throws -> StoredFile? {
        let path = path(for: digest)
        guard UseGate(root).use(path) else { return nil }
        let file = try OpenFile.reading(path)
        let found = try file.size()
        if size ?? found == found, try check == .size || SHA256Digest.of(file, size: found) == digest {
            return StoredFile(path: path, digest: digest, size: found)
        }
        note("a stored download is damaged; it is dropped, and fetched again (\(path))")
        unlink(path.string)
        return nil
    }

    /// Stores bytes that are at hand: a file taken out of a proven archive.
    package func add(_ bytes: [UInt8]) throws -> StoredFile {
        let digest = SHA256Digest.of(bytes)
        let path = path(for: digest)
        if let stored = try file(digest, size: UInt64(bytes.count), check: .digest) { return stored }
        try createFolder(path.removingLastComponent())
        try writeAtomically(to: path, bytes: bytes)
        return StoredFile(path: path, digest: digest, size: UInt64(bytes.count))
    }

    private var partialFolder: FilePath { root.appending("partial") }

    /// The partial file of a request, with what an earlier download left in it.
    ///
    /// - Returns: nil while another download, of this process or another, has it.
    func partial(for request: DownloadRequest) throws -> PartialFile? {
        try PartialFile.take(request, in: partialFolder)
    }

    /// Moves a whole and proven partial file to its place.
    func keep(_ partial: PartialFile, as digest: SHA256Digest) throws -> StoredFile {
        let path = path(for: digest)
        try partial.keep(as: path)
        return StoredFile(path: path, digest: digest, size: partial.count)
    }
}
