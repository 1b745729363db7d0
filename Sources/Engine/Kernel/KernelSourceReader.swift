import Debian
import Diagnostics
import Digests
import Fetch
import Kernel
import Layers
import Packages
import Recipe
import Storage
import SystemPackage
import Tools

/// Gets a kernel's source, proves it, and takes out the part that Kconfig reads.
struct KernelSourceReader: Contextual {
    static let step = "kernel source"

    let source: KernelSource
    let context: BuildContext
    let fetcher: InputFetcher
    /// Whether a lock may be written.
    let writesLock: Bool

    /// A tar archive with a source.
    private struct SourceArchive {
        var file: OpenFile
        /// The archive's bytes in it.
        var range: Range<UInt64>
        var compression: ArchiveCompression
        /// Whether all lies in one folder.
        var strips: Bool
        /// For messages.
        var place: String
    }

    /// A source's part for Kconfig, and what it is.
    struct Part {
        var layer: Layer
        /// `linux-source-6.12 6.12.48-1`.
        var name: String
        /// What proves it: the digest or commit of the whole source.
        var identity: String
    }

    /// What the whole source is and what proves it, `sha256:…`, `commit:…` or `tree:…`, without unpacking it.
    ///
    /// - Throws: `Failure` for a source whose version cannot be told, or a tree that cannot be read.
    func identity() async throws -> (name: String, proof: String) {
        switch source.origin {
        case .debian(let package, let suite):
            // What the lock pins need not be fetched to be known.
            if let found = try pinned(package, suite) {
                return ("\(package) \(found.version)", "sha256:\(found.sha256.hex)")
            }
            let file = try await packageFile(package, suite)
            return ("\(package) \(file.version)", "sha256:\(file.sha256.hex)")
        case .tarball(let place, let sha256): return (Self.name(ofTarball: place), "sha256:\(sha256)")
        case .git(let url, let commit): return (Self.name(url, commit), "commit:\(commit)")
        case .tree(let path): return (path.written, "tree:\(try KernelTreeCopy(path.path).digest().hex)")
        }
    }

    private func pinned(_ package: String, _ suite: String) throws -> LockedPackage? {
        guard !options.updateLock, exists(options.kernelLockPath) else { return nil }
        let lock = try PackageLock.read(options.kernelLockPath)
        guard lock.request == (try request(package, suite).digest) else { return nil }
        return lock.packages.first { $0.name == package }
    }

    /// - Parameter also: files that are wanted besides: those that the patches change.
    /// - Throws: `Failure` for a source that cannot be had, is not the one that is pinned, or is none of a kernel.
    func part(also: Set<EntryPath>) async throws -> Part {
        switch source.origin {
        case .debian(let package, let suite): try await debian(package, suite, also)
        case .tarball(let place, let sha256): try await tarball(place, sha256, also)
        case .git(let url, let commit): try await git(url, commit, also)
        case .tree(let path): try tree(path, also)
        }
    }

    /// Writes the whole source into an empty folder.
    ///
    /// - Throws: as ``part(also:)``; `CancellationError`.
    func whole(to folder: FilePath) async throws {
        let work = try TemporaryFolder(in: cache.work, name: "git")
        defer { withExtendedLifetime(work) {} }
        let archive: SourceArchive
        switch source.origin {
        case .debian(let package, let suite):
            archive = try self.archive(package, try await packageFile(package, suite))
        case .tarball(let place, let sha256):
            guard let digest = SHA256Digest(hex: sha256) else {
                throw Failure(.usage, at: "kernel.source.sha256", "no SHA-256")
            }
            archive = try await self.archive(ofTarball: place, digest)
        case .git(let url, let commit):
            archive = try await self.archive(ofCommit: commit, url, work: work.path, where: nil)
        case .tree(let path):
            progress.report(.started(step: Self.step, detail: "all of \(path.written)"))
            try KernelTreeCopy(path.path).write(to: folder)
            return progress.report(.finished(step: Self.step, detail: path.written, cached: false))
        }
        progress.report(.started(step: Self.step, detail: "all of \(archive.place)"))
        try KernelSourceArchive.unpack(
            archive.file, range: archive.range, compression: archive.compression, strips: archive.strips,
            place: archive.place, to: folder, progress: reporting(archive.place))
        progress.report(.finished(step: Self.step, detail: archive.place, cached: false))
    }

    // MARK: A Debian package

    private func debian(_ package: String, _ suite: String, _ also: Set<EntryPath>) async throws -> Part {
        // Room is what fails late: the package and what is taken out of it are looked for first.
        if let pinned = try pinned(package, suite) {
            let name = "\(package) \(pinned.version)"
            if let stored = try cache.layers.layer(key(pinned.sha256.hex, also), name: name) {
                return Part(layer: stored, name: name, identity: "sha256:\(pinned.sha256.hex)")
            }
        }
        try checkRoom(1 << 30)
        let file = try await packageFile(package, suite)
        let name = "\(package) \(file.version)"
        let key = key(file.sha256.hex, also)
        let identity = "sha256:\(file.sha256.hex)"
        if let stored = try cache.layers.layer(key, name: name) {
            return Part(layer: stored, name: name, identity: identity)
        }
        let archive = try archive(package, file)
        let layer = try extract(archive, also, key: key)
        return Part(layer: layer, name: name, identity: identity)
    }

    /// The tarball that a Debian package of source brings.
    private func archive(_ package: String, _ file: PackageFile) throws -> SourceArchive {
        let name = "\(package) \(file.version)"
        progress.report(.started(step: Self.step, detail: name))
        let unpacked = try DebianPackage.unpack(file, store: cache.layers)
        let archive = try EntryPath(validating: "usr/src/\(package).tar.xz")
        guard let content = try Tree([unpacked.data]).content(archive),
            case .file(let path, let offset) = content.source
        else { throw Failure(at: name, "the package brings no \(archive)", next: "name a linux-source package") }
        return SourceArchive(
            file: try OpenFile.reading(path), range: offset..<(offset + content.size), compression: .xz, strips: true,
            place: "\(name): \(package).tar.xz")
    }

    private func request(_ package: String, _ suite: String) throws -> PackageRequest {
        let suites = suite == "sid" ? [suite] : [suite, "\(suite)-updates", "\(suite)-security"]
        // What the package depends on is for those who compile where it is installed. It is not installed here.
        let installed = ["binutils", "xz-utils"].map { name in
            "Package: \(name)\nStatus: install ok installed\nMaintainer: none\nArchitecture: arm64\nVersion: 1:9999\nDescription: none\n\n"
        }
        return try PackageRequest(
            sources: ArchiveSource.suites(suites, components: ["main"]), packages: [package], addsEssential: false,
            status: Array(installed.joined().utf8))
    }

    private func packageFile(_ package: String, _ suite: String) async throws -> PackageFile {
        let request = try request(package, suite)
        let lock = exists(options.kernelLockPath) ? try PackageLock.read(options.kernelLockPath) : nil
        let provided = try await context.provider(fetcher.downloader, sources: []).provide(
            request, lock: lock,
            options: PackageOptions(
                lock: options.updateLock ? .update : options.locked ? .require : .prefer, offline: options.offline))
        guard let found = provided.files.first(where: { $0.name == package }) else {
            throw Failure(.usage, at: package, "Debian's archive has no package of that name")
        }
        switch provided.origin {
        case .locked: break
        case .replaced(let why, _):
            progress.report(.note(step: Self.step, text: "\(why): \(package) \(found.version) instead"))
        case .solved, .updated:
            if writesLock {
                try provided.lock.write(to: options.kernelLockPath)
                progress.report(.note(step: Self.step, text: "wrote \(options.kernelLockPath)"))
            }
        }
        return found
    }

    // MARK: A tarball

    private func tarball(_ place: String, _ sha256: String, _ also: Set<EntryPath>) async throws -> Part {
        guard let digest = SHA256Digest(hex: sha256) else {
            throw Failure(.usage, at: "kernel.source.sha256", "no SHA-256")
        }
        let name = Self.name(ofTarball: place)
        let key = key(sha256, also)
        let identity = "sha256:\(sha256)"
        if let stored = try cache.layers.layer(key, name: name) {
            return Part(layer: stored, name: name, identity: identity)
        }
        let layer = try extract(try await archive(ofTarball: place, digest), also, key: key)
        return Part(layer: layer, name: name, identity: identity)
    }

    private func archive(ofTarball place: String, _ digest: SHA256Digest) async throws -> SourceArchive {
        let name = Self.name(ofTarball: place)
        let isURL = place.contains("://")
        let stored = try fetcher.downloader.store.file(digest, size: nil, check: .digest)
        guard stored != nil || !isURL || !options.offline else {
            throw Failure.offline("the source \(name) is not in the store")
        }
        try checkRoom(1 << 30)
        let request = DownloadRequest(
            urls: [isURL ? place : seenFromRecipe(place)], sha256: digest, size: nil, name: name)
        let files = try await fetcher.downloader.fetch([request], step: Self.step, check: .digest)
        guard let file = files.first else { throw Failure(at: name, "the file could not be fetched") }
        let opened = try OpenFile.reading(file.path)
        return SourceArchive(
            file: opened, range: 0..<file.size, compression: try Self.compression(opened, file.size), strips: true,
            place: name)
    }

    private static func name(ofTarball place: String) -> String {
        place.split(separator: "/").last.map(String.init) ?? place
    }

    /// By the first bytes: xz (file format 1.0.4, section 2.1.1.1), gzip (RFC 1952, section 2.3.1), zstd (RFC 8878, section 3.1.1).
    private static func compression(_ file: OpenFile, _ size: UInt64) throws -> ArchiveCompression {
        let start = try file.bytes(at: 0, count: Int(min(size, 6)))
        if start == [0xFD, 0x37, 0x7A, 0x58, 0x5A, 0x00] { return .xz }
        if start.starts(with: [0x1F, 0x8B]) { return .gzip }
        return start.starts(with: [0x28, 0xB5, 0x2F, 0xFD]) ? .zstd : .none
    }

    private func seenFromRecipe(_ path: String) -> String {
        options.recipePath.removingLastComponent().pushing(FilePath(path)).lexicallyNormalized().string
    }

    // MARK: A commit

    private static func name(_ url: String, _ commit: String) -> String {
        "\(url.split(separator: "/").last ?? "") \(commit.prefix(12))"
    }

    private func git(_ url: String, _ commit: String, _ also: Set<EntryPath>) async throws -> Part {
        let name = Self.name(url, commit)
        let key = key(commit, also)
        let identity = "commit:\(commit)"
        if let stored = try cache.layers.layer(key, name: name) {
            return Part(layer: stored, name: name, identity: identity)
        }
        let work = try TemporaryFolder(in: cache.work, name: "git")
        let archive = try await archive(ofCommit: commit, url, work: work.path) { path in
            KconfigTree.isNeeded(path) || also.contains(path)
        }
        let layer = try extract(archive, also, key: key)
        withExtendedLifetime(work) {}
        return Part(layer: layer, name: name, identity: identity)
    }

    /// Fetches a commit, and has git pack some of its files.
    ///
    /// - Parameter isWanted: nil is all of them.
    private func archive(
        ofCommit commit: String, _ url: String, work: FilePath, where isWanted: ((EntryPath) -> Bool)?
    ) async throws -> SourceArchive {
        let name = Self.name(url, commit)
        let isURL = url.contains(":")
        guard !options.offline || !isURL else {
            throw Failure.offline("the commit \(name) is not in the cache")
        }
        try checkRoom(3 << 30)
        progress.report(.started(step: Self.step, detail: name))
        var environment = ProxySettings(environment: options.environment).environment
        environment["GIT_CONFIG_NOSYSTEM"] = "1"
        environment["GIT_TERMINAL_PROMPT"] = "0"
        for variable in ["GIT_SSL_CAINFO", "SSL_CERT_FILE"] { environment[variable] = options.environment[variable] }
        let tools = ToolRunner(environment: environment)
        // A git URL `ext::…` would run a program.
        let always = ["-c", "protocol.ext.allow=never", "-c", "safe.directory=*", "-C", work.string]
        try await tools.run(.git, ["init", "--quiet", "--bare", work.string], place: name)
        try await tools.run(
            .git,
            always + ["fetch", "--quiet", "--depth=1", "--no-tags", "--", isURL ? url : seenFromRecipe(url), commit],
            place: url)
        var paths: [String] = []
        if let isWanted {
            // git names objects by their digest, so what bears the commit's id is the commit.
            let listing = try await tools.run(
                .git, always + ["ls-tree", "-r", "-z", "--name-only", commit], place: name)
            paths = listing.output.split(separator: 0).filter { bytes in
                (try? EntryPath(validating: bytes)).map(isWanted) ?? false
            }.map { ":(literal)" + String(decoding: $0, as: UTF8.self) }
        }
        let archive = work.appending("part.tar")
        try await tools.run(
            .git,
            always + ["archive", "--format=tar", "--output=\(archive)", commit] + (paths.isEmpty ? [] : ["--"] + paths),
            place: name)
        let file = try OpenFile.reading(archive)
        return SourceArchive(file: file, range: 0..<(try file.size()), compression: .none, strips: false, place: name)
    }

    // MARK: A tree

    private func tree(_ path: HostPath, _ also: Set<EntryPath>) throws -> Part {
        let layer = try KconfigTree.copy(path.path, also: also)
        let hasher = KeyHasher(purpose: "kernel source tree")
        for entry in layer.entries {
            guard case .regular(let content) = entry.kind else { continue }
            hasher.add(entry.path.bytes)
            hasher.add(content.digest)
        }
        return Part(layer: layer, name: path.written, identity: "tree:\(hasher.finalize().hex)")
    }

    // MARK: The part

    private func key(_ identity: String, _ also: Set<EntryPath>) -> SHA256Digest {
        let hasher = KeyHasher(purpose: "kconfig tree")
        hasher.add(KconfigTree.formatVersion)
        hasher.add(LayerStore.formatVersion)
        hasher.add(identity)
        for path in also.sorted() { hasher.add(path.bytes) }
        return hasher.finalize()
    }

    private func extract(_ archive: SourceArchive, _ also: Set<EntryPath>, key: SHA256Digest) throws -> Layer {
        progress.report(.started(step: Self.step, detail: archive.place))
        let layer = try cache.layers.layer(key, name: archive.place) { writer in
            try KconfigTree.extract(
                archive.file, range: archive.range, compression: archive.compression, also: also,
                strips: archive.strips,
                place: archive.place, into: writer, progress: reporting(archive.place))
        }
        progress.report(.finished(step: Self.step, detail: "\(layer.entries.count) files for Kconfig", cached: false))
        return layer
    }

    /// Tells of every 32 MiB.
    private func reporting(_ place: String) -> (UInt64) -> Void {
        var reported: UInt64 = 0
        return { bytes in
            guard bytes - reported > 32 << 20 else { return }
            reported = bytes
            progress.report(.advanced(step: Self.step, completed: bytes, total: nil, unit: .bytes, detail: place))
        }
    }

    func checkRoom(_ needed: UInt64) throws {
        try requireRoom(needed, at: cache.root, "for a kernel's source")
    }
}
