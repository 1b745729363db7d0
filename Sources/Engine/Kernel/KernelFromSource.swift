import Diagnostics
import Digests
import Recipe

/// A recipe's kernel from source: configured, compiled, and packed as a Debian package.
struct KernelFromSource: Contextual {
    let context: BuildContext
    let source: KernelSource

    /// nil for a recipe whose kernel is a package of the archive.
    init?(_ context: BuildContext) {
        guard let source = context.recipe.kernel.source else { return nil }
        self.context = context
        self.source = source
    }

    /// - Throws: `Failure` for a recipe whose kernel is a package.
    static func required(_ context: BuildContext) throws -> KernelFromSource {
        if let kernel = KernelFromSource(context) { return kernel }
        throw Failure(
            .usage, at: context.options.recipePath.string,
            "the recipe's kernel is a package, which brings its configuration", expected: "kernel.source",
            next: "piforge kernel config recipes/debian-13-custom-kernel.yaml")
    }

    /// What gets the source.
    func reader(writesLock: Bool) throws -> KernelSourceReader {
        KernelSourceReader(
            source: source, context: context, fetcher: try InputFetcher(context, lock: nil), writesLock: writesLock)
    }

    /// Gets the source into the cache, without making anything of it.
    ///
    /// - Throws: `Failure` for a source that cannot be had.
    func fetch() async throws {
        let patches = try source.patches.map { try Self.patch($0) }
        _ = try await reader(writesLock: true).part(also: try patches.reduce(into: []) { $0.formUnion(try $1.files()) })
    }

    /// From the cache, else compiled.
    ///
    /// - Throws: `Failure` for all that keeps it from being compiled; `CancellationError`. What was compiled until then stays in the
    ///   cache for the next run.
    func built() async throws -> BuiltKernel {
        var walk = Walk(.make)
        return try await built(try await inputs(), &walk)
    }

    /// As ``built()``, as a step of a build.
    ///
    /// - Parameter known: what ``inputs()`` gave.
    func built(_ known: KernelInputs, _ walk: inout Walk) async throws -> BuiltKernel {
        let shelf = KernelShelf(folder: cache.kernels, store: cache.store)
        let hasher = KeyHasher(purpose: "kernel inputs")
        for input in known.inputs {
            hasher.add(input.name)
            hasher.add(input.value)
        }
        let key = hasher.finalize()
        return try await walk.result(of: KernelPackageStep.name, stored: try shelf.kernel(key)) {
            try await compile(planned: known.source, key, shelf)
        }
    }
}
