import Diagnostics
import Digests
import Fetch
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// 100,000 bytes that no two offsets share.
private let content = (0..<25_000).flatMap { (number: UInt32) in withUnsafeBytes(of: number.bigEndian) { Array($0) } }
private let half = 40_000

/// The first bytes of the content, with the announcement of all.
private func cut(_ headers: [String] = ["ETag: \"one\""], at count: Int = half) -> [RawServer.Action] {
    [.answer("200 OK", ["Content-Length: \(content.count)"] + headers, Array(content.prefix(count)))]
}

/// The rest, as an answer to a range.
private func rest(
    from start: Int = half, range: String? = nil, _ headers: [String] = ["ETag: \"one\""], body: [UInt8]? = nil
) -> [RawServer.Action] {
    let body = body ?? Array(content.dropFirst(start))
    let range = range ?? "bytes \(start)-\(content.count - 1)/\(content.count)"
    return [
        .answer("206 Partial Content", ["Content-Length: \(body.count)", "Content-Range: \(range)"] + headers, body)
    ]
}

private func whole(_ bytes: [UInt8] = content, _ headers: [String] = []) -> [RawServer.Action] {
    [.answer("200 OK", ["Content-Length: \(bytes.count)"] + headers, bytes)]
}

private func wanted(_ urls: String..., pinned: Bool = true) -> DownloadRequest {
    DownloadRequest(
        urls: urls, sha256: pinned ? .of(content) : nil, size: pinned ? UInt64(content.count) : nil, name: "image")
}

@Suite struct ResumeTests {
    @Test func whatWasCutOffIsGoneOnWith() async throws {
        for (headers, ifRange) in [
            (["ETag: \"one\""], "\"one\""),
            (["Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT"], "Wed, 21 Oct 2015 07:28:00 GMT"),
            // A weak tag is no proof of the same bytes; the digest is.
            (["ETag: W/\"one\""], nil),
            ([], nil),
        ] as [([String], String?)] {
            let scratch = try Scratch()
            let server = try RawServer(cut(headers), rest())
            let file = try await scratch.downloader().fetch([wanted("\(server.base)/a")])[0]
            #expect(try readFile(file.path) == content)
            // The server sent the two parts and nothing twice.
            #expect(server.header("Range") == [nil, "bytes=40000-"])
            #expect(server.header("If-Range") == [nil, ifRange])
            #expect(scratch.files.count == 1)
        }
    }

    @Test func withoutADigestOnlyTheSameVersionIsGoneOnWith() async throws {
        let scratch = try Scratch()
        let server = try RawServer(cut(), rest())
        let file = try await scratch.downloader().fetch([wanted("\(server.base)/a", pinned: false)])[0]
        #expect(try readFile(file.path) == content)
        #expect(server.header("If-Range") == [nil, "\"one\""])
        // Without a validator nothing tells the versions apart.
        let other = try RawServer(cut([]), whole())
        _ = try await scratch.downloader().fetch([wanted("\(other.base)/b", pinned: false)])
        #expect(other.header("Range") == [nil, nil])
    }

    @Test func aChangedFileIsStartedOver() async throws {
        for pinned in [true, false] {
            let scratch = try Scratch()
            // The server ignores the range, since the tag is another one.
            let server = try RawServer(cut(), whole(content, ["ETag: \"two\""]))
            let file = try await scratch.downloader().fetch([wanted("\(server.base)/a", pinned: pinned)])[0]
            #expect(try readFile(file.path) == content)
            #expect(server.requests.count == 2)
        }
    }

    /// The first bytes were another file's, and the server does not notice.
    @Test func partsOfDifferentFilesAreThrownAwayOnce() async throws {
        let scratch = try Scratch()
        let other = [
            RawServer.Action.answer(
                "200 OK", ["Content-Length: \(content.count)"], [UInt8](repeating: 7, count: half))
        ]
        let server = try RawServer(other, rest([]), whole())
        let file = try await scratch.downloader().fetch([wanted("\(server.base)/a")])[0]
        #expect(try readFile(file.path) == content)
        #expect(server.header("Range") == [nil, "bytes=40000-", nil])

        // And when the whole is wrong too, that is the mirror's fault.
        let again = try Scratch()
        let wrong = try RawServer(other, rest([]), whole(content.reversed()))
        let failure = await failure { _ = try await again.downloader().fetch([wanted("\(wrong.base)/a")]) }
        #expect(failure?.message == "the file's SHA-256 is not the expected one; nothing was kept")
        #expect(wrong.requests.count == 3)
        #expect(again.files.isEmpty)
    }

    static let wrongRanges = [
        "bytes 39999-99999/100000", "bytes 0-99999/100000", "bytes 40000-39999/100000", "bytes 40000-99999/99999",
        "bytes */100000", "pages 40000-99999/100000", "bytes 40000-99999", "bytes -1-99999/100000", "",
    ]

    @Test(arguments: wrongRanges) func aPartThatWasNotAskedForIsNotTaken(_ range: String) async throws {
        let scratch = try Scratch()
        let server = try RawServer(cut(), rest(range: range), whole())
        let file = try await scratch.downloader().fetch([wanted("\(server.base)/a")])[0]
        #expect(try readFile(file.path) == content)
        #expect(server.header("Range") == [nil, "bytes=40000-", nil])
    }

    @Test func aPartWithoutARequestForOneIsRefused() async throws {
        let scratch = try Scratch()
        let server = try RawServer(rest())
        let failure = await failure { _ = try await scratch.downloader(rounds: 1).fetch([wanted("\(server.base)/a")]) }
        #expect(
            failure?.description == """
                \(server.base)/a: the server sent another part of the file than was asked for
                  expected: byte 0 first
                  found:    byte 40000
                  next:     try again later, or name another mirror with --mirror URL
                """)
    }

    @Test func anotherSizeInTheRangeIsAnotherFile() async throws {
        let scratch = try Scratch()
        let server = try RawServer(cut(), rest(range: "bytes 40000-99999/100001"), whole())
        _ = try await scratch.downloader().fetch([wanted("\(server.base)/a")])
        #expect(server.header("Range") == [nil, "bytes=40000-", nil])
    }

    @Test func anUnsatisfiableRangeMeansAllOrNothing() async throws {
        // All bytes are there, and the size was not known.
        let scratch = try Scratch()
        let request = { (url: String) in
            DownloadRequest(urls: [url], sha256: .of(content), size: nil, name: "image")
        }
        let chunked: [RawServer.Action] = [
            .answer("200 OK", ["Transfer-Encoding: chunked"], Array("186a0\r\n".utf8) + content), .reset,
        ]
        let end = try RawServer(chunked, [.answer("416 Range Not Satisfiable", ["Content-Range: bytes */100000"])])
        let file = try await scratch.downloader().fetch([request("\(end.base)/a")])[0]
        #expect(try readFile(file.path) == content)
        #expect(end.header("Range") == [nil, "bytes=100000-"])

        // The file has become shorter: start over.
        let other = try Scratch()
        let shorter = try RawServer(
            cut(), [.answer("416 Range Not Satisfiable", ["Content-Range: bytes */30000"])], whole())
        _ = try await other.downloader().fetch([request("\(shorter.base)/a")])
        #expect(shorter.header("Range") == [nil, "bytes=40000-", nil])
    }

    @Test func theNextMirrorGoesOnWhenADigestProvesTheWhole() async throws {
        let scratch = try Scratch()
        let first = try RawServer(cut())
        let second = try RawServer(rest(["ETag: \"other\""]))
        let file = try await scratch.downloader().fetch([wanted("\(first.base)/a", "\(second.base)/a")])[0]
        #expect(try readFile(file.path) == content)
        #expect(second.header("Range") == ["bytes=40000-"])
        // The first mirror's tag says nothing about the second.
        #expect(second.header("If-Range") == [nil])

        let third = try RawServer(cut())
        let fourth = try RawServer(whole())
        _ = try await scratch.downloader().fetch([wanted("\(third.base)/a", "\(fourth.base)/a", pinned: false)])
        #expect(fourth.header("Range") == [nil])
    }

    @Test func anotherRunGoesOn() async throws {
        for pinned in [true, false] {
            let scratch = try Scratch()
            let server = try RawServer(cut(), rest())
            let request = wanted("\(server.base)/a", pinned: pinned)
            let failure = await failure { _ = try await scratch.downloader(rounds: 1).fetch([request]) }
            #expect(failure?.message == "the transfer broke off after 40000 bytes")
            #expect(scratch.files.count == 2 && scratch.files.allSatisfy { $0.hasPrefix("partial/") })
            let later = Downloader(store: try DownloadStore(scratch.store.root))
            #expect(try readFile(try await later.fetch([request])[0].path) == content)
            #expect(server.header("Range") == [nil, "bytes=40000-"])
            #expect(scratch.files.count == 1)
        }
    }

    @Test func aCancelledDownloadIsGoneOnWith() async throws {
        let scratch = try Scratch()
        let server = try RawServer(cut() + [.stall], rest())
        let request = wanted("\(server.base)/a")
        let seen = Recording()
        let task = Task { [downloader = scratch.downloader(progress: seen)] in try await downloader.fetch([request]) }
        await seen.advanced(to: UInt64(half))
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(scratch.files.allSatisfy { $0.hasPrefix("partial/") })
        _ = try await scratch.downloader().fetch([request])
        #expect(server.header("Range") == [nil, "bytes=40000-"])
    }

    /// The store as it is in the middle of a large download is what a process that was killed leaves.
    @Test func aKilledProcessLosesNothing() async throws {
        let scratch = try Scratch()
        let large = [UInt8](repeating: 9, count: 6 << 20) + content
        let server = try RawServer(
            [.answer("200 OK", ["Content-Length: \(large.count)"], Array(large.prefix(6 << 20))), .stall],
            rest(from: 6 << 20, range: "bytes \(6 << 20)-\(large.count - 1)/\(large.count)", body: content))
        let request = DownloadRequest(
            urls: ["\(server.base)/a"], sha256: .of(large), size: UInt64(large.count), name: "image")
        let seen = Recording()
        let task = Task { [downloader = scratch.downloader(progress: seen)] in try await downloader.fetch([request]) }
        await seen.advanced(to: 6 << 20)
        let left = scratch.folder.path.appending("left")
        try FileManager.default.copyItem(atPath: scratch.store.root.string, toPath: left.string)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        let file = try await Downloader(store: try DownloadStore(left)).fetch([request])[0]
        #expect(file.digest == .of(large))
        #expect(server.header("Range") == [nil, "bytes=\(6 << 20)-"])
    }

    /// What lies in the partial folder is not trusted.
    @Test func damagedPartialFilesAreStartedOver() async throws {
        let scratch = try Scratch()
        let hex = SHA256Digest.of(content).hex
        let part = scratch.store.root.appending("partial/\(hex).part")
        let record = scratch.store.root.appending("partial/\(hex).json")
        let json = { (total: Int) in
            Array(#"{"origin":{"url":"http://other.invalid/a","validator":"\"x\"","total":\#(total)},"count":9}"#.utf8)
        }
        let cases: [([UInt8], [UInt8]?, [String?])] = [
            // No record: nobody knows whose bytes these are.
            (Array(content.prefix(half)), nil, [nil]),
            (Array(content.prefix(half)), Array("{".utf8), [nil]),
            (Array(content.prefix(half)), [UInt8](repeating: 32, count: 100_000), [nil]),
            // More bytes than the file has.
            (content + [0], json(content.count), [nil]),
            // Wrong bytes: found out at the end.
            ([UInt8](repeating: 0, count: half), json(content.count), ["bytes=40000-", nil]),
            (content.reversed(), json(content.count), [nil]),
            // Right bytes of another mirror.
            (Array(content.prefix(half)), json(content.count), ["bytes=40000-"]),
            (content, json(content.count), []),
        ]
        for (bytes, left, ranges) in cases {
            try writeAtomically(to: part, bytes: bytes)
            if let left { try writeAtomically(to: record, bytes: left) }
            let server = ranges.first == "bytes=40000-" ? try RawServer(rest(), whole()) : try RawServer(whole())
            let file = try await scratch.downloader().fetch([wanted("\(server.base)/a")])[0]
            #expect(try readFile(file.path) == content)
            #expect(server.header("Range") == ranges)
            #expect(scratch.files == ["sha256/\(hex.prefix(2))/\(hex)"])
            removeTree(file.path)
        }
    }

    /// flock(1) is the other process, and the judge.
    @Test func whatAnotherProcessDownloadsIsWaitedFor() async throws {
        let scratch = try Scratch()
        let flock = Tool("flock", package: "util-linux", purpose: "test")
        let server = try RawServer(cut() + [.stall], whole())
        let request = wanted("\(server.base)/a")
        let part = scratch.store.root.appending("partial/\(SHA256Digest.of(content).hex).part").string
        let seen = Recording()
        let task = Task { [downloader = scratch.downloader(progress: seen)] in try await downloader.fetch([request]) }
        await seen.advanced(to: UInt64(half))
        let held = try await ToolRunner().result(flock, ["--nonblock", part, "true"])
        #expect(held.status == 1)
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        let free = try await ToolRunner().result(flock, ["--nonblock", part, "true"])
        #expect(free.status == 0)

        // The other process holds it for a moment, and writes the file as we do: the download goes on after it.
        let path = try #require(ToolRunner.locate(flock))
        let (result, _) = try await ToolRunner().withRunning(
            path, ["--no-fork", part, "sleep", "1"], directory: scratch.folder.path
        ) { _ in
            try await Task.sleep(for: .milliseconds(300))
            let asked = server.requests.count
            let events = Recording()
            let file = Task { try await scratch.downloader(progress: events).fetch([request])[0] }
            try await Task.sleep(for: .milliseconds(300))
            #expect(server.requests.count == asked)
            let stored = try await file.value
            let text = "waits for another download of image into the same store"
            #expect(events.all.filter { $0 == .note(step: "download", text: text) }.count == 1)
            return stored
        }
        #expect(try readFile(try result.get().path) == content)
    }

    @Test func manyDownloadersOfOneStoreFetchAFileOnce() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer(["/a": .bytes(content), "/b": .bytes(hello)])
        let requests = [wanted("\(server.base)/a"), request("\(server.base)/b")]
        try await withThrowingTaskGroup(of: [StoredFile].self) { group in
            for _ in 0..<4 {
                let downloader = Downloader(store: try DownloadStore(scratch.store.root))
                group.addTask { try await downloader.fetch(requests) }
            }
            for try await files in group { #expect(files.map(\.digest) == [.of(content), .of(hello)]) }
        }
        #expect(server.requests.sorted() == ["/a", "/b"])
        #expect(scratch.files.count == 2)
    }
}
