import Debian
import Diagnostics
import Fetch
import Layers
import Recipe
import Storage
import SystemPackage
import Tools

/// What all rooms of a build share: the recipe, what the build is told besides, where results are kept, and who is told of progress.
struct BuildContext: Sendable {
    let recipe: Recipe
    let options: BuildOptions
    let cache: Cache
    let progress: any ProgressReporter
    let tools = ToolRunner()

    init(recipe: Recipe, options: BuildOptions, cache: Cache, progress: any ProgressReporter) {
        self.recipe = recipe
        self.options = options
        self.cache = cache.reporting(to: progress)
        self.progress = progress
    }

    /// For a look: it says nothing, and asks nobody else's cache.
    var looking: BuildContext {
        BuildContext(recipe: recipe, options: options, cache: cache.withoutShared(), progress: SilentProgress())
    }

    /// Where the outputs go, and what they are called.
    var outputs: OutputPaths { OutputPaths(recipe: recipe.name, options: options) }

    /// - Throws: `Failure` when the store cannot be opened.
    func downloader() throws -> Downloader {
        Downloader(
            store: try DownloadStore(cache.store, note: cache.note),
            options: DownloadOptions(proxies: ProxySettings(environment: options.environment)), progress: progress)
    }

    /// The recipe's lock; nil when it has none yet.
    ///
    /// - Throws: `Failure` for one that cannot be read.
    func readLock() throws -> PackageLock? {
        exists(options.lockPath) ? try PackageLock.read(options.lockPath) : nil
    }

    /// Notes sentences of a step.
    func note(_ sentences: [String], step: String) {
        for sentence in sentences { progress.report(.note(step: step, text: sentence)) }
    }
}

/// A room of a build that works with what all of them share.
protocol Contextual {
    var context: BuildContext { get }
}

extension Contextual {
    var recipe: Recipe { context.recipe }
    var options: BuildOptions { context.options }
    var cache: Cache { context.cache }
    var progress: any ProgressReporter { context.progress }
    var tools: ToolRunner { context.tools }
    /// The time of everything that a build makes.
    var epochTime: Timestamp { Timestamp(seconds: context.recipe.epoch) }
}
