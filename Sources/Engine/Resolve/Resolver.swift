import Debian
import Diagnostics
import Digests
import Fetch
import Layers
import Recipe
import Steps
import Storage
import SystemPackage
import Tools

/// Leads a recipe to its packages and files.
struct Resolver: Contextual {
    let context: BuildContext

    init(_ context: BuildContext) { self.context = context }

    enum Purpose {
        /// Packages are chosen where no lock answers the recipe; none is fetched.
        case look
        /// All packages are brought into the store.
        case build
        /// All else that a build may need comes too, the runtimes' release files first.
        case fetch
    }

    /// - Throws: `Failure` for all that cannot be had, is not what is pinned, or contradicts itself; `FailureList`; `CancellationError`.
    func resolve(_ purpose: Purpose) async throws -> Resolved {
        let lock = try context.readLock()
        let fetcher = try InputFetcher(context, lock: lock)
        try await fetcher.requireAcceptance()
        let base = try await recipe.stock.mapAsync { try await fetcher.pin($0) }
        var opened: [OpenedSource] = []
        for source in recipe.allSources {
            let keyring = try await recipe.keyring(of: source).mapAsync { try await fetcher.keyring($0) }
            opened.append(OpenedSource(source: source, keyring: keyring))
        }
        let artefacts = try await fetcher.artefactPins()
        let sources = try archiveSources(opened)
        let boardMirrors = try ArchiveMirrors(
            for: sources, debian: recipe.packages.mirror ?? options.mirror,
            security: recipe.packages.securityMirror ?? options.securityMirror)
        let limits = try recipe.sourcePins(
            for: .build,
            mirrors: ArchiveMirrors(for: sources, debian: options.mirror, security: options.securityMirror))
        let boardPreferences = try recipe.sourcePins(for: .board, mirrors: boardMirrors).text
        let own = recipe.ownPackages + recipe.dockerPackages + recipe.runtimePackages
        let request = try PackageRequest(
            sources: sources,
            packages: recipe.packages.install + own.filter { !recipe.packages.installNames.contains($0) },
            preferences: limits.text, pins: limits.bySource, preferencesKey: recipe.preferencesKey,
            recommends: recipe.packages.recommends, addsEssential: base == nil, base: base?.sha256,
            upgrades: recipe.packages.upgrade)
        let overlays = try recipe.overlaySteps()
        try OverlaidBootFiles(overlays, context).check()
        let images = ContainerImages(context)
        let preload = try await images.preloadStep()
        let proofImages = try await images.proofImages(artefacts)
        let programs = try await HostPrograms(versions: options.programVersions)
        let kernel = try await KernelFromSource(context)?.inputs()
        let pins = opened.compactMap { $0.keyring?.pin } + [base].compactMap(\.self) + artefacts
        if purpose == .fetch { try await RuntimeFiles(context, pins, proofImages, lock).prepare() }
        let packages = try await packages(request, lock, base, pins, fetcher, purpose)
        return Resolved(
            request: request, knownLock: lock, packages: packages, sources: opened, base: base, pins: pins,
            mirrors: boardMirrors, boardPreferences: boardPreferences, overlays: overlays, preload: preload,
            proofImages: proofImages, programs: programs, kernel: kernel)
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

    // MARK: Packages

    /// The packages that answer the request. A stock image is read for it only when they have to be chosen.
    private func packages(
        _ request: PackageRequest, _ lock: PackageLock?, _ base: PinnedInput?, _ pins: [PinnedInput],
        _ fetcher: InputFetcher, _ purpose: Purpose
    ) async throws -> ProvidedPackages {
        let isAnswered = lock?.request == request.digest && !options.updateLock
        if purpose == .look, isAnswered, let lock {
            let store = try DownloadStore(cache.store)
            var known = ProvidedPackages(
                files: lock.packages.map { $0.file(at: store.path(for: $0.sha256)) }, lock: lock, origin: .locked)
            for pin in pins { known.lock.pin(pin) }
            return known
        }
        let provider = context.provider(fetcher.downloader, sources: request.sources)
        let wanted = PackageOptions(
            lock: options.updateLock ? .update : options.locked ? .require : .prefer, offline: options.offline,
            fetches: purpose != .look)
        // A lock without packages is one that only accepts a file.
        let known = lock.flatMap { $0.packages.isEmpty ? nil : $0 }
        var provided: ProvidedPackages
        do {
            provided = try await provider.provide(request, lock: known, options: wanted) {
                guard let step = BaseImageStep(context, base, lock) else { return [] }
                var walk = Walk(.make)
                return try InstalledPackages(reading: try Tree([try await step.image(&walk).layer])).status
            }
        } catch var failure as Failure where failure.cause == .staleLock {
            failure.next = "renew it: \(options.command("build", "--update-lock"))"
            throw failure
        }
        for pin in pins { provided.lock.pin(pin) }
        return provided
    }

    /// Says where the packages came from, and writes the lock that answers: beside the recipe when asked to, beside the
    /// image when the recipe's own could not be used.
    func settle(_ resolved: Resolved) throws {
        let step = "packages"
        for source in resolved.sources.map(\.source)
        where source.onBoard && !source.uris.isEmpty && source.boardURIs.isEmpty {
            context.note(
                ["the archive \(source.name) is a folder of this machine: the board's own apt does not get it"],
                step: step)
        }
        let packages = resolved.packages
        switch packages.origin {
        case .locked:
            guard packages.lock != resolved.knownLock else { break }
            try packages.lock.write(to: options.lockPath)
            context.note(["wrote \(options.lockPath)"], step: step)
        case .solved:
            try packages.lock.write(to: options.lockPath)
            context.note(["wrote \(options.lockPath)"], step: step)
        case .updated(let changes):
            try packages.lock.write(to: options.lockPath)
            context.note(["wrote \(options.lockPath)"] + changes, step: step)
        case .replaced(let why, let changes):
            let path = context.outputs.lock
            try packages.lock.write(to: path)
            context.note(changes + ["\(why); the packages of this image are locked in \(path)"], step: step)
        }
    }
}

extension BuildContext {
    /// What chooses and gets packages.
    func provider(_ downloader: Downloader, sources: [ArchiveSource]) -> PackageProvider {
        let debian = options.mirror
        let security = options.securityMirror
        return PackageProvider(
            downloader: downloader, folder: cache.apt,
            tools: ToolRunner(environment: ProxySettings(environment: options.environment).environment),
            progress: progress
        ) {
            try ArchiveMirrors(for: sources, debian: debian, security: security)
        }
    }
}

extension ArchiveMirrors {
    /// The sources' own mirrors, and Debian's where a source names none; only then is the host asked for them.
    init(for sources: [ArchiveSource], debian: String?, security: String?) throws {
        guard sources.isEmpty || sources.contains(where: { $0.uris.isEmpty }) else {
            self = try ArchiveMirrors(debian: [], security: []).adding(sources)
            return
        }
        self = try HostMirror.find(debian: debian, security: security).adding(sources)
    }
}
