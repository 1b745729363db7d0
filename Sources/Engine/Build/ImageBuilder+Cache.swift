import Diagnostics
import Pack
import Storage

extension ImageBuilder {
    /// Makes the image. What of the cache is damaged is made again on the way.
    ///
    /// - Throws: `Failure` with what stopped it; `CancellationError`. Nothing is left then but what the cache may keep.
    public func build() async throws -> BuildResult {
        do {
            let result = try await cache.mending { try await buildOnce() }
            cache.shared?.close(waits: !result.upToDate)
            return result
        } catch {
            cache.shared?.close(waits: false)
            throw (error as? Failure)?.naming(cache: options.givenCache) ?? error
        }
    }

    /// Where compressed blocks are kept, and shared as far as they hold nothing of the recipe's own.
    func blockCache(_ own: OwnContent?) throws -> BlockCache {
        try BlockCache(
            folder: cache.blocks, shared: cache.shared, isPublic: { own?.isAbsent(from: $0) ?? false }, note: cache.note
        )
    }
}
