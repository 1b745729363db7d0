import Digests
import SystemPackage

/// A cache that several machines share, as the local caches see it.
///
/// All in it can be made again. So nothing here throws: what cannot be had is missing, and what cannot be put there is left.
package protocol SharedCache: Sendable {
    /// Brings an entry into an empty file.
    ///
    /// - Parameter limit: the most bytes that it may have.
    /// - Returns: whether it is there, whole: its SHA-256 is the one that the shared cache has on record.
    func fetch(_ key: SHA256Digest, limit: UInt64, into file: OpenFile) -> Bool

    /// Gives the shared cache the bytes of a file, some time later.
    func offer(_ key: SHA256Digest, _ path: FilePath)

    /// Says that what was fetched is not what its key stands for; it has not been used.
    func reject(_ key: SHA256Digest, because reason: String)

    /// Ends the use of it at the end of a build.
    ///
    /// - Parameter waits: whether uploads that are under way get a little time; without it, all are dropped.
    func close(waits: Bool)
}

/// Takes a line about something that was found wrong in a cache and set right.
package typealias CacheNote = @Sendable (String) -> Void
