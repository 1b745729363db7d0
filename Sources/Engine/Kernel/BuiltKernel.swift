import Debian
import Diagnostics
import Digests
import Packages
import Storage

/// A kernel compiled from source, as a Debian package: dpkg on the board knows it, and an upgrade there does not overwrite it.
struct BuiltKernel: Sendable {
    /// The package, in the cache.
    var package: PackageFile
    /// As `uname -r` prints it.
    var release: String
    /// What it was compiled from: `linux-source-6.12 6.12.117-1`.
    var source: String
    /// What proves the source: `sha256:…`, `commit:…` or `tree:…`.
    var identity: String
    /// What compiled it: `gcc 12.2.0, binutils 2.40`.
    var toolchain: String
    /// How many files were compiled.
    var files: Int
    /// How long the compile took when it ran, in seconds; the last run's where it was interrupted.
    var seconds: Double
    /// Whether it was in the cache.
    var isCached: Bool
}
