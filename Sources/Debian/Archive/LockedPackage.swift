import Diagnostics
import Digests
import Packages

/// One binary package of the archive, down to its bytes.
package struct LockedPackage: IdentifiedPackage, Sendable, Hashable {
    /// Name, version and architecture, each in the form that Debian Policy allows: the initialiser refuses any other.
    package let identity: PackageIdentity
    /// The .deb's size in bytes.
    package let size: UInt64
    /// The .deb's SHA-256, as the signed index has it.
    package let sha256: SHA256Digest
    /// The .deb's place in its archive: `pool/main/d/docker.io/docker.io_26.1.5+dfsg1-9_arm64.deb`.
    package let path: String
    /// The archive whose pool that is.
    package let archive: ArchiveSource.Kind
    /// The source package it was built from, and that package's version.
    package let source: String
    /// The binary package's own version where its index names no other (Debian Policy, section 5.6.1).
    package let sourceVersion: String

    /// - Throws: `Failure` for a value that no archive has: names and paths go into URLs, commands and file names.
    package init(
        _ identity: PackageIdentity, size: UInt64, sha256: SHA256Digest, path: String, archive: ArchiveSource.Kind,
        source: String, sourceVersion: String
    ) throws {
        func check(_ isValid: Bool, _ what: String, _ value: String) throws {
            guard isValid else { throw Failure(at: identity.name, "the package's \(what) '\(value)' is not valid") }
        }
        try check(isPackageName(identity.name), "name", identity.name)
        try check(isPackageVersion(identity.version), "version", identity.version)
        try check(isPackageName(archive.rawValue), "archive", archive.rawValue)
        try check(isPackageName(identity.architecture), "architecture", identity.architecture)
        try check(isPackageName(source), "source", source)
        try check(isPackageVersion(sourceVersion), "source version", sourceVersion)
        let isPlainPath =
            !path.hasPrefix("/") && path.hasSuffix(".deb")
            && path.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !#""\"#.utf8.contains($0) }
            && !path.split(separator: "/", omittingEmptySubsequences: false).contains { $0 == ".." || $0.isEmpty }
        try check(isPlainPath, "pool path", path)
        self.identity = identity
        self.size = size
        self.sha256 = sha256
        self.path = path
        self.archive = archive
        self.source = source
        self.sourceVersion = sourceVersion
    }

    /// The .deb's file name, without the epoch, as the pool has it.
    package var fileName: String { path.split(separator: "/").last.map(String.init) ?? path }
}
