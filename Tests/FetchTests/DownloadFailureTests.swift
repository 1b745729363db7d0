import Diagnostics
import Fetch
import Foundation
import Storage
import TestSupport
import Testing

/// What a person reads when a download fails, word for word.
@Suite struct DownloadFailureTests {
    private static let later = "try again later, or name another mirror with --mirror URL"
    private static let hex = SHA256Text.hello

    /// What the server answers, and the message without its first `BASE/a: `.
    static let table: [(LoopbackServer.Answer, String)] = [
        (
            .bytes(hello.reversed()),
            """
            the file's SHA-256 is not the expected one; nothing was kept
              expected: \(hex)
              found:    \(SHA256Text.reversed)
              next:     \(later)
            """
        ),
        (
            .bytes([1, 2, 3]),
            """
            the file's size is not the expected one; nothing was kept
              expected: 15 bytes
              found:    3 bytes
              next:     \(later)
            """
        ),
        (
            .bytes(hello + hello),
            """
            the file's size is not the expected one; nothing was kept
              expected: 15 bytes
              found:    30 bytes
              next:     \(later)
            """
        ),
        (
            .chunked(hello + hello),
            """
            the file's size is not the expected one; nothing was kept
              expected: 15 bytes
              found:    more than 15 bytes
              next:     \(later)
            """
        ),
        (.status(503), "the server has trouble: HTTP status 503\n  next:     \(later)"),
        (.status(403), "the server refuses the file: HTTP status 403\n  next:     \(later)"),
        (
            .redirect("/a"),
            """
            the server redirects without end
              expected: at most 5 redirects
              found:    one more, to BASE/a
              next:     \(later)
            """
        ),
        (
            .redirect("file:///etc/passwd"),
            """
            the server redirects to a URL that is not http or https
              found:    file:///etc/passwd
              next:     \(later)
            """
        ),
        (
            .redirect("ftp://user:secret@archive.invalid/a"),
            """
            the server redirects to a URL that is not http or https
              found:    ftp://archive.invalid/a
              next:     \(later)
            """
        ),
        (.breakingOff([1, 2, 3], count: 15), "the transfer broke off after 3 bytes\n  next:     \(later)"),
        (.stalling([1, 2, 3], count: 15), "the transfer stalled after 3 bytes\n  next:     \(later)"),
    ]

    @Test(arguments: table.indices) func aServersMisbehaviourHasItsMessage(_ row: Int) async throws {
        let (answer, message) = Self.table[row]
        let scratch = try Scratch()
        let server = try await LoopbackServer(["/a": answer])
        let failure = await failure {
            _ = try await scratch.downloader(rounds: 1, stallTimeout: .seconds(3)).fetch([request("\(server.base)/a")])
        }
        #expect(failure?.description == "\(server.base)/a: \(message.replacing("BASE", with: server.base))")
        #expect(scratch.files.allSatisfy { $0.hasPrefix("partial/") })
    }

    @Test func aFileThatNoMirrorHasIsReportedWithAllItsPlaces() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer()
        let wanted = request("\(server.base)/a", "/nonexistent/a")
        let failure = await failure { _ = try await scratch.downloader().fetch([wanted]) }
        #expect(
            failure?.description == """
                hello.deb: no mirror has the file
                  expected: the file at \(server.base)/a or /nonexistent/a
                  found:    not found
                  next:     name another mirror with --mirror URL
                """)
        guard case .notFound? = try await scratch.downloader().fetchWhatExists([wanted]).first else {
            Issue.record("a missing file is an outcome")
            return
        }
    }

    @Test func aHostWithoutAnAddressHasItsMessage() async throws {
        let scratch = try Scratch()
        let failure = await failure {
            _ = try await scratch.downloader().fetch([request("http://archive.invalid/a")])
        }
        #expect(
            failure?.description == """
                http://archive.invalid/a: the host name 'archive.invalid' could not be resolved
                  next:     check the network connection and the name, or build from what is stored with --offline
                """)
    }

    @Test func aRefusedConnectionHasItsMessageAndShowsNoPassword() async throws {
        let scratch = try Scratch()
        // Port 1 (tcpmux) is served nowhere.
        let failure = await failure {
            _ = try await scratch.downloader().fetch([request("http://user:secret@127.0.0.1:1/a")])
        }
        #expect(
            failure?.description == """
                http://127.0.0.1:1/a: the connection to 127.0.0.1, port 1, was refused
                  next:     \(Self.later)
                """)
    }

    @Test func aHostThatIsDownEndsTheWholeBatch() async throws {
        let scratch = try Scratch()
        let requests = (0..<50).map { request("http://127.0.0.1:1/\($0)", bytes: [UInt8($0)]) }
        let failure = await failure { _ = try await scratch.downloader(parallel: 1).fetch(requests) }
        // Which of them is the first to have used up its attempts is the scheduler's affair.
        #expect(failure?.place.hasPrefix("http://127.0.0.1:1/") == true)
        #expect(failure?.message == "the connection to 127.0.0.1, port 1, was refused")
    }

    @Test func aFullDiskIsSeenBeforeTheFirstByte() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer()
        let huge = DownloadRequest(
            urls: ["\(server.base)/a"], sha256: .of(hello), size: 1 << 60, name: "huge")
        let failure = await failure { _ = try await scratch.downloader().fetch([huge]) }
        #expect(failure?.place == scratch.store.root.string)
        #expect(failure?.cause == .noRoom)
        #expect(failure?.message == "there is not enough room for the download")
        #expect(failure?.expected == "1152921504606.8 MB free")
        #expect(failure?.next == "free some, run piforge cache prune, or choose another folder with -o and --cache")
        #expect(server.requests.isEmpty)
    }

    @Test func anEndlessAnswerIsBrokenOff() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer(["/a": .chunked([UInt8](repeating: 0, count: 5000))])
        let wanted = DownloadRequest(urls: ["\(server.base)/a"], sha256: nil, size: nil, name: "a")
        let failure = await failure { _ = try await scratch.downloader().bytes(wanted, limit: 1000) }
        #expect(failure?.expected == "at most 1000 bytes")
        #expect(failure?.found == "more than 1000 bytes")
    }
}

/// Digests that sha256sum gave.
enum SHA256Text {
    static let hello = "49372d8c2101c0a80bc824317e63cac7cf5fd6144c6943fdd23893f1e7d6e770"
    static let reversed = "dc0203db5b3e78cc8938949fdc70c3a7ad3c5a7f8b0c1f534b9f1424c54f3f19"
}
