import Debian
import Diagnostics
import Digests
import Recipe
import Storage
import SystemPackage

/// All that piforge does with one recipe. The work is done in the rooms behind it, each of which hands a value to the next:
///
///     recipe ──► Resolved ──► BuildSteps ──► SystemTree ──► AssembledDisk ──► PackedImage ──► BuildResult
package struct ImageBuilder: Sendable {
    let context: BuildContext

    /// Nothing is read or written before something is asked of it.
    ///
    /// - Parameter progress: takes the steps' progress, and notes about what was found damaged in the cache.
    package init(recipe: Recipe, options: BuildOptions, cache: Cache, progress: any ProgressReporter) {
        context = BuildContext(recipe: recipe, options: options, cache: cache, progress: progress)
    }

    /// Where it is kept what the last build ran with (``PlanRecord``).
    package var recordPath: FilePath {
        let digest = SHA256Digest.of(context.outputs.image.string)
        return context.cache.plans.appending("\(context.outputs.name)-\(digest.hex.prefix(16)).json")
    }

    /// What a build would run, what is cached, and why the rest runs. Nothing is downloaded and nothing written but, where no lock answers
    /// the recipe, the indices that packages are chosen from, and files that the lock would pin: keyrings, a stock image, images for Docker.
    /// Passwords and pass phrases are used where they can be had, and are not needed.
    package func plan() async throws -> PlanReport { try await Planner(context, recordPath).report() }

    /// The steps of a build and their keys, without a look at what is there.
    package func planned() async throws -> Plan { try await Planner(context, recordPath).steps().steps.plan }

    /// Gets everything a build needs into the cache, so that it can run with `--offline`. No secret is opened.
    ///
    /// - Returns: how many packages the build will use.
    package func fetch() async throws -> Int {
        let resolver = Resolver(context)
        let resolved = try await resolver.resolve(.fetch)
        try resolver.settle(resolved)
        if let stock = context.recipe.stock, let base = resolved.base {
            _ = try await InputFetcher(context, lock: resolved.knownLock).image(stock, base)
        }
        try await KernelFromSource(context)?.fetch()
        return resolved.packages.files.count
    }

    /// Makes the image. What of the cache is damaged is made again on the way.
    ///
    /// - Throws: `Failure` with what stopped it; `CancellationError`. Nothing is left then but what the cache may keep.
    package func build() async throws -> BuildResult {
        do {
            let result = try await context.cache.mending { try await Build(context, recordPath).run() }
            context.cache.shared?.close(waits: !result.upToDate)
            return result
        } catch {
            context.cache.shared?.close(waits: false)
            throw (error as? Failure)?.naming(cache: context.options.givenCache) ?? error
        }
    }

    // MARK: Files that the user vouches for

    /// The files that must be accepted before an image can be made: as the last build that stopped fetched them, else fetched now.
    ///
    /// - Throws: `Failure` for one that cannot be had.
    package func filesToAccept() async throws -> [FileToAccept] {
        try await InputFetcher(context, lock: context.readLock()).filesToAccept(anew: false)
    }

    /// Pins a file that nothing but the user vouches for.
    ///
    /// - Returns: a line for a person.
    /// - Throws: `Failure` when the recipe has no such file to accept, or no file of that digest was fetched.
    package func accept(_ name: String, _ digest: SHA256Digest) throws -> String {
        try pin { [try $0.accept(name, digest)] }[0]
    }

    /// Pins all of these files, in one change of the lock.
    ///
    /// - Returns: a line for each.
    /// - Throws: `Failure` when one is not what was shown any more; nothing is pinned then.
    package func accept(_ files: [FileToAccept]) throws -> [String] {
        try pin { fetcher in
            try files.map { file in
                guard let digest = SHA256Digest(hex: file.sha256) else {
                    throw Failure(at: file.name, "not a SHA-256 digest", found: file.sha256)
                }
                return try fetcher.accept(file.name, digest, use: file.use)
            }
        }
    }

    private func pin(_ choose: (InputFetcher) throws -> [PinnedInput]) throws -> [String] {
        let known = try context.readLock()
        var lock = known ?? PackageLock(request: .of(""), packages: [])
        let pins = try choose(InputFetcher(context, lock: known))
        for pin in pins { lock.pin(pin) }
        try lock.write(to: context.options.lockPath)
        return pins.map {
            "\(context.options.lockPath): \($0.name) is pinned to sha256:\($0.sha256.hex), \($0.size) bytes, "
                + $0.trust.text
        }
    }

    /// What vouches for the recipe's stock image: the keyring, fetched where it has to be, and the keys that count.
    ///
    /// - Throws: `Failure` when no signature vouches for it, or the keyring cannot be had.
    package func publisher() async throws -> (keyring: FilePath, keys: [String]) {
        guard case .signature(let sums)? = context.recipe.stock?.trust else {
            throw Failure(
                .usage, at: context.options.recipePath.string, "the recipe names no signature of a stock image",
                expected: "base.image.trust.signature", next: "give --keyring and --key")
        }
        let fetcher = try InputFetcher(context, lock: context.readLock())
        return (try await fetcher.keyring(sums.keyring).path, sums.keys)
    }

    // MARK: A kernel from source

    /// Configures the recipe's kernel from its source, and compares the result with the committed one.
    ///
    /// - Parameters:
    ///   - check: write nothing, and find fault with a committed configuration that is not the result.
    ///   - why: symbols to tell about, with or without `CONFIG_`.
    /// - Returns: what came of it; its `failures` are for the caller to throw. Nothing was written when there are any.
    /// - Throws: `Failure` for all that keeps the kernel from being configured; `CancellationError`.
    package func configureKernel(check: Bool, why: [String]) async throws -> KernelConfigReport {
        try await KernelFromSource.required(context).configure(check: check, why: why)
    }

    /// Compiles the recipe's kernel, or takes it from the cache, and writes the package and its main parts into the folder
    /// `NAME.kernel` of the output folder.
    ///
    /// - Throws: `Failure` for all that keeps it from being compiled or written; `CancellationError`.
    package func buildKernel() async throws -> KernelBuildReport {
        try await KernelFromSource.required(context).writePackage()
    }
}
