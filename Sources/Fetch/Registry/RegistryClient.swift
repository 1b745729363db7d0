import CCurl
import Diagnostics
import Digests
import Foundation

/// Gets blobs and manifests of one image, by their digests (OCI distribution specification, "Pull").
package struct RegistryClient: Sendable {
    package let reference: ImageReference
    private let downloader: Downloader
    private let token: String?

    /// Asks the registry for a token where it wants one; nobody's name and password are sent.
    ///
    /// - Parameter asks: false gets nothing but what the store has.
    /// - Throws: `Failure` when the registry does not answer, or lets nobody in without a name.
    package init(_ reference: ImageReference, downloader: Downloader, asks: Bool = true) async throws {
        self.reference = reference
        self.downloader = downloader
        guard asks, try downloader.store.file(reference.digest, size: nil, check: .digest) == nil,
            let challenge = try await downloader.challenge(
                of: "\(reference.base)/manifests/sha256:\(reference.digest.hex)")
        else {
            token = nil
            return
        }
        token = try await Self.token(for: challenge, reference, downloader)
    }

    /// A manifest or an index, in the store.
    package func manifest(_ digest: SHA256Digest) async throws -> StoredFile {
        let types = [
            "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json",
            "application/vnd.docker.distribution.manifest.list.v2+json",
            "application/vnd.docker.distribution.manifest.v2+json",
        ]
        return try await get([("manifests", digest, nil)], headers: ["Accept: \(types.joined(separator: ", "))"])[0]
    }

    /// Blobs, in the store.
    ///
    /// - Parameter wanted: digests, and sizes in bytes where they are known.
    package func blobs(_ wanted: [(digest: SHA256Digest, size: UInt64?)]) async throws -> [StoredFile] {
        try await get(wanted.map { ("blobs", $0.digest, $0.size) }, headers: [])
    }

    private func get(
        _ wanted: [(kind: String, digest: SHA256Digest, size: UInt64?)], headers: [String]
    ) async throws -> [StoredFile] {
        try await downloader.fetch(
            wanted.map { kind, digest, size in
                var request = DownloadRequest(
                    urls: ["\(reference.base)/\(kind)/sha256:\(digest.hex)"], sha256: digest, size: size,
                    name: "\(reference.repository) \(digest.hex.prefix(12))")
                request.headers = headers + (token.map { ["Authorization: Bearer \($0)"] } ?? [])
                return request
            }, step: "images", check: .digest)
    }

    /// Gets a token by the challenge (distribution, "Token Authentication Specification").
    private static func token(
        for challenge: String, _ reference: ImageReference, _ downloader: Downloader
    ) async throws -> String {
        func refuse(_ found: String) -> Failure {
            Failure(
                at: reference.text, "the registry lets nobody in without a name", expected: "a token for everybody",
                found: String(found.prefix(200)),
                next: "docker pull and docker save it where you are logged in, and name the archive in docker.preload")
        }
        guard challenge.lowercased().hasPrefix("bearer "),
            let realm = parameter("realm", of: challenge),
            realm.hasPrefix("https://") || realm.hasPrefix("http://127."),
            var components = URLComponents(string: realm)
        else { throw refuse(challenge) }
        components.queryItems = [
            URLQueryItem(name: "service", value: parameter("service", of: challenge) ?? reference.registry),
            URLQueryItem(name: "scope", value: "repository:\(reference.repository):pull"),
        ]
        guard let url = components.string,
            let bytes = try await downloader.bytes(
                DownloadRequest(urls: [url], sha256: nil, size: nil, name: "token of \(reference.registry)"),
                limit: 1 << 20, step: "images")
        else { throw refuse(challenge) }
        struct Answer: Decodable {
            var token: String?
            var accessToken: String?

            enum CodingKeys: String, CodingKey {
                case token
                case accessToken = "access_token"
            }
        }
        let answer = try? JSONDecoder().decode(Answer.self, from: Data(bytes))
        guard let token = answer?.token ?? answer?.accessToken, token.count < 16_384,
            token.utf8.allSatisfy({ 33..<127 ~= $0 })
        else { throw refuse("no token in the answer of \(realm)") }
        return token
    }

    /// The value of `name="…"` in a challenge.
    static func parameter(_ name: String, of challenge: String) -> String? {
        guard let start = challenge.range(of: "\(name)=\"") else { return nil }
        let rest = challenge[start.upperBound...]
        return rest.firstIndex(of: "\"").map { String(rest[..<$0]) }
    }
}

extension Downloader {
    /// What a server asks for before it answers: `WWW-Authenticate` of an answer 401 (RFC 9110, section 11.6.1); nil when it answers
    /// at once, or not at all.
    ///
    /// - Throws: `Failure` when libcurl is out of memory.
    func challenge(of url: String) async throws -> String? {
        let options = options
        return try await withCheckedThrowingContinuation { continuation in
            Thread.detachNewThread {
                continuation.resume(
                    with: Result {
                        let transfer = try CurlTransfer(
                            job: 0, url: url, size: nil, sink: .memory(limit: 4 << 20), resumes: false, options: options
                        )
                        _ = curl_easy_perform(transfer.handle)
                        return transfer.answer.status == 401 ? transfer.answer.challenge : nil
                    })
            }
        }
    }
}
