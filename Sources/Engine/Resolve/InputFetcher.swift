import Debian
import Diagnostics
import Digests
import Fetch
import Layers
import Recipe
import Storage
import SystemPackage
import Tools

/// Gets the files that a build needs besides packages, each proven before it is used: the stock image and keyrings.
///
/// What is pinned in the lock is taken as pinned: its digest is all the proof that is needed from then on.
struct InputFetcher: Contextual {
    static let imageUse = "base image"
    static let keyringUse = "keyring"
    private static let digestKey = "base.image.trust.digest"

    let context: BuildContext
    let downloader: Downloader
    /// The recipe's lock; its pins count unless it is to be made anew.
    let lock: PackageLock?

    /// - Throws: `Failure` when the store cannot be opened.
    init(_ context: BuildContext, lock: PackageLock?) throws {
        self.context = context
        self.lock = lock
        downloader = try context.downloader()
    }

    /// A file with what pins it.
    struct Fetched {
        var pin: PinnedInput
        var path: FilePath
    }

    // MARK: The stock image

    /// The stock image's pin: the lock's, or that of the file, which is fetched and proven for it.
    ///
    /// - Throws: `Failure` for every way in which the file cannot be had or proven; nothing of it has been decoded then.
    func pin(_ stock: StockBase) async throws -> PinnedInput {
        // A pin counts for what the recipe trusts now: a file that somebody accepted is not one that is signed.
        let pinned = lock?.input(stock.file, use: Self.imageUse).flatMap {
            Self.is($0.trust, enoughFor: stock.trust) ? $0 : nil
        }
        if let pinned, !options.updateLock || stock.trust == .confirmation {
            if case .digest(let text) = stock.trust,
                let wanted = try Checksum(parsing: text, at: Self.digestKey).sha256, wanted != pinned.sha256
            {
                throw Failure(
                    .usage, at: options.lockPath.string, "the lock has another digest of \(stock.file) than the recipe",
                    expected: "sha256:\(wanted.hex)", found: "sha256:\(pinned.sha256.hex)",
                    next: "correct the recipe, or renew the lock with --update-lock")
            }
            return pinned
        }
        guard !options.offline else {
            throw Failure.offline(
                at: stock.file, "the image is not pinned in the lock file, and may not be fetched")
        }
        switch stock.trust {
        case .signature(let sums):
            let source = try await signedSource(stock, sums)
            let work = try TemporaryFolder(in: cache.work, name: "signature")
            let vouched = try await source.verifiedSum(downloader: downloader, work: work.path, tools: tools)
            let file = try await get(vouched.request())
            withExtendedLifetime(work) {}
            return try PinnedInput(
                name: stock.file, use: Self.imageUse, size: file.size, sha256: file.digest,
                trust: .signature(vouched.signature.key.description))
        case .digest(let text):
            let sum = try Checksum(parsing: text, at: Self.digestKey)
            let file = try await get(
                DownloadRequest(
                    urls: urls(stock), sha256: sum.sha256, size: nil, name: stock.file,
                    checksums: sum.sha256 == nil ? [sum] : []))
            return try PinnedInput(
                name: stock.file, use: Self.imageUse, size: file.size, sha256: file.digest, trust: .recipe)
        case .confirmation:
            // All that must be accepted is asked for before (`requireAcceptance`).
            throw Failure(
                at: stock.file, "the image is not accepted",
                next: options.command("lock accept", "--all"))
        }
    }

    private static func `is`(_ pinned: PinnedInput.Trust, enoughFor wanted: StockBase.Trust) -> Bool {
        switch (pinned, wanted) {
        case (.signature(let key), .signature(let sums)): sums.keys.contains(key.filter { $0 != " " }.uppercased())
        case (.recipe, .digest), (_, .confirmation): true
        default: false
        }
    }

    /// The stock image itself, in the store.
    func image(_ stock: StockBase, _ pin: PinnedInput) async throws -> FilePath {
        if let stored = try downloader.store.file(pin.sha256, size: pin.size, check: .digest) { return stored.path }
        guard !options.offline else {
            throw Failure.offline("the image \(stock.file) is not in the store")
        }
        let request = DownloadRequest(urls: urls(stock), sha256: pin.sha256, size: pin.size, name: stock.file)
        return try await suspecting(pin) { try await get(request).path }
    }

    /// Says more of a download that does not have the pinned bytes.
    func suspecting<Value>(_ pin: PinnedInput, _ body: () async throws -> Value) async throws -> Value {
        do { return try await body() } catch var failure as Failure {
            // Of a file that only a person vouched for, no publisher can say whether the new one is as good.
            if pin.trust == .accepted, failure.cause == .otherFile {
                failure.message += ": another file than the one that was accepted, maybe an attack on the supply chain"
                failure.next =
                    "find out why it changed; to accept the new one, take its line out of \(options.lockPath)"
            }
            throw failure
        }
    }

    /// The pin for a file that a person vouches for. The file must have been fetched, so that it is known what is accepted.
    ///
    /// - Parameter use: where two files have one name, which of them; nil for the first.
    /// - Throws: `Failure` when the recipe has no such file to accept, or no file of that digest was fetched.
    func accept(_ name: String, _ digest: SHA256Digest, use: String? = nil) throws -> PinnedInput {
        let files = candidates
        guard !files.isEmpty else {
            throw Failure(
                .usage, at: options.recipePath.string, "the recipe has no file that must be accepted",
                expected: "base.image with trust: confirm, or a runtime's release file without sha256")
        }
        guard let wanted = files.first(where: { $0.name == name && use ?? $0.use == $0.use }) else {
            throw Failure(
                .usage, at: options.recipePath.string, "the recipe has no file '\(name)' that must be accepted",
                expected: files.map(\.name).joined(separator: ", "))
        }
        guard let file = try downloader.store.file(digest, size: nil, check: .digest) else {
            throw Failure(
                at: name, "no file with this sum was fetched",
                expected: "sha256:\(digest.hex) in \(cache.store)",
                next: "\(options.command("build")) fetches it, and shows its sum")
        }
        return try PinnedInput(name: name, use: wanted.use, size: file.size, sha256: digest, trust: .accepted)
    }

    private func signedSource(_ stock: StockBase, _ sums: StockBase.SignedSums) async throws -> SignedSource {
        let ring = try await keyring(sums.keyring)
        return SignedSource(
            folders: folders(stock), file: stock.file, sums: sums.sums, signature: sums.file,
            keyring: ring.path, keyringName: ring.pin.name,
            keys: try sums.keys.map { try KeyFingerprint(parsing: $0, at: "base.image.trust.signature.keys") },
            allowsWeakKeys: sums.allowsWeakKeys)
    }

    /// The mirrors; a path that is not absolute starts at the recipe's folder.
    private func folders(_ stock: StockBase) -> [String] {
        stock.mirrors.map { mirror in
            if mirror.contains("://") || mirror.hasPrefix("/") || mirror.hasPrefix("file:") { return mirror }
            return options.recipePath.removingLastComponent().pushing(FilePath(mirror)).lexicallyNormalized().string
        }
    }

    func urls(_ stock: StockBase) -> [String] {
        folders(stock).map { $0.hasSuffix("/") ? $0 + stock.file : "\($0)/\(stock.file)" }
    }

    private func get(_ request: DownloadRequest) async throws -> StoredFile {
        let files = try await downloader.fetch([request], step: "base image", check: .digest)
        guard let file = files.first else { throw Failure(at: request.name, "the file could not be fetched") }
        return file
    }

    // MARK: Keyrings

    /// A keyring as a file.
    ///
    /// - Throws: `Failure` when it cannot be had, or holds other keys than it should.
    func keyring(_ keyring: Keyring) async throws -> Fetched {
        switch keyring {
        case .file(let path):
            let bytes = try OpenPGPKeyring.read(path.path).binary
            return try fetched(bytes, name: path.written, trust: .recipe)
        case .package(let name):
            if let known = try known(name) { return known }
            return try await packaged(name)
        case .url(let url, let keys):
            if let known = try known(url) { return known }
            guard !options.offline else { throw notOffline(url) }
            let request = DownloadRequest(urls: [url], sha256: nil, size: nil, name: url)
            guard let bytes = try await downloader.bytes(request, limit: OpenPGPKeyring.limit, step: "keyring") else {
                throw Failure(at: url, "there is no keyring", next: "correct the recipe")
            }
            let ring = try OpenPGPKeyring(bytes, at: url)
            let wanted = Set(try keys.map { try KeyFingerprint(parsing: $0, at: url) })
            let found = Set(ring.keys.map(\.fingerprint))
            guard wanted == found else {
                throw Failure(
                    at: url, "the keyring holds other keys than the recipe names",
                    expected: wanted.map(\.description).sorted().joined(separator: ", "),
                    found: found.map(\.description).sorted().joined(separator: ", "),
                    next: "compare with what the publisher says, then correct the recipe")
            }
            return try fetched(ring.binary, name: url, trust: .recipe)
        }
    }

    private func known(_ name: String) throws -> Fetched? {
        guard !options.updateLock, let pin = lock?.input(name, use: Self.keyringUse),
            let file = try downloader.store.file(pin.sha256, size: pin.size, check: .digest)
        else { return nil }
        return Fetched(pin: pin, path: file.path)
    }

    private func fetched(_ bytes: [UInt8], name: String, trust: PinnedInput.Trust) throws -> Fetched {
        let file = try downloader.store.add(bytes)
        // A package's new version is as good as the old one: Debian's archive signs both.
        var isSigned = false
        if case .package = trust { isSigned = !options.locked }
        if let pin = lock?.input(name, use: Self.keyringUse), !options.updateLock, !isSigned, pin.sha256 != file.digest
        {
            throw Failure(
                at: name,
                "the keyring is another than the one that is pinned: this may be an attack on the supply chain",
                expected: "sha256:\(pin.sha256.hex) (\(options.lockPath))", found: "sha256:\(file.digest.hex)",
                next: "find out why it changed; --update-lock pins the new one")
        }
        let pin = try PinnedInput(
            name: name, use: Self.keyringUse, size: file.size, sha256: file.digest, trust: trust)
        return Fetched(pin: pin, path: file.path)
    }

    /// Takes a keyring out of its Debian package, which comes from Debian's signed archive.
    private func packaged(_ name: String) async throws -> Fetched {
        guard !options.offline else { throw notOffline(name) }
        let request = try PackageRequest(
            sources: ArchiveSource.suites([Self.keyringSuite], components: ["main"]), packages: [name],
            addsEssential: false)
        let provided = try await context.provider(downloader, sources: []).provide(request, lock: nil)
        let path = try EntryPath(validating: "usr/share/keyrings/\(name).gpg")
        // The package itself, or one that it only leads to since its contents have moved.
        for file in provided.files.filter({ $0.name == name }) + provided.files.filter({ $0.name != name }) {
            let package = try DebianPackage.unpack(file, store: cache.layers)
            guard let content = try Tree([package.data]).content(path), content.size <= UInt64(OpenPGPKeyring.limit)
            else { continue }
            return try fetched(
                try ContentReader().bytes(of: content), name: name, trust: .package("\(file.identity)"))
        }
        throw Failure(
            at: name, "neither the package nor what it depends on brings \(path)",
            found: provided.files.map(\.identity.description).joined(separator: ", "),
            next: "name a keyring as a file: keyring: {file: PATH}")
    }

    /// Where packages that only bring keys are taken from.
    private static let keyringSuite = "trixie"

    private func notOffline(_ name: String) -> Failure {
        .offline("the keyring \(name) is not in the store")
    }
}

extension Optional {
    /// As `map`, for a transform that suspends.
    func mapAsync<Value>(_ transform: (Wrapped) async throws -> Value) async rethrows -> Value? {
        guard let wrapped = self else { return nil }
        return try await transform(wrapped)
    }
}
