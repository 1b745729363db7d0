import Digests
import SystemPackage

/// A package as a file, and what that file must turn out to be: a .deb.
package struct PackageFile: IdentifiedPackage, Hashable, Sendable {
    /// What the .deb's control file must say.
    package let identity: PackageIdentity
    /// Bytes.
    package let size: UInt64
    /// Of the whole file.
    package let sha256: SHA256Digest
    /// Where the file is on this machine.
    package let path: FilePath

    package init(_ identity: PackageIdentity, size: UInt64, sha256: SHA256Digest, path: FilePath) {
        self.identity = identity
        self.size = size
        self.sha256 = sha256
        self.path = path
    }
}
