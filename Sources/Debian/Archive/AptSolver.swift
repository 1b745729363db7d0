import Diagnostics
import Digests
import Fetch
import Packages
import Storage
import SystemPackage
import Tools

/// When the package indices are fetched anew.
package enum IndexPolicy: Sendable, Equatable {
    /// Always: each index that changed is downloaded.
    case refresh
    /// Only when those at hand were fetched longer ago than that, or there are none.
    case ifOlder(than: Duration)
    /// Never: what is at hand is used, and having none is an error.
    case offline
}

/// What a request resolves to.
package struct Solution: Sendable, Equatable {
    /// The packages to install, sorted by name.
    package let packages: [LockedPackage]
    /// The names of the installed packages that must go; empty on an empty dpkg status.
    package let removed: [String]
}

/// The host's apt as solver and verifier, run as the calling user in folders of its own.
///
/// The host's apt configuration, keys, indices and installed packages play no part. Every index is verified by apt
/// against the source's keyring before it is used, and every SHA-256 comes from such an index.
package struct AptSolver: Sendable {
    private let sources: [ArchiveSource]
    private let architecture: String
    private let mirrors: ArchiveMirrors
    private let folder: FilePath
    private let tools: ToolRunner
    private let note: CacheNote

    /// - Parameters:
    ///   - mirrors: where the archives are; apt uses the first of each.
    ///   - folder: an absolute path; the indices are kept there, apart for each set of sources. Several processes may
    ///     share it.
    ///   - tools: its environment may name proxies (`http_proxy`, …).
    ///   - note: takes a line about indices that were found damaged.
    /// - Throws: `Failure` when a source has no mirror or no keyring.
    package init(
        sources: [ArchiveSource], architecture: String, mirrors: ArchiveMirrors, folder: FilePath,
        tools: ToolRunner = ToolRunner(), note: @escaping CacheNote = { _ in }
    ) throws {
        for source in sources {
            guard !mirrors.bases(for: source.kind).isEmpty else {
                throw Failure(
                    .usage, at: source.suite, "no mirror of the archive is known",
                    next: source.kind == .security ? "name one: --security-mirror URL" : "name one: --mirror URL")
            }
            guard exists(source.keyring) else {
                throw Failure(
                    at: source.keyring.string, "the archive's keyring is missing",
                    next: "make setup (or: sudo apt-get install debian-archive-keyring)")
            }
            guard !source.keyring.string.contains(where: \.isWhitespace), source.keyring.isAbsolute else {
                throw Failure(
                    .usage, at: source.keyring.string, "apt cannot use this keyring",
                    expected: "an absolute path without blanks")
            }
        }
        self.sources = sources
        self.architecture = architecture
        self.mirrors = mirrors
        self.tools = tools
        self.note = note
        let key = KeyHasher(purpose: "package indices 1")
        key.add(architecture)
        for source in sources {
            key.add(source.suite)
            key.add(source.components.joined(separator: " "))
            if let name = source.name { key.add(name) }
            key.add(mirrors.bases(for: source.kind)[0])
            key.add(try SHA256Digest.of(file: source.keyring))
        }
        self.folder = folder.appending(String(key.finalize().hex.prefix(16)))
    }

    /// Brings the package indices up to date and verifies their signatures.
    ///
    /// - Returns: whether they were fetched.
    /// - Throws: `Failure` for a mirror that cannot be reached, and an archive that cannot be proven: a bad, missing
    ///   or unknown signature, an expired Release file, an index that does not match it. Indices at hand that have changed
    ///   since they were verified are fetched anew; offline that is an error.
    @discardableResult
    package func update(_ policy: IndexPolicy) async throws -> Bool {
        let lock = try await FolderLock(folder)
        defer { withExtendedLifetime(lock) {} }
        let state = IndexState(folder: folder)
        // apt's own digest of the indices, which nothing vouches for.
        state.dropBinaries()
        let isDamaged = try state.isDamaged()
        switch policy {
        case .refresh: break
        case .ifOlder(let age):
            if !isDamaged, let found = state.age, found >= .zero, found <= age { return false }
        case .offline:
            guard state.age != nil, !isDamaged else {
                throw Failure.offline(
                    at: folder.string,
                    isDamaged
                        ? "the package indices of \(suiteNames) here are damaged"
                        : "there are no package indices of \(suiteNames) here")
            }
            return false
        }
        if isDamaged {
            note("the package indices of \(suiteNames) are damaged; they are fetched anew (\(folder))")
            removeTree(state.lists)
        }
        removeTree(state.stamp)
        let apt = try environment(preferences: "", status: [], recommends: false)
        let result = try await apt.aptGet(["update"])
        let text = result.errors + "\n" + result.text
        guard result.status == 0, !AptMessages.isIncomplete(text) else {
            throw AptMessages.updateFailure(text, mirrors: mirrors)
        }
        try state.write()
        return true
    }

    /// The names of the archive's essential packages, sorted.
    ///
    /// - Throws: as ``resolve(_:)``. The indices must be there: see ``update(_:)``.
    package func essentialPackages() async throws -> [String] {
        let lock = try await FolderLock(folder)
        defer { withExtendedLifetime(lock) {} }
        return try await index(environment(preferences: "", status: [], recommends: false)).essential
    }

    /// Resolves a request against the indices at hand.
    ///
    /// - Throws: `Failure` for a package the archive does not have, dependencies that cannot be met, and conflicts.
    package func resolve(_ request: PackageRequest) async throws -> Solution {
        let lock = try await FolderLock(folder)
        defer { withExtendedLifetime(lock) {} }
        let apt = try environment(
            preferences: request.preferences, status: request.status, recommends: request.recommends)
        let targets = try await targets(apt)
        for (name, pins) in request.pins.sorted(by: { $0.key < $1.key }) {
            try IndexTarget.check(
                pins, of: name, own: targets.filter { $0.source.name == name }.map(\.target),
                others: targets.filter { $0.source.name != name }.map { ($0.source.name ?? "Debian", $0.target) })
        }
        let index = try PackageIndex(targets.map { ($0.source.kind, FilePath($0.target.path)) })
        for wish in request.packages.compactMap({ PackageWish.parse($0) }) { try check(wish, index) }

        var wanted = request.packages
        if request.addsEssential {
            let named = Set(request.packages.compactMap { PackageWish.parse($0)?.name })
            let added = (index.essential + ["apt"]).filter { !named.contains($0) && index.contains($0) }
            wanted = Array(Set(wanted + added)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        }
        let verb = request.upgrades ? "dist-upgrade" : "install"
        let result = try await apt.aptGet(["--simulate", verb, "--"] + wanted)
        guard result.status == 0 else {
            throw AptMessages.solveFailure(result.text + "\n" + result.errors)
        }
        var packages: [LockedPackage] = []
        var removed: [String] = []
        for line in result.text.splitLines() {
            if line.hasPrefix("Remv "), let name = line.split(separator: " ").dropFirst().first {
                removed.append(String(name))
            }
            guard line.hasPrefix("Inst ") else { continue }
            guard let package = Self.installLine(line) else {
                throw Failure(at: "apt-get install", "apt's answer is not understood", found: String(line))
            }
            packages.append(try index.package(package))
        }
        return Solution(
            packages: PackageLock(request: request.digest, packages: packages).packages, removed: removed.sorted())
    }

    /// Takes `Inst NAME [OLD] (VERSION ORIGIN… [ARCHITECTURE]) […]` apart.
    static func installLine(_ line: Substring) -> PackageIdentity? {
        guard let open = line.firstIndex(of: "("), let close = line[open...].firstIndex(of: ")"),
            let name = line.split(separator: " ").dropFirst().first?.split(separator: ":").first
        else { return nil }
        let words = line[line.index(after: open)..<close].split(separator: " ")
        guard let version = words.first, let last = words.last, last.hasPrefix("["), last.hasSuffix("]") else {
            return nil
        }
        return PackageIdentity(
            name: String(name), version: String(version), architecture: String(last.dropFirst().dropLast()))
    }

    private func check(_ wish: PackageWish, _ index: PackageIndex) throws {
        guard index.contains(wish.name) || index.isProvided(wish.name) else {
            let near = index.nearest(to: wish.name)
            throw Failure(
                .usage, at: "packages",
                "the archive has no package '\(wish.name)'" + (near.map { ". Did you mean '\($0)'?" } ?? ""),
                expected: "a package of \(suiteNames)",
                next: "correct the recipe's packages.install")
        }
        let versions = index.versions(of: wish.name)
        if let version = wish.version, !versions.contains(version) {
            throw Failure(
                .usage, at: wish.name, "the archive has no version '\(version)' of the package",
                found: versions.joined(separator: ", "), next: "correct the recipe's packages.install")
        }
        if let suite = wish.suite, !sources.contains(where: { $0.suite == suite }) {
            throw Failure(
                .usage, at: wish.name, "the suite '\(suite)' is not one of the recipe's", found: suiteNames,
                next: "add it to the recipe's packages.suites")
        }
    }

    private var suiteNames: String { sources.map(\.suite).joined(separator: ", ") }

    private func environment(preferences: String, status: [UInt8], recommends: Bool) throws -> AptEnvironment {
        let stanzas = sources.map { source in
            """
            Types: deb
            URIs: \(mirrors.bases(for: source.kind)[0])
            Suites: \(source.suite)
            \(source.isFlat ? "" : "Components: \(source.components.joined(separator: " "))\n")\
            Architectures: \(architecture)
            Signed-By: \(source.keyring.string)

            """
        }
        return try AptEnvironment(
            folder: folder, stanzas: stanzas.joined(separator: "\n"), architecture: architecture,
            preferences: preferences, status: status, recommends: recommends, tools: tools)
    }

    /// The indices that apt has stored, by the sources (apt-get(8), indextargets).
    private func targets(_ apt: AptEnvironment) async throws -> [(source: ArchiveSource, target: IndexTarget)] {
        let result = try await apt.aptGet(["indextargets", "--format", IndexTarget.format, "Created-By: Packages"])
        let found = result.text.splitLines().compactMap { IndexTarget($0) }
        let targets = sources.flatMap { source in
            let base = mirrors.bases(for: source.kind)[0]
            let suite = source.suite == "/" ? "" : source.suite
            return found.filter { ($0.uri == base || $0.uri == base + "/") && $0.release == suite }.map { (source, $0) }
        }
        guard !targets.isEmpty else {
            throw Failure.offline(at: folder.string, "there are no package indices of \(suiteNames) here")
        }
        return targets
    }

    private func index(_ apt: AptEnvironment) async throws -> PackageIndex {
        try PackageIndex(await targets(apt).map { ($0.source.kind, FilePath($0.target.path)) })
    }
}
