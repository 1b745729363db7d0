import Diagnostics
import Digests
import Fetch
import Packages
import Storage
import SystemPackage
import Tools

/// What a build may do about its packages.
package struct PackageOptions: Sendable, Equatable {
    /// What the lock file is worth.
    package enum Lock: Sendable, Equatable {
        /// The locked packages are used as long as they can be had; otherwise a fresh solve takes their place.
        case prefer
        /// The locked packages or none (`--locked`).
        case require
        /// A fresh solve (`--update-lock`).
        case update
    }

    /// With `require`, a recipe without a lock file is an error.
    package var lock: Lock
    /// Nothing is fetched: packages from the store, indices as they are.
    package var offline: Bool
    /// When the indices are fetched for a solve; ``offline`` overrides it.
    package var indices: IndexPolicy
    /// Whether the packages' files are brought into the store; without, packages are only chosen, and only where no lock names them.
    package var fetches: Bool

    package init(
        lock: Lock = .prefer, offline: Bool = false, indices: IndexPolicy = .refresh, fetches: Bool = true
    ) {
        self.fetches = fetches
        self.lock = lock
        self.offline = offline
        self.indices = indices
    }
}

/// The packages of a build: proven .deb files and the lock that names them.
package struct ProvidedPackages: Sendable {
    /// How the lock came about.
    package enum Origin: Sendable, Equatable {
        /// It is the one that was given.
        case locked
        /// There was none before: a fresh solve.
        case solved
        /// A fresh solve on request; `changes` are the lines of ``PackageLock/difference(from:to:)``.
        case updated(changes: [String])
        /// The given lock could not be used, for the reason in `why`; the caller writes the new one beside the image.
        case replaced(why: String, changes: [String])
    }

    /// Each package with its .deb in the store, in the lock's order (by name).
    package let files: [PackageFile]
    /// The lock that was used; to be written by the caller unless ``origin`` is `locked`.
    package var lock: PackageLock
    /// How the lock came about, and so whether the caller has to write it.
    package let origin: Origin

    package init(files: [PackageFile], lock: PackageLock, origin: Origin) {
        self.files = files
        self.lock = lock
        self.origin = origin
    }
}

extension LockedPackage {
    /// The package's .deb, where it lies on this machine.
    package func file(at path: FilePath) -> PackageFile {
        PackageFile(identity, size: size, sha256: sha256, path: path)
    }
}

/// Decides which packages go in, proves where they come from, and gets them.
package struct PackageProvider: Sendable {
    private let downloader: Downloader
    private let mirrors: @Sendable () throws -> ArchiveMirrors
    private let snapshot: SnapshotArchive
    private let folder: FilePath
    private let tools: ToolRunner
    private let progress: any ProgressReporter

    /// - Parameters:
    ///   - downloader: its store holds the .deb files.
    ///   - folder: an absolute path, for package indices.
    ///   - mirrors: asked only when something must be fetched; see ``HostMirror/find(root:debian:security:)``.
    ///   - snapshot: where superseded versions are looked for.
    ///   - tools: its environment may name proxies for apt.
    package init(
        downloader: Downloader, folder: FilePath, snapshot: SnapshotArchive = SnapshotArchive(),
        tools: ToolRunner = ToolRunner(), progress: any ProgressReporter = SilentProgress(),
        mirrors: @escaping @Sendable () throws -> ArchiveMirrors
    ) {
        self.downloader = downloader
        self.folder = folder
        self.snapshot = snapshot
        self.tools = tools
        self.progress = progress
        self.mirrors = mirrors
    }

    /// The packages that answer a request.
    ///
    /// - Parameters:
    ///   - lock: the recipe's lock file, where there is one.
    ///   - status: the dpkg status of the request's base image; asked only when packages have to be chosen.
    /// - Throws: `Failure` for everything that ends a build: no network, a mirror that is down, an archive or a file
    ///   that cannot be proven, a request that cannot be met, and, as the options have it, a lock that cannot be used
    ///   or a store that lacks files. `CancellationError`.
    package func provide(
        _ request: PackageRequest, lock: PackageLock?, options: PackageOptions = PackageOptions(),
        status: () async throws -> [UInt8] = { [] }
    ) async throws -> ProvidedPackages {
        guard let lock else {
            if options.lock == .require {
                throw Failure(
                    .usage, at: "--locked", "the recipe has no lock file", next: "make one: run once without --locked")
            }
            return try await solve(request, options, status) { _ in .solved }
        }
        if options.lock == .update {
            return try await solve(request, options, status) {
                .updated(changes: PackageLock.difference(from: lock, to: $0))
            }
        }
        guard lock.request == request.digest else {
            if options.lock == .require {
                var failure = Failure(
                    .usage, at: "--locked", "the lock file answers another request than the recipe's",
                    expected: "request sha256:\(request.digest.hex)", found: "request sha256:\(lock.request.hex)",
                    next: "renew it: piforge build --update-lock")
                failure.cause = .staleLock
                throw failure
            }
            return try await replace(lock, request, options, status, why: "the lock file answers another request")
        }

        let missing = options.fetches ? try await fetchLocked(lock.packages, options) : []
        if missing.isEmpty {
            return ProvidedPackages(files: storedFiles(lock.packages), lock: lock, origin: .locked)
        }
        if options.lock == .require {
            throw Failure(
                at: "--locked", "\(count(missing)) of the lock file can no longer be had",
                expected: "each of them in the store, on the mirror or in the snapshot archive", found: list(missing),
                next: "renew the lock: piforge build --update-lock")
        }
        let why = "\(count(missing)) of the lock file can no longer be had: \(list(missing))"
        guard options.offline else { return try await replace(lock, request, options, status, why: why) }
        do { return try await replace(lock, request, options, status, why: why) } catch is Failure {
            // Without indices there is nothing to choose from, and what is missing is the better news.
            throw notStored(missing)
        }
    }

    private func replace(
        _ lock: PackageLock, _ request: PackageRequest, _ options: PackageOptions,
        _ status: () async throws -> [UInt8], why: String
    ) async throws -> ProvidedPackages {
        progress.report(.note(step: "packages", text: "\(why); resolving anew"))
        return try await solve(request, options, status) { fresh in
            let changes = PackageLock.difference(from: lock, to: fresh)
            for change in changes { progress.report(.note(step: "packages", text: change)) }
            return .replaced(why: why, changes: changes)
        }
    }

    // MARK: - A fresh solve

    private func solve(
        _ request: PackageRequest, _ options: PackageOptions, _ status: () async throws -> [UInt8],
        origin: (PackageLock) -> ProvidedPackages.Origin
    ) async throws -> ProvidedPackages {
        var request = request
        if request.base != nil, request.status.isEmpty { request.status = try await status() }
        let mirrors = try mirrors()
        let solver = try AptSolver(
            sources: request.sources, architecture: request.architecture, mirrors: mirrors, folder: folder,
            tools: tools
        ) { [progress] in progress.report(.note(step: "cache", text: $0)) }
        let fetched = try await solver.update(options.offline ? .offline : options.indices)
        var solution = try await solver.resolve(request)
        var outcome =
            options.fetches ? try await fetch(solution.packages, from: mirrors, offline: options.offline) : []
        if !outcome.isEmpty, !fetched, !options.offline {
            // Indices that were kept may name versions that the mirror has dropped since.
            try await solver.update(.refresh)
            solution = try await solver.resolve(request)
            outcome = try await fetch(solution.packages, from: mirrors, offline: false)
        }
        guard outcome.isEmpty else {
            throw options.offline ? notStored(outcome) : dropped(outcome)
        }
        let lock = PackageLock(request: request.digest, packages: solution.packages, removed: solution.removed)
        return ProvidedPackages(files: storedFiles(lock.packages), lock: lock, origin: origin(lock))
    }

    private func dropped(_ packages: [LockedPackage]) -> Failure {
        Failure(
            at: "packages", "the mirror lacks \(count(packages)) that its own index names", found: list(packages),
            next: "the mirror may be in the middle of an update: try again later, or name another with --mirror URL")
    }

    // MARK: - Files

    /// Brings the locked packages into the store, from the mirrors or the snapshot archive.
    ///
    /// - Returns: the packages that are nowhere.
    private func fetchLocked(_ packages: [LockedPackage], _ options: PackageOptions) async throws -> [LockedPackage] {
        let absent = try await absent(packages)
        if absent.isEmpty { return [] }
        if options.offline {
            // Packages that an earlier run chose in the place of lost ones may be there, with the indices they came from.
            if options.lock == .require { throw notStored(absent) }
            return absent
        }
        let gone = try await fetch(absent, from: try mirrors(), offline: false)
        if gone.isEmpty { return [] }
        return try await fetchFromSnapshot(gone)
    }

    /// - Returns: the packages that no mirror has (offline: that the store lacks).
    private func fetch(_ packages: [LockedPackage], from mirrors: ArchiveMirrors, offline: Bool) async throws
        -> [LockedPackage]
    {
        let absent = try await absent(packages)
        if offline || absent.isEmpty { return absent }
        let requests = absent.map { package in
            DownloadRequest(
                urls: mirrors.urls(for: package.archive, path: package.path), sha256: package.sha256,
                size: package.size, name: package.fileName)
        }
        return try await missing(absent, requests)
    }

    private func fetchFromSnapshot(_ packages: [LockedPackage]) async throws -> [LockedPackage] {
        var found: [(package: LockedPackage, request: DownloadRequest)] = []
        var missing: [LockedPackage] = []
        do {
            for package in packages {
                guard let url = try await snapshot.url(of: package, downloader: downloader) else {
                    missing.append(package)
                    continue
                }
                let request = DownloadRequest(
                    urls: [url], sha256: package.sha256, size: package.size, name: package.fileName)
                found.append((package, request))
            }
            return try await missing + self.missing(found.map(\.package), found.map(\.request))
        } catch let failure as Failure {
            // An archive that is out of reach has the file as little as one that lacks it.
            progress.report(.note(step: "packages", text: "snapshot archive: \(failure.place): \(failure.message)"))
            return try await absent(packages)
        }
    }

    /// Downloads; returns the packages whose file was nowhere.
    private func missing(_ packages: [LockedPackage], _ requests: [DownloadRequest]) async throws -> [LockedPackage] {
        let outcomes = try await downloader.fetchWhatExists(requests, step: "packages")
        return zip(packages, outcomes).compactMap { package, outcome in
            if case .notFound = outcome { package } else { nil }
        }
    }

    /// The packages whose bytes the store does not hold, or not unchanged.
    private func absent(_ packages: [LockedPackage]) async throws -> [LockedPackage] {
        try packages.filter { try downloader.store.file($0.sha256, size: $0.size, check: .digest) == nil }
    }

    private func storedFiles(_ packages: [LockedPackage]) -> [PackageFile] {
        packages.map { $0.file(at: downloader.store.path(for: $0.sha256)) }
    }

    // MARK: - Words

    private func notStored(_ packages: [LockedPackage]) -> Failure {
        .offline("\(count(packages)) are not in the store", found: list(packages))
    }

    private func count(_ packages: [LockedPackage]) -> String {
        packages.count == 1 ? "1 package" : "\(packages.count) packages"
    }

    /// The first few packages by name and version, and how many more there are.
    private func list(_ packages: [LockedPackage]) -> String {
        let shown = packages.prefix(5).map(\.identity.description).joined(separator: ", ")
        return packages.count > 5 ? "\(shown) and \(packages.count - 5) more" : shown
    }
}
