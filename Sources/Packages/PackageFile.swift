import Digests
import SystemPackage

/// A package as a file, and what that file must turn out to be: a .deb.
public struct PackageFile: IdentifiedPackage, Hashable, Sendable {
    public let identity: PackageIdentity
    /// Bytes.
    public let size: UInt64
    /// Of the whole file.
    public let sha256: SHA256Digest
    public let path: FilePath

    public init(_ identity: PackageIdentity, size: UInt64, sha256: SHA256Digest, path: FilePath) {
        self.identity = identity
        self.size = size
        self.sha256 = sha256
        self.path = path
    }
}
