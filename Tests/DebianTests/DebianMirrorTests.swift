import Debian
import Fetch
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// Debian's own archive, through the host's mirror.
@Suite struct DebianMirrorTests {
    @Test func aRequestIsSolvedProvenAndFetchedFromDebian() async throws {
        let scratch = try TemporaryFolder(in: "/tmp", name: "archive-real")
        let store = try DownloadStore(scratch.path.appending("store"))
        let proxies = ProxySettings(environment: ProcessInfo.processInfo.environment)
        let provider = PackageProvider(
            downloader: Downloader(store: store, options: DownloadOptions(proxies: proxies)),
            folder: scratch.path.appending("indices"), tools: ToolRunner(environment: proxies.environment)
        ) { try HostMirror.find() }
        let request = try PackageRequest(
            sources: ArchiveSource.suites(["trixie", "trixie-updates", "trixie-security"], components: ["main"]),
            packages: ["hello"], addsEssential: false)
        let provided = try await provider.provide(request, lock: nil)
        #expect(provided.files.map(\.name).contains("hello"))
        #expect(provided.files.map(\.name).contains("libc6"))

        let runner = ToolRunner()
        for file in provided.files {
            let fields = try await runner.run(
                Judge.dpkgDeb, ["--showformat", "${Package} ${Version} ${Architecture}", "-W", file.path.string],
                place: file.name)
            #expect(fields.text == "\(file.identity) \(file.architecture)")
            let sum = try await runner.run(Judge.sha256sum, [file.path.string], place: file.name)
            #expect(sum.text.hasPrefix(file.sha256.hex + " "))
        }
    }
}
