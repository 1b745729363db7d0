import ArgumentParser
import Diagnostics
import Engine
import Fetch
import Foundation
import Storage

/// The cache that machines share.
struct RemoteCacheOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "A cache that machines share, in the layout of Bazel's; else PIFORGE_REMOTE_CACHE. See docs/cache.md.",
            valueName: "url"))
    var remoteCache: String?

    @Flag(name: .long, help: "Take from the shared cache, and put nothing there.")
    var remoteCacheReadonly = false

    /// The cache; nil where none is named.
    ///
    /// - Throws: `Failure` for what is no URL of a cache.
    func open(_ progress: any ProgressReporter) throws -> HTTPSharedCache? {
        let environment = ProcessInfo.processInfo.environment
        guard let url = remoteCache ?? environment["PIFORGE_REMOTE_CACHE"], !url.isEmpty else { return nil }
        var settings = HTTPSharedCache.Settings()
        settings.isReadOnly = remoteCacheReadonly
        settings.proxies = ProxySettings(environment: environment)
        return try HTTPSharedCache(url, salt: piforgeVersion, settings: settings, progress: progress)
    }
}
