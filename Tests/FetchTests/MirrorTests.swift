import Diagnostics
import Digests
import Fetch
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

/// What each misbehaving mirror does to a download that has another mirror, or none.
@Suite struct MirrorTests {
    private static let later = "try again later, or name another mirror with --mirror URL"

    private func downloader(
        _ scratch: Scratch, rounds: Int = 2, limit: Duration = .seconds(60), now: Int64 = 0
    ) -> Downloader {
        Downloader(
            store: scratch.store,
            options: DownloadOptions(
                rounds: rounds, backOff: .milliseconds(1), stallTimeout: .seconds(1), retryAfterLimit: limit,
                now: { now }))
    }

    /// Answers that the next mirror makes good.
    static let misbehaviours: [[RawServer.Action]] = [
        [.answer("404 Not Found")],
        [.answer("403 Forbidden")],
        [.answer("429 Too Many Requests", ["Retry-After: 3600"])],
        [.answer("500 Internal Server Error")],
        [.answer("503 Service Unavailable")],
        // Wrong bytes; too few, too many, honestly announced; more announced than is sent; more sent than is announced.
        [.answer("200 OK", ["Content-Length: 15"], hello.reversed())],
        [.answer("200 OK", ["Content-Length: 3"], [1, 2, 3])],
        [.answer("200 OK", ["Content-Length: 30"], hello + hello)],
        [.answer("200 OK", ["Content-Length: 30"], hello)],
        [.answer("200 OK", ["Content-Length: 3"], hello)],
        [.answer("200 OK", [], hello + hello)],
        [.answer("200 OK", ["Content-Length: 15"], [1]), .stall],
        [.answer("200 OK", ["Content-Length: 15"], [1]), .reset],
        [.reset],
        [.send([])],
        [.stall],
        [.send(Array("what?\r\n\r\n".utf8))],
        [.answer("204 No Content")],
        [.answer("304 Not Modified")],
        [.answer("302 Found", ["Location: /again"])],
        [.answer("302 Found", ["Location: gopher://archive.invalid/"])],
        [.answer("200 OK", ["Content-Encoding: gzip", "Content-Length: 3"], [31, 139, 8])],
    ]

    @Test(arguments: misbehaviours.indices) func theNextMirrorMakesItGood(_ row: Int) async throws {
        let scratch = try Scratch()
        let bad = try RawServer(Self.misbehaviours[row])
        let good = try RawServer([.answer("200 OK", ["Content-Length: 15"], hello)])
        let file = try await downloader(scratch).fetch([request("\(bad.base)/a", "\(good.base)/a")])[0]
        #expect(try readFile(file.path) == hello)
        #expect(!bad.requests.isEmpty && good.requests.count == 1)
        #expect(scratch.files == ["sha256/49/\(SHA256Text.hello)"])
    }

    @Test func theErrorListsWhatEachMirrorSaid() async throws {
        let scratch = try Scratch()
        let answers: [[RawServer.Action]] = [
            [.answer("404 Not Found")], [.answer("429 Too Many Requests")], [.answer("500 Internal Server Error")],
            [.answer("200 OK", ["Content-Length: 15"], hello.reversed())],
            [.answer("200 OK", ["Content-Length: 3"], [1, 2, 3])],
        ]
        let servers = try answers.map { try RawServer($0) }
        var wanted = request()
        wanted.urls = servers.map { "\($0.base)/a" }
        let failure = await failure { _ = try await downloader(scratch).fetch([wanted]) }
        #expect(
            failure?.description == """
                \(servers[3].base)/a: the file's SHA-256 is not the expected one; nothing was kept
                  expected: \(SHA256Text.hello)
                  found:    \(SHA256Text.reversed)
                            the other mirrors said:
                            \(servers[0].base)/a: the mirror does not have the file
                            \(servers[4].base)/a: the file's size is not the expected one; nothing was kept
                            \(servers[1].base)/a: the server has trouble: HTTP status 429
                            \(servers[2].base)/a: the server has trouble: HTTP status 500
                  next:     \(Self.later)
                """)
        // Only what may pass is asked again.
        #expect(servers.map(\.requests.count) == [1, 2, 2, 1, 1])
    }

    @Test(arguments: ["429 Too Many Requests", "503 Service Unavailable"])
    func aServerThatAsksToWaitIsWaitedFor(_ status: String) async throws {
        // 1445412480 is 2015-10-21 07:28:00 UTC (date -u -d @1445412480): the dates are one second later.
        let waits = [
            "1", "Wed, 21 Oct 2015 07:28:01 GMT", "Wednesday, 21-Oct-15 07:28:01 GMT", "Wed Oct 21 07:28:01 2015",
        ]
        try await withThrowingTaskGroup(of: Void.self) { group in
            for wait in waits {
                group.addTask {
                    let scratch = try Scratch()
                    let server = try RawServer(
                        [.answer(status, ["Retry-After: \(wait)"])],
                        [.answer("200 OK", ["Content-Length: 15"], hello)])
                    let clock = ContinuousClock()
                    let start = clock.now
                    _ = try await downloader(scratch, now: 1_445_412_480).fetch([request("\(server.base)/a")])
                    // A wait has a lower bound that a busy machine cannot break.
                    #expect(clock.now - start >= .seconds(1))
                }
            }
            try await group.waitForAll()
        }
    }

    @Test func aWaitHasAnEnd() async throws {
        for wait in ["86400", "Wed, 21 Oct 2065 07:28:01 GMT", "-5", "soon", "99999999999999999999"] {
            let scratch = try Scratch()
            let server = try RawServer(
                [.answer("503 Service Unavailable", ["Retry-After: \(wait)"])],
                [.answer("200 OK", ["Content-Length: 15"], hello)])
            _ = try await downloader(scratch, limit: .milliseconds(20)).fetch([request("\(server.base)/a")])
            #expect(server.requests.count == 2)
        }
    }

    @Test func theErrorSaysHowLongTheServerAskedToWait() async throws {
        let scratch = try Scratch()
        let server = try RawServer([.answer("429 Too Many Requests", ["Retry-After: 3600"])])
        let failure = await failure {
            _ = try await downloader(scratch, rounds: 1).fetch([request("\(server.base)/a")])
        }
        #expect(failure?.message == "the server has trouble: HTTP status 429, and asks to wait 3600 s")
    }

    /// A mirror that asks to wait does not hold up the others of the next round.
    @Test func theOtherMirrorsAreAskedMeanwhile() async throws {
        let scratch = try Scratch()
        let slow = try RawServer([.answer("503 Service Unavailable", ["Retry-After: 30"])])
        let quick = try RawServer(
            [.answer("500 Internal Server Error")], [.answer("200 OK", ["Content-Length: 15"], hello)])
        _ = try await downloader(scratch).fetch([request("\(slow.base)/a", "\(quick.base)/a")])
        #expect(slow.requests.count == 1 && quick.requests.count == 2)
    }

    @Test func anEndlessRedirectNamesWhereItLed() async throws {
        let scratch = try Scratch()
        let server = try RawServer([.answer("302 Found", ["Location: /round/and/round"])])
        let failure = await failure { _ = try await downloader(scratch).fetch([request("\(server.base)/a")]) }
        #expect(
            failure?.description == """
                \(server.base)/a: the server redirects without end
                  expected: at most 5 redirects
                  found:    one more, to \(server.base)/round/and/round
                  next:     \(Self.later)
                """)
        #expect(server.requests.count == 6)
    }

    @Test func localMirrorsHaveTheirMessages() async throws {
        let scratch = try Scratch()
        let folder = scratch.folder.path.appending("a folder")
        try createFolder(folder)
        let encoded = folder.string.replacing(" ", with: "%20")
        let relative = """
            the path is relative, and so names no one file
              expected: a path that begins with /, or a URL
              next:     \(Self.later)
            """
        let cases = [
            (folder.string, "this is a folder, not a file\n  next:     name the file in it"),
            ("file://\(encoded)", "this is a folder, not a file\n  next:     name the file in it"),
            ("file:\(encoded)", "this is a folder, not a file\n  next:     name the file in it"),
            ("images/a.img.xz", relative), ("./a", relative), ("file:a", relative), ("file://a/b", relative),
            ("ftp://archive.invalid/a", "the URL is not http, https or file\n  next:     \(Self.later)"),
        ]
        for (url, message) in cases {
            let refused = await failure { _ = try await downloader(scratch).fetch([request(url)]) }
            #expect(refused?.description == "\(url): \(message)")
            // In memory too.
            let other = await failure { _ = try await downloader(scratch).bytes(request(url)) }
            #expect(other == refused)
        }
        for url in ["/nonexistent/a", "file:///nonexistent/a", "file:/nonexistent/a", "/etc/passwd/a"] {
            guard case .notFound? = try await downloader(scratch).fetchWhatExists([request(url)]).first else {
                Issue.record("\(url) is missing")
                continue
            }
        }
        #expect(scratch.files.isEmpty)
    }

    @Test func weakerSumsAreComparedWhereThereIsNothingBetter() async throws {
        let server = try await LoopbackServer(["/a": .bytes(hello), "/b": .bytes(hello.reversed())])
        for algorithm in ChecksumAlgorithm.allCases {
            let scratch = try Scratch()
            let sum = Checksum.of(hello, algorithm)
            let urls = ["\(server.base)/b", "\(server.base)/a"]
            let wanted = DownloadRequest(urls: urls, sha256: nil, size: nil, name: "a", checksums: [sum])
            let file = try await downloader(scratch).fetch([wanted])[0]
            #expect(file.digest == .of(hello))
            #expect(try await downloader(scratch).bytes(wanted) == hello)
        }
    }

    @Test func aWrongWeakerSumHasItsMessage() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer(["/a": .bytes(hello)])
        // The sum that the authors of the old image gave for it.
        let sum = try Checksum(parsing: "sha1:1b96a6be5256182eaceb5894fb993c8ffce8c2a2", at: "test")
        let wanted = DownloadRequest(
            urls: ["\(server.base)/a"], sha256: nil, size: nil, name: "a", checksums: [.of(hello, .md5), sum])
        let failure = await failure { _ = try await downloader(scratch).fetch([wanted]) }
        #expect(
            failure?.description == """
                \(server.base)/a: the file's SHA-1 is not the expected one; nothing was kept
                  expected: \(sum.hex)
                  found:    \(Checksum.of(hello, .sha1).hex)
                  next:     \(Self.later)
                """)
        #expect(scratch.files.isEmpty)
    }
}
