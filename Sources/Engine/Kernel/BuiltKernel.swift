import Debian
import Diagnostics
import Digests

/// A kernel compiled from source, as a Debian package: dpkg on the board knows it, and an upgrade there does not overwrite it.
struct BuiltKernel: Sendable {
    /// The package, in the cache.
    var package: PackageFile
    /// Bytes of the package's file.
    var size: UInt64
    /// As `uname -r` prints it.
    var release: String
    /// What it was compiled from: `linux-source-6.12 6.12.117-1`.
    var source: String
    /// What proves the source: `sha256:…`, `commit:…` or `tree:…`.
    var identity: String
}

extension ImageBuilder {
    /// The recipe's kernel from source: from the cache, else compiled.
    ///
    /// - Throws: `Failure` for all that keeps it from being compiled; `CancellationError`. What was compiled until then stays in the
    ///   cache for the next run.
    func builtKernel() async throws -> BuiltKernel {
        throw Failure(at: options.recipePath.string, "a kernel from source cannot be compiled yet")
    }
}
