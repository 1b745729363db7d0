import Debian
import Diagnostics
import Digests
import Storage

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
    /// What compiled it: `gcc 12.2.0, binutils 2.40`.
    var toolchain: String
    /// How many files were compiled.
    var files: Int
    /// How long the compile took when it ran, in seconds; the last run's where it was interrupted.
    var seconds: Double
    /// Whether it was in the cache.
    var isCached: Bool
}

extension ImageBuilder {
    /// The recipe's kernel from source: from the cache, else compiled.
    ///
    /// - Throws: `Failure` for all that keeps it from being compiled; `CancellationError`. What was compiled until then stays in the
    ///   cache for the next run.
    func builtKernel() async throws -> BuiltKernel {
        var walk = Walk(.make)
        return try await builtKernel(&walk)
    }

    /// As ``builtKernel()``, as a step of a build.
    func builtKernel(_ walk: inout Walk) async throws -> BuiltKernel {
        let source = try sourceOfKernel()
        let shelf = KernelShelf(folder: cache.kernels, store: cache.store)
        let inputs = try await kernelInputs(source)
        let hasher = KeyHasher(purpose: "kernel inputs")
        for input in inputs.inputs {
            hasher.add(input.name)
            hasher.add(input.value)
        }
        let key = hasher.finalize()
        return try await walk.result(of: "kernel package", stored: try shelf.kernel(key)) {
            try await compileKernel(planned: inputs.source, key, shelf)
        }
    }
}
