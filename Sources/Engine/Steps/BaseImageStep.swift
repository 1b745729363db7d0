import Debian
import Diagnostics
import Fetch
import Layers
import Recipe
import Steps
import Stock
import Storage
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// The stock image that a recipe starts from, as the first layer: `base.image`.
struct BaseImageStep: BuildStep, Contextual {
    let context: BuildContext
    private let stock: StockBase
    private let pin: PinnedInput
    private let lock: PackageLock?

    /// nil for a recipe that starts from packages.
    ///
    /// - Parameter lock: the recipe's, for where the image is fetched.
    init?(_ context: BuildContext, _ pin: PinnedInput?, _ lock: PackageLock?) {
        guard let stock = context.recipe.stock, let pin else { return nil }
        self.context = context
        self.stock = stock
        self.pin = pin
        self.lock = lock
    }

    let name = "base image"
    let isKept = true
    var summary: String { pin.name }
    var inputs: [StepInput] {
        [StepInput(pin.name, pin.sha256.hex), StepInput("reading format", String(StockImage.formatVersion))]
    }
    var below: [String] { [] }

    /// The image with its packages and its boot partition.
    ///
    /// - Throws: as ``image(_:)``; `Failure` for a system that nothing can be built on.
    func system(_ walk: inout Walk) async throws -> BaseSystem { try BaseSystem(await image(&walk)) }

    /// - Throws: `Walk.Missing` in a look; `Failure` for an image that cannot be had, is damaged, or is none of a Pi's.
    func image(_ walk: inout Walk) async throws -> StockImage {
        let stored = try StockImage.stored(pin.sha256, in: cache.layers)
        return try await walk.result(of: name, stored: stored) { try await read() }
    }

    private func read() async throws -> StockImage {
        let file = try await InputFetcher(context, lock: lock).image(stock, pin)
        // Under its own name, which is the one that messages should show.
        let folder = try TemporaryFolder(in: cache.work, name: "base")
        let named = folder.path.appending(stock.file)
        let isLinked = link(file.string, named.string) == 0
        defer { withExtendedLifetime(folder) {} }
        do {
            return try await StockImage.read(
                isLinked ? named : file, digest: pin.sha256, store: cache.layers, work: cache.work,
                workers: options.jobs, limit: Self.largest, tools: tools, progress: progress)
        } catch var failure as Failure {
            failure.place = failure.place.replacing("\(folder.path)/", with: "")
            failure.next = failure.next?.replacing("\(folder.path)/", with: "")
            throw failure
        }
    }

    /// The most bytes that a stock image's disk may have.
    private static let largest: UInt64 = 64 << 30
}
