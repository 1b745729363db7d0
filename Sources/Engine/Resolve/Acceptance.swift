import Debian
import Diagnostics
import Digests
import Fetch
import Foundation
import Recipe
import Storage
import SystemPackage

/// A fetched file that nothing vouches for but the user, as it is shown before it is accepted.
package struct FileToAccept: Sendable, Codable, Equatable {
    /// What the lock calls it.
    package let name: String
    /// What it is used for: `base image`, `runtime`.
    package let use: String
    /// Of the file as it was fetched, 64 hex digits.
    package let sha256: String
    /// Bytes.
    package let size: UInt64
    /// Where it comes from, tried in this order.
    package let urls: [String]
    /// Where its publisher shows a digest to compare with; nil where that is not known.
    package let publisher: String?

    init(name: String, use: String, digest: SHA256Digest, size: UInt64, urls: [String]) {
        self.name = name
        self.use = use
        sha256 = digest.hex
        self.size = size
        self.urls = urls
        publisher = urls.lazy.compactMap(Self.publisher).first
    }

    /// The page of a GitHub release, which shows a SHA-256 digest beside each file that was uploaded since June 2025 (GitHub changelog,
    /// "Releases now expose digests for release assets"); nil for any other URL.
    package static func publisher(of url: String) -> String? {
        let parts = url.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 9, parts[0] == "https:", parts[2] == "github.com", parts[5] == "releases" else {
            return nil
        }
        let releases = "https://github.com/\(parts[3])/\(parts[4])/releases"
        // https://github.com/OWNER/NAME/releases/download/TAG/FILE, or …/releases/latest/download/FILE
        if parts[6] == "download" { return "\(releases)/tag/\(parts[7])" }
        return parts[6] == "latest" && parts[7] == "download" ? "\(releases)/latest" : nil
    }

    /// For a person: several lines, the first with the name.
    package var text: String {
        let compare =
            publisher.map { "compare with the digest beside it on \($0)" } ?? "compare with what its publisher says"
        return """
            \(name), \(size) bytes
              sha256:\(sha256)
              from \(urls.joined(separator: " or "))
              \(compare)
            """
    }
}

extension InputFetcher {
    /// A file that a person has to accept, before it is known what it is. The lock knows it by name and use.
    struct Candidate {
        var name: String
        var use: String
        var urls: [String]

        /// Whether no file of this machine may be meant.
        var isRemote: Bool { localURLs.isEmpty }

        /// Paths and `file:` URLs.
        var localURLs: [String] { urls.filter { !$0.contains("://") || $0.hasPrefix("file:") } }
    }

    /// What the recipe has of such files, accepted or not. A new kind of file that nothing vouches for is one more line here.
    var candidates: [Candidate] {
        let image = recipe.stock.flatMap { stock in
            stock.trust == .confirmation ? Candidate(name: stock.file, use: Self.imageUse, urls: urls(stock)) : nil
        }
        return [image].compactMap(\.self)
            + recipe.artefacts.filter { $0.sha256 == nil }.map {
                Candidate(name: $0.name, use: Self.artefactUse, urls: $0.urls)
            }
    }

    /// Fetches every file that must be accepted and is not yet.
    ///
    /// - Parameter anew: whether a file that was fetched before is fetched again, since its publisher may have replaced it; without a
    ///   network none is.
    /// - Throws: `Failure` for a file that cannot be had.
    func filesToAccept(anew: Bool) async throws -> [FileToAccept] {
        let wanted = candidates.filter { lock?.input($0.name, use: $0.use) == nil }
        guard !wanted.isEmpty else { return [] }
        var files = try wanted.map { anew && !options.offline ? nil : try remembered($0) }
        let missing = wanted.indices.filter { files[$0] == nil }
        // A file of this machine is there without a network.
        let barred = options.offline ? missing.filter { wanted[$0].localURLs.isEmpty } : []
        guard barred.isEmpty else {
            throw Failure.offline(
                at: barred.map { wanted[$0].name }.joined(separator: ", "),
                barred.count == 1
                    ? "the file is not pinned in the lock file, and may not be fetched"
                    : "the files are not pinned in the lock file, and may not be fetched")
        }
        let requests = missing.map {
            DownloadRequest(
                urls: options.offline ? wanted[$0].localURLs : wanted[$0].urls, sha256: nil, size: nil,
                name: wanted[$0].name)
        }
        for (index, file) in zip(missing, try await downloader.fetch(requests, step: "files", check: .digest)) {
            files[index] = file
            try remember(wanted[index], file)
        }
        return zip(wanted, files).compactMap { candidate, file in
            file.map {
                FileToAccept(
                    name: candidate.name, use: candidate.use, digest: $0.digest, size: $0.size, urls: candidate.urls)
            }
        }
    }

    // What a build fetched and showed is found again by its URLs, so that it is not fetched twice to be accepted. A file of this
    // machine is looked at anew.

    private func record(_ candidate: Candidate) -> FilePath {
        let hasher = KeyHasher(purpose: "file to accept")
        for url in candidate.urls { hasher.add(url) }
        return cache.plans.appending("accept-\(hasher.finalize().hex.prefix(32)).sha256")
    }

    private func remember(_ candidate: Candidate, _ file: StoredFile) throws {
        guard candidate.isRemote else { return }
        try writeAtomically(to: record(candidate), bytes: Array("\(file.digest.hex)\n".utf8))
    }

    private func remembered(_ candidate: Candidate) throws -> StoredFile? {
        guard candidate.isRemote, let text = try? readFile(record(candidate), limit: 65),
            let digest = SHA256Digest(hex: String(decoding: text.prefix(64), as: UTF8.self))
        else { return nil }
        return try downloader.store.file(digest, size: nil, check: .digest)
    }
}

extension InputFetcher {
    /// Stops a build with everything that must be accepted first.
    ///
    /// - Throws: `Failure` that lists the files; as ``filesToAccept(anew:)``.
    func requireAcceptance() async throws {
        let files = try await filesToAccept(anew: true)
        guard !files.isEmpty else { return }
        throw Failure(
            at: options.recipePath.string,
            files.count == 1
                ? "nothing vouches for a file but you" : "nothing vouches for \(files.count) files but you",
            expected: "a pin in \(options.lockPath) for each, given by somebody who has compared the sums",
            found: files.map(\.text).joined(separator: "\n").replacing("\n", with: "\n            "),
            next: options.command("lock accept", "--all")
        )
    }
}
