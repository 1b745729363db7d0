import Digests
import SystemPackage

/// Remembers what the bytes of a composition hash to, so that bytes which are known are not hashed again. One file an entry, named
/// by the composition:
///
///     SHA-256 of the bytes | SHA-256 of the composition and of that digest
///
/// It is a hint: an entry may be missing, one that is damaged counts as missing, and all may be removed at any time. Several
/// processes may share a folder.
package struct DigestIndex: Sendable {
    /// The folder of the entries.
    package let folder: FilePath
    private let gate: UseGate

    /// - Throws: `Failure` when the folder cannot be created.
    package init(folder: FilePath) throws {
        try createFolder(folder)
        self.folder = folder
        gate = UseGate(folder)
    }

    /// The SHA-256 of the bytes of a composition; nil where it is not known.
    package func digest(of composition: SHA256Digest) -> SHA256Digest? {
        let path = path(composition)
        guard gate.use(path), let bytes = try? readFile(path, limit: 64), bytes.count == 64,
            let digest = SHA256Digest(bytes: Array(bytes[..<32])),
            Self.seal(composition, digest).bytes == Array(bytes[32...])
        else { return nil }
        return digest
    }

    /// Remembers a digest. Where that fails, nothing is remembered.
    package func remember(_ digest: SHA256Digest, of composition: SHA256Digest) {
        // Not synced: what a power cut leaves of an entry is damaged at worst.
        try? writeAtomically(
            to: path(composition), isSynced: false, bytes: digest.bytes + Self.seal(composition, digest).bytes)
    }

    private func path(_ composition: SHA256Digest) -> FilePath { folder.appending("\(composition.hex).digest") }

    private static func seal(_ composition: SHA256Digest, _ digest: SHA256Digest) -> SHA256Digest {
        let hasher = KeyHasher(purpose: "digest of a composition")
        hasher.add(composition)
        hasher.add(digest)
        return hasher.finalize()
    }
}
