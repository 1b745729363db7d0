import Diagnostics
import Digests
import Storage
import SystemPackage
import Tools

/// A published file whose sum stands in a signed list beside it, as distributions publish their images.
///
///     http://mirror/release/NAME.img.xz
///     http://mirror/release/SHA256SUMS         a line for NAME.img.xz
///     http://mirror/release/SHA256SUMS.gpg     a detached signature over SHA256SUMS
///
/// The list and its signature come from the same mirror, and nothing of the list is parsed before its signature is found
/// good.
package struct SignedSource: Sendable, Equatable {
    /// The mirrors' folders, tried in this order: URLs or plain paths.
    package var folders: [String]
    /// The file's name in the folder, and in the list.
    package var file: String
    /// The list's name in the folder.
    package var sums: String
    /// The name of the list's detached signature in the folder.
    package var signature: String
    /// The file with the publisher's public keys.
    package var keyring: FilePath
    /// The keyring in errors: as the recipe names it.
    package var keyringName: String
    /// The primary keys that are trusted.
    package var keys: [KeyFingerprint]
    /// Whether keys that are too small count.
    package var allowsWeakKeys: Bool

    package init(
        folders: [String], file: String, sums: String = "SHA256SUMS", signature: String = "SHA256SUMS.gpg",
        keyring: FilePath, keyringName: String? = nil, keys: [KeyFingerprint], allowsWeakKeys: Bool = false
    ) {
        self.folders = folders
        self.file = file
        self.sums = sums
        self.signature = signature
        self.keyring = keyring
        self.keyringName = keyringName ?? keyring.string
        self.keys = keys
        self.allowsWeakKeys = allowsWeakKeys
    }

    /// The places of a file of the folder, one for each mirror.
    package func urls(of name: String) -> [String] { folders.map { Self.url(of: name, in: $0) } }

    /// A download of the file itself, proven by its SHA-256 as a lock file keeps it.
    package func request(sha256: SHA256Digest, size: UInt64? = nil) -> DownloadRequest {
        DownloadRequest(urls: urls(of: file), sha256: sha256, size: size, name: file)
    }

    /// Fetches the list and its signature, verifies, and gives the file's sum with what vouches for it.
    ///
    /// A mirror whose list or signature is missing, does not verify, or has no line for the file, is passed over.
    ///
    /// - Parameter work: a folder for temporary files.
    /// - Throws: `Failure` when no mirror has a list that verifies and names the file: the gravest of the mirrors' errors, a
    ///   bad signature before all others; `CancellationError`.
    package func verifiedSum(
        downloader: Downloader, work: FilePath, tools: ToolRunner = ToolRunner()
    ) async throws -> VouchedSum {
        let verifier = SignatureVerifier(
            keyring: keyring, keyringName: keyringName, keys: keys, allowsWeakKeys: allowsWeakKeys, tools: tools)
        // A wrong keyring is no mirror's fault.
        _ = try verifier.pinnedKeyring()
        var failures: [(gravity: Gravity, failure: Failure)] = []
        for folder in folders {
            var reached = Gravity.missing
            do {
                let place = Self.url(of: sums, in: folder)
                let signaturePlace = Self.url(of: signature, in: folder)
                let proof = try await fetch(signaturePlace, limit: DetachedSignature.limit, downloader)
                let text = try await fetch(place, limit: SumsList.limit, downloader)
                reached = .signature
                let vouched = try await verifier.verify(
                    signature: proof, at: shownURL(signaturePlace), over: text, at: shownURL(place), work: work)
                reached = .line
                let list = try SumsList(parsing: text, at: shownURL(place))
                let sum = try list.checksum(of: file)
                guard sum.algorithm.isStrong else { throw Self.weakSum(sum, of: file, at: shownURL(place)) }
                return VouchedSum(source: self, sum: sum, signature: vouched, list: place, listDigest: .of(text))
            } catch let failure as Failure {
                failures.append((reached, failure))
            }
        }
        guard let gravest = failures.max(by: { $0.gravity < $1.gravity }) else {
            throw Failure(.usage, at: file, "no mirror is named for the file", expected: "at least one")
        }
        let others = failures.map(\.failure).filter { $0 != gravest.failure }
        throw gravest.failure.with(others: others.map { "\($0.place): \($0.message)" })
    }

    /// How far a mirror came before it failed; what came furthest tells most, except that a signature that is no proof
    /// tells more than a list without the line.
    private enum Gravity: Int, Comparable {
        case missing, line, signature
        static func < (a: Gravity, b: Gravity) -> Bool { a.rawValue < b.rawValue }
    }

    private func fetch(_ url: String, limit: Int, _ downloader: Downloader) async throws -> [UInt8] {
        let request = DownloadRequest(urls: [url], sha256: nil, size: nil, name: shownURL(url))
        if let bytes = try await downloader.bytes(request, limit: limit) { return bytes }
        throw Failure(
            at: shownURL(url), "the mirror does not have the file", expected: "the list of sums and its signature",
            found: "not found", next: "name another mirror of \(file)")
    }

    private static func weakSum(_ sum: Checksum, of file: String, at place: String) -> Failure {
        Failure(
            at: place, "the list gives the file no sum that proves it", expected: "a SHA-256 or a SHA-512",
            found: "\(file) \(sum)", next: "name the publisher's list of SHA-256 sums")
    }

    private static func url(of name: String, in folder: String) -> String {
        folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
    }
}

/// The sum of a published file, and what vouches for it.
package struct VouchedSum: Sendable, Equatable {
    /// Where the file may be had: all mirrors, also those whose list was passed over.
    package let source: SignedSource
    /// A SHA-256 or a SHA-512.
    package let sum: Checksum
    /// The signature over the list that has the sum.
    package let signature: VerifiedSignature
    /// The list's URL.
    package let list: String
    /// The SHA-256 of the list itself.
    package let listDigest: SHA256Digest

    /// The file's SHA-256; nil where the list has only SHA-512, and the SHA-256 is known once the file is fetched.
    package var sha256: SHA256Digest? { sum.sha256 }

    /// A download of the file, from the source's mirrors, that must have the sum.
    ///
    /// - Parameter size: the size in bytes, where it is known.
    package func request(size: UInt64? = nil) -> DownloadRequest {
        DownloadRequest(
            urls: source.urls(of: source.file), sha256: sha256, size: size, name: source.file,
            checksums: sha256 == nil ? [sum] : [])
    }
}
