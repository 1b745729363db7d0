import Debian
import Diagnostics
import Digests
import Disk
import Fetch
import Layers
import Pack
import Recipe
import Steps
import Stock
import Storage
import SystemPackage
import Tools

#if canImport(Glibc)
    import Glibc
#endif

/// Makes the image of one recipe: packages, layers, tree, file systems, disk, .img.xz. The order of the calls in
/// ``build()`` is the way of the data; nothing goes back.
public struct ImageBuilder: Sendable {
    let recipe: Recipe
    let options: BuildOptions
    let cache: Cache
    let progress: any ProgressReporter
    let tools = ToolRunner()

    public init(recipe: Recipe, options: BuildOptions, cache: Cache, progress: any ProgressReporter) {
        self.recipe = recipe
        self.options = options
        self.cache = cache.reporting(to: progress)
        self.progress = progress
    }

    /// Everything a build works with before anything has run: small, and free of side effects.
    struct Inputs {
        var request: PackageRequest
        var lock: PackageLock?
        var systemSteps: [any Step]
        var overlaySteps: [OverlayStep]
        /// Container images for Docker; nil for none.
        var preload: PreloadStep?
        /// What the proof of the runtimes brings, by their names.
        var proofImages: [String: Manifest.ProofImage]
        var secrets: Secrets
        /// The recipe's own sources with their keyrings; empty where suites and components say all.
        var sources: [OpenedSource]
        /// The stock image, where the recipe starts from one.
        var base: PinnedInput?
        /// Everything fetched besides packages, for the lock.
        var pins: [PinnedInput]
        /// Base URIs of the archives, for the board's own apt.
        var mirrors: ArchiveMirrors
        /// apt_preferences(5) for it.
        var boardPreferences: String
        var programs: HostPrograms
        /// All that shapes a kernel from source; empty where the kernel is a package of the archive.
        var kernel: [StepInput]
    }

    /// What the outputs are called: the recipe, and the device where there are several.
    var outputName: String { options.device.map { "\(recipe.name)-\($0)" } ?? recipe.name }
    var imagePath: FilePath { options.output.appending("\(outputName).img.xz") }
    var credentialsPath: FilePath { options.output.appending("\(outputName).credentials") }
    /// Where it is kept what the last build ran with (``PlanRecord``).
    public var recordPath: FilePath {
        cache.plans.appending("\(outputName)-\(SHA256Digest.of(imagePath.string).hex.prefix(16)).json")
    }

    /// What a build would run, what is cached, and why the rest runs. Resolves packages where there is no lock. Passwords and pass phrases
    /// are used where they can be had, and are not needed.
    public func plan() async throws -> [PlanRow] { try await planWithRows().rows }

    /// The plan as a graph in the DOT language, with what would become of each step.
    public func planGraph() async throws -> String {
        let (plan, rows) = try await planWithRows()
        let actions = Dictionary(rows.map { ($0.step, $0.action) }, uniquingKeysWith: { first, _ in first })
        return plan.graph { actions[$0.name] }
    }

    private func planWithRows() async throws -> (plan: Plan, rows: [PlanRow]) {
        let (inputs, lock) = try await lockedInputs()
        let plan = try plan(inputs, lock)
        let record = PlanRecord.read(recordPath)
        if inputs.secrets.missing.isEmpty, try wholeImage(plan, record) != nil {
            return (plan, rows(plan, record) { _ in "cached" })
        }
        // A look says nothing, and asks nobody else.
        let looker = ImageBuilder(
            recipe: recipe, options: options, cache: cache.withoutShared(), progress: SilentProgress())
        var walk = Walk(.look)
        let work = try TemporaryFolder(in: cache.work, name: "plan")
        defer { withExtendedLifetime(work) {} }
        var missing: String?
        do {
            _ = try await looker.packagedSystem(inputs, looker.storedPackages(lock), &walk, work: work.path)
        } catch let result as Walk.Missing { missing = result.step }
        let rows = rows(plan, record, unknown: inputs.secrets.missing) { step in
            switch walk.outcomes[step] {
            case .stored: "cached"
            case .made: "run"
            // What is kept nowhere is made in each build.
            case nil: plan[step]?.isKept == true ? missing.map { "after \($0)" } ?? "run" : "run"
            }
        }
        return (plan, rows)
    }

    /// - Parameter unknown: why a step's inputs are not known, by its name.
    private func rows(
        _ plan: Plan, _ record: PlanRecord, unknown: [String: String] = [:], action: (String) -> String
    ) -> [PlanRow] {
        plan.steps.map { step in
            let action = action(step.name)
            let reason = unknown[step.name].map { "not known: \($0)" } ?? record.reason(for: step, in: plan)
            return PlanRow(
                step: step.name, summary: step.summary, action: action, reason: action == "cached" ? nil : reason,
                key: step.key.hex)
        }
    }

    /// The steps of a build and their keys. Resolves packages where there is no lock.
    public func planned() async throws -> Plan {
        let (inputs, lock) = try await lockedInputs()
        return try plan(inputs, lock)
    }

    private func lockedInputs() async throws -> (Inputs, PackageLock) {
        let inputs = try await inputs(needsSecrets: false)
        if let known = inputs.lock, known.request == inputs.request.digest, !options.updateLock {
            return (inputs, known)
        }
        return (inputs, try await provide(inputs).lock)
    }

    /// Gets everything a build needs into the cache, so that it can run with `--offline`.
    ///
    /// - Returns: how many packages the build will use.
    public func fetch() async throws -> Int {
        let inputs = try await inputs(needsSecrets: false)
        try await prepareRuntimes(inputs)
        let packages = try await provide(inputs)
        try await report(packages, inputs)
        if let stock = recipe.stock, let base = inputs.base {
            _ = try await inputFetcher(inputs.lock).image(stock, base)
        }
        try await fetchKernelSource()
        return packages.files.count
    }

    /// As ``build()``.
    ///
    /// - Throws: `DamagedContent` besides, for what is damaged in the cache.
    func buildOnce() async throws -> BuildResult {
        let inputs = try await inputs(needsSecrets: true)
        if inputs.lock == nil || !exists(imagePath) { try requireRoom(2 << 30, at: cache.root, "for the build") }
        let packages = try await provide(inputs)
        try await report(packages, inputs)
        let plan = try plan(inputs, packages.lock)
        if var result = try await upToDate(plan, inputs) {
            result.steps = rows(plan, PlanRecord.read(recordPath)) { _ in "cached" }
            return result
        }

        try await checkTools()
        for signer in signers { try await signer.check() }
        try requireRoom(estimatedSpace(packages), at: cache.root, "for the build")
        try requireRoom(estimatedSpace(packages) / 6, at: options.output, "for the build")
        let work = try TemporaryFolder(in: cache.work, name: recipe.name)
        var walk = Walk(.make)
        let system = try await systemTree(inputs, packages, &walk, work: work.path)
        let disk = try await disk(system.tree, inputs.overlaySteps, work: work.path)
        let settings = try XZSettings(
            preset: recipe.output.compression.preset, blockSize: Int(recipe.output.compression.blockSize.bytes))
        progress.report(.started(step: "pack", detail: "\(megabytes(disk.image.size))"))
        let writer = XZWriter(settings: settings, workers: options.jobs, cache: try blockCache(system.ownContent))
        // Before the image: an image whose password nobody knows must never be.
        let isNew = !exists(credentialsPath)
        if !inputs.secrets.credentials.passwords.isEmpty { try inputs.secrets.credentials.write(to: credentialsPath) }
        let summary: XZSummary
        async let map = blockMap(of: disk.image, used: disk.used)
        do {
            summary = try await writer.write(disk.image, to: imagePath, progress: progress, step: "pack")
        } catch {
            if isNew { removeTree(credentialsPath) }
            throw error
        }
        progress.report(
            .finished(
                step: "pack",
                detail: "\(megabytes(summary.size)); blocks: \(summary.newBlocks) new, \(summary.reusedBlocks) reused, "
                    + "\(summary.zeroBlocks) zero", cached: false))
        let manifest = manifest(
            inputs, packages, disk, system, Manifest.Image(file: imageName, summary: summary, settings: settings))
        let before = PlanRecord.read(recordPath)
        var record = PlanRecord(plan, image: summary.digest)
        try await writeOutputs(manifest, map: try await map?.bytes, &record)
        withExtendedLifetime(work) {}
        var result = result(manifest, inputs, upToDate: false, slowest: system.slowest)
        result.steps = rows(plan, before) { walk.outcomes[$0] == .stored ? "cached" : "run" }
        return result
    }

    var imageName: String { imagePath.lastComponent?.string ?? "" }

    // MARK: Inputs

    /// - Parameter needsSecrets: whether a secret that cannot be read is an error.
    private func inputs(needsSecrets: Bool) async throws -> Inputs {
        var secrets = Secrets(
            recipe, environment: options.environment, credentials: try Credentials.read(credentialsPath),
            isNeeded: needsSecrets)
        let lock = try readLock()
        let fetcher = try inputFetcher(lock)
        try await requireAcceptance(fetcher)
        let base = try await recipe.stock.mapAsync { try await fetcher.pin($0) }
        var opened: [OpenedSource] = []
        for source in recipe.allSources {
            // A stock image need not have Debian's keys, and those of this machine must not decide its bytes.
            let debian = recipe.stock != nil && source.onBoard ? Keyring.package("debian-archive-keyring") : nil
            let keyring = try await (source.keyring ?? debian).mapAsync { try await fetcher.keyring($0) }
            opened.append(OpenedSource(source: source, keyring: keyring))
        }
        let own = recipe.ownPackages + recipe.dockerPackages + recipe.runtimePackages
        let artefacts = try await fetcher.artefactPins()
        let sources = try archiveSources(opened)
        let boardMirrors = try boardMirrors(sources)
        let pins = try recipe.sourcePins(
            for: .build,
            mirrors: Self.mirrors(for: sources, debian: options.mirror, security: options.securityMirror))
        let boardPreferences = try recipe.sourcePins(for: .board, mirrors: boardMirrors).text
        let request = try PackageRequest(
            sources: sources,
            packages: recipe.packages.install + own.filter { !recipe.packages.installNames.contains($0) },
            preferences: pins.text, pins: pins.bySource,
            preferencesKey: recipe.preferencesKey, recommends: recipe.packages.recommends,
            addsEssential: base == nil,
            base: base?.sha256, upgrades: recipe.packages.upgrade)
        let systemSteps = try recipe.systemSteps(secrets: &secrets)
        let overlays = try recipe.overlaySteps()
        try checkBootFiles(of: overlays)
        return Inputs(
            request: request, lock: lock, systemSteps: systemSteps, overlaySteps: overlays,
            preload: try await preloadStep(), proofImages: try await proofImages(artefacts),
            secrets: secrets, sources: opened, base: base,
            pins: opened.compactMap { $0.keyring?.pin } + [base].compactMap(\.self) + artefacts,
            mirrors: boardMirrors, boardPreferences: boardPreferences,
            programs: try await HostPrograms(versions: options.programVersions),
            kernel: try await kernelStepInputs())
    }

    /// The sources as apt takes them: the recipe's own, else Debian's suites.
    private func archiveSources(_ opened: [OpenedSource]) throws -> [ArchiveSource] {
        guard !opened.isEmpty else {
            return try ArchiveSource.suites(
                recipe.packages.suites, components: recipe.packages.components, keyring: recipe.packages.keyring.path)
        }
        return try opened.flatMap { opened in
            try opened.source.suites.map { suite in
                try ArchiveSource(
                    suite: suite, components: opened.source.components,
                    keyring: opened.keyring?.path ?? ArchiveSource.debianKeyring, name: opened.source.name,
                    uris: opened.source.uris)
            }
        }
    }

    /// The recipe's lock; nil when it has none yet.
    func readLock() throws -> PackageLock? {
        exists(options.lockPath) ? try PackageLock.read(options.lockPath) : nil
    }

    /// What gets the files besides packages.
    func inputFetcher(_ lock: PackageLock?) throws -> InputFetcher {
        let downloader = try downloader()
        return InputFetcher(
            recipe: recipe, options: options, cache: cache, downloader: downloader,
            packages: provider(downloader, sources: []), tools: tools, lock: lock)
    }

    /// The packages that answer the request. A stock image is read for it only when they have to be chosen.
    private func provide(_ inputs: Inputs) async throws -> ProvidedPackages {
        let provider = provider(try downloader(), sources: inputs.request.sources)
        // A lock without packages is one that only accepts a file.
        let lock = inputs.lock.flatMap { $0.packages.isEmpty ? nil : $0 }
        var provided: ProvidedPackages
        do {
            provided = try await provider.provide(inputs.request, lock: lock, options: packageOptions) {
                guard let base = try await baseImage(inputs) else { return [] }
                return try InstalledPackages(reading: try Tree([base.layer])).status
            }
        } catch var failure as Failure where failure.cause == .staleLock {
            failure.next = "renew it: \(options.command("build", "--update-lock"))"
            throw failure
        }
        for pin in inputs.pins { provided.lock.pin(pin) }
        return provided
    }

    /// A lock's packages as they lie in the store.
    private func storedPackages(_ lock: PackageLock) throws -> ProvidedPackages {
        let store = try DownloadStore(cache.store)
        return ProvidedPackages(
            files: lock.packages.map { ($0, store.path(for: $0.sha256)) }, lock: lock, origin: .locked)
    }

    /// The stock image as the first layer; nil for a recipe without one.
    func baseImage(_ inputs: Inputs) async throws -> StockImage? {
        var walk = Walk(.make)
        return try await baseImage(inputs, &walk)
    }

    /// As ``baseImage(_:)``, as a step of a build.
    func baseImage(_ inputs: Inputs, _ walk: inout Walk) async throws -> StockImage? {
        guard let stock = recipe.stock, let pin = inputs.base else { return nil }
        let stored = try StockImage.stored(pin.sha256, in: cache.layers)
        return try await walk.result(of: "base image", stored: stored) {
            try await readBaseImage(inputs, stock, pin)
        }
    }

    private func readBaseImage(_ inputs: Inputs, _ stock: StockBase, _ pin: PinnedInput) async throws -> StockImage {
        let file = try await inputFetcher(inputs.lock).image(stock, pin)
        // Under its own name, which is the one that messages should show.
        let folder = try TemporaryFolder(in: cache.work, name: "base")
        let named = folder.path.appending(stock.file)
        let isLinked = link(file.string, named.string) == 0
        defer { withExtendedLifetime(folder) {} }
        do {
            return try await StockImage.read(
                isLinked ? named : file, digest: pin.sha256, store: cache.layers, work: cache.work,
                workers: options.jobs, limit: Self.largestBase, tools: tools, progress: progress)
        } catch var failure as Failure {
            failure.place = failure.place.replacing("\(folder.path)/", with: "")
            failure.next = failure.next?.replacing("\(folder.path)/", with: "")
            throw failure
        }
    }

    /// The most bytes that a stock image's disk may have.
    private static let largestBase: UInt64 = 64 << 30

    /// What vouches for the recipe's stock image: the keyring, fetched where it has to be, and the keys that count.
    ///
    /// - Throws: `Failure` when no signature vouches for it, or the keyring cannot be had.
    public func publisher() async throws -> (keyring: FilePath, keys: [String]) {
        guard case .signature(let sums)? = recipe.stock?.trust else {
            throw Failure(
                .usage, at: options.recipePath.string, "the recipe names no signature of a stock image",
                expected: "base.image.trust.signature", next: "give --keyring and --key")
        }
        let lock = try readLock()
        return (try await inputFetcher(lock).keyring(sums.keyring).path, sums.keys)
    }

    /// Pins a file that nothing but the user vouches for.
    ///
    /// - Throws: `Failure` when the recipe has no such file to accept, or no file of that digest was fetched.
    public func accept(_ name: String, _ digest: SHA256Digest) throws -> String {
        let known = try readLock()
        var lock = known ?? PackageLock(request: .of(""), packages: [])
        let pin = try inputFetcher(known).accept(name, digest)
        lock.pin(pin)
        try lock.write(to: options.lockPath)
        return
            "\(options.lockPath): \(name) is pinned to sha256:\(pin.sha256.hex), \(pin.size) bytes, \(pin.trust.text)"
    }

    /// The recipe's mirrors, else those that the packages come from.
    private func boardMirrors(_ sources: [ArchiveSource]) throws -> ArchiveMirrors {
        try Self.mirrors(
            for: sources, debian: recipe.packages.mirror ?? options.mirror,
            security: recipe.packages.securityMirror ?? options.securityMirror)
    }

    /// The sources' own mirrors, and Debian's where a source names none; only then is the host asked for them.
    private static func mirrors(
        for sources: [ArchiveSource], debian: String?, security: String?
    ) throws -> ArchiveMirrors {
        guard sources.isEmpty || sources.contains(where: { $0.uris.isEmpty }) else {
            return try ArchiveMirrors(debian: [], security: []).adding(sources)
        }
        return try HostMirror.find(debian: debian, security: security).adding(sources)
    }

    private var packageOptions: PackageOptions {
        PackageOptions(
            lock: options.updateLock ? .update : options.locked ? .require : .prefer, offline: options.offline)
    }

    func downloader() throws -> Downloader {
        Downloader(
            store: try DownloadStore(cache.store, note: cache.note),
            options: DownloadOptions(proxies: ProxySettings(environment: options.environment)), progress: progress)
    }

    private func provider(_ downloader: Downloader, sources: [ArchiveSource]) -> PackageProvider {
        let debian = options.mirror
        let security = options.securityMirror
        return PackageProvider(
            downloader: downloader, folder: cache.apt,
            tools: ToolRunner(environment: ProxySettings(environment: options.environment).environment),
            progress: progress
        ) {
            try Self.mirrors(for: sources, debian: debian, security: security)
        }
    }

    /// Says where the packages came from, and writes the lock that answers: beside the recipe when asked to, beside the
    /// image when the recipe's own could not be used.
    private func report(_ packages: ProvidedPackages, _ inputs: Inputs) async throws {
        for source in inputs.sources.map(\.source)
        where source.onBoard && !source.uris.isEmpty && source.boardURIs.isEmpty {
            progress.report(
                .note(
                    step: "packages",
                    text:
                        "the archive \(source.name) is a folder of this machine: the board's own apt does not get it"
                ))
        }
        switch packages.origin {
        case .locked:
            guard packages.lock != inputs.lock else { break }
            try packages.lock.write(to: options.lockPath)
            progress.report(.note(step: "packages", text: "wrote \(options.lockPath)"))
        case .solved, .updated:
            try packages.lock.write(to: options.lockPath)
            progress.report(.note(step: "packages", text: "wrote \(options.lockPath)"))
            if case .updated(let changes) = packages.origin {
                for change in changes { progress.report(.note(step: "packages", text: change)) }
            }
        case .replaced(let why, let changes):
            let path = options.output.appending("\(recipe.name).lock")
            try packages.lock.write(to: path)
            for change in changes { progress.report(.note(step: "packages", text: change)) }
            progress.report(.note(step: "packages", text: "\(why); the packages of this image are locked in \(path)"))
        }
    }
}
