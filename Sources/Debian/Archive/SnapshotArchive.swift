import Diagnostics
import Fetch
import Foundation

/// Debian's snapshot archive, which keeps every version that Debian's mirrors ever had, by SHA-1.
///
/// Its machine-readable interface (snapshot.debian.org, "API"): `/mr/binary/NAME/VERSION/binfiles` names the SHA-1 of
/// a binary package's files, one for each architecture, and `/file/SHA1` has the bytes. The SHA-1 only finds a file;
/// what proves it is the lock's SHA-256.
package struct SnapshotArchive: Sendable {
    /// The service's base URL, without a slash at the end.
    package let base: String

    package init(base: String = "https://snapshot.debian.org") { self.base = base }

    /// The URL of a package's .deb; nil when the archive does not know that version.
    ///
    /// - Throws: `Failure` when the archive cannot be reached, or its answer is not understood.
    func url(of package: LockedPackage, downloader: Downloader) async throws -> String? {
        let query = "\(base)/mr/binary/\(escapedPath(package.name))/\(escapedPath(package.version))/binfiles"
        let request = DownloadRequest(urls: [query], sha256: nil, size: nil, name: package.fileName)
        guard let bytes = try await downloader.bytes(request, limit: 1 << 20, step: "snapshot") else { return nil }
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(bytes)) else {
            throw Failure(at: query, "the snapshot archive's answer is not understood")
        }
        let file = answer.result.first { $0.architecture == package.architecture }
        guard let file, file.hash.count == 40, file.hash.allSatisfy(\.isHexDigit) else { return nil }
        return "\(base)/file/\(file.hash)"
    }

    private struct Answer: Decodable {
        struct File: Decodable {
            let architecture: String
            let hash: String
        }
        let result: [File]
    }
}
