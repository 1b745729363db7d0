import ArgumentParser
import Diagnostics
import Digests
import Engine
import Fetch
import Foundation

/// Downloads one file as builds do; for measuring, and for looking at a mirror.
struct GetCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "get", abstract: "Download a file into the store as build does.",
        discussion: "piforge get http://mirror/a.img.xz http://other/a.img.xz --checksum sha256:…",
        shouldDisplay: false)

    @Argument(help: "The mirrors' URLs, tried in this order.")
    var urls: [String]

    @Option(name: .long, help: "A sum that the file must have: md5:, sha1:, sha256: or sha512: and hex digits.")
    var checksum: [String] = []

    @OptionGroup var shared: SharedOptions

    func run() async throws {
        let sums = try checksum.map { try Checksum(parsing: $0, at: "--checksum") }
        // A path of the command line is the working directory's.
        let places = urls.map { $0.contains(":") ? $0 : absolute($0).string }
        let name = places.first.flatMap { $0.split(separator: "/").last.map(String.init) } ?? "file"
        let request = DownloadRequest(
            urls: places, sha256: sums.lazy.compactMap(\.sha256).first, size: nil, name: name, checksums: sums)
        let cache = try shared.openCache()
        defer { withExtendedLifetime(cache) {} }
        let downloader = Downloader(
            store: try DownloadStore(cache.store),
            options: DownloadOptions(proxies: ProxySettings(environment: ProcessInfo.processInfo.environment)),
            progress: shared.progress)
        for file in try await interruptible({ try await downloader.fetch([request]) }) {
            try printLine("\(file.digest)  \(file.path)")
        }
    }
}
