import Diagnostics
import Digests
import Fetch
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// A store in a scratch folder, and a downloader that does not wait.
struct Scratch {
    let folder: TemporaryFolder
    let store: DownloadStore

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "fetch-tests")
        store = try DownloadStore(folder.path.appending("store"))
    }

    func downloader(
        parallel: Int = 4, rounds: Int = 2, stallTimeout: Duration = .seconds(30),
        environment: [String: String] = [:], progress: any ProgressReporter = SilentProgress()
    ) -> Downloader {
        Downloader(
            store: store,
            options: DownloadOptions(
                parallel: parallel, rounds: rounds, backOff: .milliseconds(1), stallTimeout: stallTimeout,
                proxies: ProxySettings(environment: environment)),
            progress: progress)
    }

    /// Every file of the store, below its root.
    var files: [String] {
        let paths = FileManager.default.subpaths(atPath: store.root.string) ?? []
        return paths.filter { path in
            // What marks files as used locks it.
            if path == ".gate" { return false }
            var isFolder: ObjCBool = false
            let place = store.root.appending(path).string
            return FileManager.default.fileExists(atPath: place, isDirectory: &isFolder) && !isFolder.boolValue
        }.sorted()
    }
}

let hello = Array("hello, archive\n".utf8)

func request(_ urls: String..., bytes: [UInt8] = hello, name: String = "hello.deb") -> DownloadRequest {
    DownloadRequest(urls: urls, sha256: .of(bytes), size: UInt64(bytes.count), name: name)
}

@Suite struct DownloaderTests {
    @Test func aFileLiesInTheStoreUnderTheDigestThatSha256sumFinds() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer(["/a": .bytes(hello)])
        let file = try await scratch.downloader().fetch([request("\(server.base)/a")])[0]
        let judge = try await ToolRunner().run(
            Judge.sha256sum, [file.path.string], place: "test")
        let hex = String(judge.text.prefix(64))
        #expect(file.digest.hex == hex)
        #expect(scratch.files == ["sha256/\(hex.prefix(2))/\(hex)"])
        #expect(server.userAgents == ["piforge/0.1"])
    }

    @Test func manyFilesComeInOrderOverFewConnections() async throws {
        let scratch = try Scratch()
        let contents = (0..<30).map { Array("file \($0)\n".utf8) + [UInt8](repeating: UInt8($0), count: 20_000) }
        let server = try await LoopbackServer(
            Dictionary(uniqueKeysWithValues: contents.enumerated().map { ("/\($0)", .bytes($1)) }))
        let requests = contents.enumerated().map { request("\(server.base)/\($0)", bytes: $1) }
        let files = try await scratch.downloader(parallel: 3).fetch(requests)
        #expect(files.map(\.digest) == contents.map { SHA256Digest.of($0) })
        #expect(server.highest <= 3)
        #expect(server.requests.count == 30)
    }

    @Test func whatTheStoreHasIsNotDownloadedAgain() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer(["/a": .bytes(hello)])
        let twice = [request("\(server.base)/a"), request("\(server.base)/a", name: "again.deb")]
        let files = try await scratch.downloader().fetch(twice)
        #expect(files.count == 2)
        _ = try await scratch.downloader().fetch(twice)
        #expect(server.requests == ["/a"])
    }

    @Test func aStoredFileWithOtherBytesIsFetchedAgain() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer(["/a": .bytes(hello)])
        let file = try await scratch.downloader().fetch([request("\(server.base)/a")])[0]
        // The same size: only the digest tells.
        try writeAtomically(to: file.path, bytes: hello.reversed())
        _ = try await scratch.downloader().fetch([request("\(server.base)/a")], check: .digest)
        #expect(try readFile(file.path) == hello)
        try writeAtomically(to: file.path, bytes: [])
        _ = try await scratch.downloader().fetch([request("\(server.base)/a")])
        #expect(try readFile(file.path) == hello)
    }

    @Test(arguments: [404, 500, 503, 403]) func theNextMirrorIsAskedAfterStatus(_ status: Int) async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer(["/first": .status(status), "/second": .bytes(hello)])
        _ = try await scratch.downloader().fetch([request("\(server.base)/first", "\(server.base)/second")])
        #expect(server.requests == ["/first", "/second"])
    }

    @Test func theNextMirrorIsAskedAfterWrongBytes() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer(["/first": .bytes(hello.reversed()), "/second": .bytes(hello)])
        _ = try await scratch.downloader().fetch([request("\(server.base)/first", "\(server.base)/second")])
        #expect(scratch.files.count == 1)
    }

    @Test func aTransientErrorIsTriedAgain() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer([
            "/a": .inTurn([.status(503), .breakingOff([1, 2, 3], count: 15), .bytes(hello)])
        ])
        _ = try await scratch.downloader(rounds: 3).fetch([request("\(server.base)/a")])
        #expect(server.requests.count == 3)
    }

    @Test func filesAndPlainPathsAreMirrorsToo() async throws {
        let scratch = try Scratch()
        let path = scratch.folder.path.appending("a file+1.deb")
        try writeAtomically(to: path, bytes: hello)
        _ = try await scratch.downloader().fetch([request(path.string)])
        let other = scratch.folder.path.appending("other.deb")
        try writeAtomically(to: other, bytes: [1, 2, 3])
        let missing = "file://\(scratch.folder.path)/missing"
        for url in ["file:\(other)", "file://\(other)"] {
            _ = try await scratch.downloader().fetch([request(missing, url, bytes: [1, 2, 3])])
        }
        #expect(scratch.files.count == 2)
    }

    @Test func redirectsAreFollowed() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer(["/a": .redirect("/b"), "/b": .bytes(hello)])
        _ = try await scratch.downloader().fetch([request("\(server.base)/a")])
    }

    @Test func theEnvironmentsProxyIsAsked() async throws {
        let scratch = try Scratch()
        let proxy = try await LoopbackServer(["/a": .bytes(hello)])
        let direct = try await LoopbackServer(["/b": .bytes(hello.reversed())])
        let downloader = scratch.downloader(environment: ["http_proxy": proxy.base, "no_proxy": "127.0.0.1"])
        _ = try await downloader.fetch([
            request("http://archive.invalid/a"), request("\(direct.base)/b", bytes: hello.reversed()),
        ])
        #expect(proxy.requests.count == 1)
        #expect(direct.requests.count == 1)
    }

    @Test func aFileWithoutAKnownDigestIsStoredUnderItsOwn() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer(["/a": .chunked(hello)])
        let request = DownloadRequest(urls: ["\(server.base)/a"], sha256: nil, size: nil, name: "a")
        #expect(try await scratch.downloader().fetch([request])[0].digest == .of(hello))
        #expect(try await scratch.downloader().bytes(request) == hello)
        #expect(scratch.files.count == 1)
    }

    @Test func aCancelledDownloadEndsAndLeavesNothingUnderAFinalName() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer(["/a": .stalling([1], count: 15)])
        let seen = Recording()
        let task = Task { [downloader = scratch.downloader(progress: seen)] in
            try await downloader.fetch([request("\(server.base)/a")])
        }
        await seen.advanced(to: 1)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(scratch.files.allSatisfy { $0.hasPrefix("partial/") })
    }

    @Test func recordsThatDeadProcessesDidNotFinishAreRemoved() throws {
        let scratch = try Scratch()
        try writeAtomically(to: scratch.store.root.appending("partial/.a.json.999999999.1.partial"), bytes: hello)
        _ = try DownloadStore(scratch.store.root)
        #expect(scratch.files.isEmpty)
    }

    @Test func progressCountsTheBytesOfAllFiles() async throws {
        let scratch = try Scratch()
        let events = Recording()
        let server = try await LoopbackServer(["/a": .bytes(hello), "/b": .bytes([1, 2, 3])])
        _ = try await scratch.downloader(progress: events).fetch([
            request("\(server.base)/a"), request("\(server.base)/b", bytes: [1, 2, 3]),
        ])
        let all = events.all
        #expect(all.first == .started(step: "download", detail: "2 files"))
        #expect(
            all.dropLast().last
                == .advanced(step: "download", completed: 18, total: 18, unit: .bytes, detail: "2 of 2 files"))
        #expect(all.last == .finished(step: "download", detail: "2 files", cached: false))
    }
}

@Suite struct DownloadProgressTests {
    /// A publisher's list of sums gives no sizes: the server does.
    @Test func theSizeIsTheServersWhereItIsNotKnown() async throws {
        for answer in [LoopbackServer.Answer.bytes(hello), .chunked(hello)] {
            let scratch = try Scratch()
            let events = Recording()
            let server = try await LoopbackServer(["/a": answer])
            _ = try await scratch.downloader(progress: events).fetch([
                DownloadRequest(urls: ["\(server.base)/a"], sha256: .of(hello), size: nil, name: "image")
            ])
            let all = events.all
            #expect(all.first == .started(step: "download", detail: "image"))
            #expect(
                all.dropLast().last
                    == .advanced(step: "download", completed: 15, total: 15, unit: .bytes, detail: "image"))
        }
        let scratch = try Scratch()
        let events = Recording()
        let server = try RawServer([.answer("200 OK", ["Content-Length: 15"], [1, 2, 3]), .stall])
        let task = Task { [downloader = scratch.downloader(progress: events)] in
            try await downloader.fetch([
                DownloadRequest(
                    urls: [server.base.replacing("//", with: "//user:secret@")], sha256: .of(hello), size: nil,
                    name: "image")
            ])
        }
        let half = ProgressEvent.advanced(step: "download", completed: 3, total: 15, unit: .bytes, detail: "image")
        while !events.all.contains(half) { try await Task.sleep(for: .milliseconds(10)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        // What is kept for the next run tells nobody a password.
        let record = try #require(scratch.files.first { $0.hasSuffix(".json") })
        let text = String(decoding: try readFile(scratch.store.root.appending(record)), as: UTF8.self)
        #expect(text.contains("127.0.0.1") && !text.contains("secret"))
    }
}
