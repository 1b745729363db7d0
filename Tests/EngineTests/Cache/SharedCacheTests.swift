import XZ
import Diagnostics
import Digests
import Engine
import Fetch
import Foundation
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing

/// Two machines, as two folders, and a shared cache between them.
struct Machines {
    let folder: TemporaryFolder
    let events = Recording()
    var settings = HTTPSharedCache.Settings()

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-shared")
        settings.stallTimeout = .seconds(1)
        settings.patience = 3
        settings.farewell = .seconds(20)
    }

    func client(_ url: String) throws -> HTTPSharedCache {
        try HTTPSharedCache(url, salt: "1", settings: settings, progress: events)
    }

    func store(_ machine: String, _ shared: HTTPSharedCache?) throws -> LayerStore {
        var store = try LayerStore(folder: folder.path.appending(machine).appending("layers"))
        store.shared = shared
        return store
    }

    /// Makes the sample layers where they cannot be had.
    ///
    /// - Returns: how many were made, and what they hold.
    func build(_ machine: String, _ url: String, count: UInt64 = 3) throws -> (made: Int, contents: [[UInt8]]) {
        let client = try client(url)
        let store = try store(machine, client)
        var made = 0
        var all: [[UInt8]] = []
        for seed in 0..<count {
            let key = SHA256Digest.of("sample \(seed)")
            var layer = try store.layer(key, name: "sample \(seed)", shared: true)
            if layer == nil {
                made += 1
                layer = try store.store(sampleLayer(seed), as: key, shared: true)
            }
            all += try layer.map(contents) ?? []
        }
        client.close()
        return (made, all)
    }
}

@Suite(.serialized) struct SharedCacheTests {
    private let expected: [[UInt8]]

    init() throws { expected = try (0..<3).flatMap { try contents(of: sampleLayer($0)) } }

    // MARK: nginx

    @Test func nginxServesOneMachineWhatAnotherMade() throws {
        let server = try NginxServer()
        let machines = try Machines()
        let first = try machines.build("one", server.base)
        #expect(first.made == 3)
        #expect(first.contents == expected)
        #expect(server.files("cas").count == 3)
        #expect(server.files("ac").count == 3)
        // sha256sum has the word on names.
        for path in server.files("cas") {
            let judge = Process()
            let output = Pipe()
            judge.executableURL = URL(fileURLWithPath: "/usr/bin/sha256sum")
            judge.arguments = [path.string]
            judge.standardOutput = output
            try judge.run()
            let sum = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self).prefix(64)
            #expect(path.lastComponent?.string == String(sum))
        }
        let second = try machines.build("two", server.base + "/")
        #expect(second.made == 0)
        #expect(second.contents == expected)
        #expect(
            machines.events.notes == [
                "shared cache: \(server.base): 0 entries taken, 3 put there",
                "shared cache: \(server.base): 3 entries taken, 0 put there",
            ])
    }

    @Test func aPasswordIsUsedAndNeverShown() throws {
        let server = try NginxServer(protected: true)
        let machines = try Machines()
        let url = server.base.replacing("http://", with: "http://builder:s3cret@")
        _ = try machines.build("one", url)
        #expect(try machines.build("two", url).made == 0)
        #expect(try machines.build("three", server.base).made == 3)
        #expect(try machines.build("four", url.replacing("s3cret", with: "wr0ng")).contents == expected)
        #expect(
            machines.events.notes.contains {
                $0.hasSuffix("it refuses with HTTP status 401; the shared cache is left alone")
            })
        #expect(
            !machines.events.notes.contains { $0.contains("s3cret") || $0.contains("wr0ng") || $0.contains("builder") })
    }

    @Test func nothingIsPutIntoACacheThatIsOnlyRead() throws {
        let server = try NginxServer()
        var machines = try Machines()
        machines.settings.isReadOnly = true
        #expect(try machines.build("one", server.base).made == 3)
        #expect(!server.requests.contains { $0.hasPrefix("PUT") })
        #expect(server.requests.count == 3)
    }

    @Test func aServerThatTakesNoUploadsIsReadAlone() throws {
        let server = try NginxServer(rules: "limit_except GET { deny all; }")
        let machines = try Machines()
        #expect(try machines.build("one", server.base).contents == expected)
        #expect(server.requests.filter { $0.hasPrefix("PUT") }.count == 1)
        #expect(
            machines.events.notes.first
                == "shared cache: \(server.base): it takes no uploads (HTTP status 403); nothing more is put there")
    }

    /// A bit in any byte of the server's files: what comes of it is made again, never used.
    @Test func whatTheServerHasDamagedIsNotUsed() throws {
        let server = try NginxServer()
        let machines = try Machines()
        _ = try machines.build("one", server.base, count: 1)
        let wanted = try contents(of: sampleLayer(0))
        for path in server.files("cas") + server.files("ac") {
            let whole = try readFile(path)
            let step = max(1, whole.count / 25)
            for position in stride(from: 0, to: whole.count, by: step) {
                var damaged = whole
                damaged[position] ^= 0x20
                try writeAtomically(to: path, bytes: position % 3 == 0 ? damaged : Array(whole[..<position]))
                let built = try machines.build(
                    "m\(position)-\(path.lastComponent?.string.prefix(4) ?? "")", server.base, count: 1)
                #expect(built.contents == wanted, "byte \(position) of \(path)")
                #expect(built.made == 1 || position % 3 == 0, "byte \(position) of \(path)")
                try writeAtomically(to: path, bytes: whole)
            }
        }
    }

    // MARK: Servers that misbehave

    @Test(
        arguments: [
            ("status 500", .status(500), "HTTP status 500"), ("status 302", .status(302), "HTTP status 302"),
            ("garbage", .bytes(Array("<html>".utf8)), "what it has under a key is no record of an entry"),
            ("nothing", .bytes([]), "what it has under a key is no record of an entry"),
            ("endless", .endless, "an entry is larger than it says; it is not used"),
            ("stall", .stall, "timeout was reached"),
        ] as [(String, SharedServer.Answer, String)])
    func aServerThatMisbehavesIsLeftAloneAfterTwoFailures(
        _ name: String, _ answer: SharedServer.Answer, _ reason: String
    ) async throws {
        let server = try await SharedServer { _, _ in answer }
        let machines = try Machines()
        let built = try machines.build("one", server.base)
        #expect(built.contents == expected)
        #expect(built.made == 3)
        #expect(server.requests.filter { $0.hasPrefix("GET") }.count == 2)
        let last = try #require(machines.events.notes.last)
        #expect(last == "shared cache: \(server.base): \(reason); the shared cache is left alone")
    }

    @Test func anUnreachableCacheIsLeftAlone() throws {
        let machines = try Machines()
        #expect(try machines.build("one", "http://127.0.0.1:1").contents == expected)
        #expect(machines.events.notes.count == 1)
        #expect(machines.events.notes.first?.hasSuffix("; the shared cache is left alone") == true)
        // A host that never answers: the name of no host.
        #expect(try machines.build("two", "http://cache.invalid").contents == expected)
    }

    @Test func entriesThatClaimToBeHugeAreNotTaken() async throws {
        let record: [UInt8] =
            [0x12, 0x56, 0x0a, 7] + Array("piforge".utf8) + [0x12, 0x4b, 0x0a, 0x40]
            + Array(SHA256Digest.of("x").hex.utf8) + [0x10] + [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x3f]
        let server = try await SharedServer { _, path in path.hasPrefix("/ac/") ? .bytes(record) : .endless }
        let machines = try Machines()
        #expect(try machines.build("one", server.base).contents == expected)
        #expect(!server.requests.contains { $0.hasPrefix("GET /cas/") })
        #expect(machines.events.notes.first?.contains("bytes, more than it may") == true, "\(machines.events.notes)")
    }

    /// The record is right and the bytes have its digest, but the layer is another one's, or none.
    @Test func aLayerThatIsNoLayerIsRejected() async throws {
        let server = try await SharedServer { _, _ in .serve }
        let machines = try Machines()
        _ = try machines.build("one", server.base, count: 1)
        let wrong = Array("no layer at all, though as long as a footer is at the very least, and more".utf8)
        let digest = SHA256Digest.of(wrong)
        var kept = server.kept
        for path in kept.keys where path.hasPrefix("/ac/") { kept[path] = record(digest, UInt8(wrong.count)) }
        kept["/cas/\(digest.hex)"] = wrong
        server.kept = kept
        let built = try machines.build("two", server.base, count: 1)
        #expect(built.made == 1)
        #expect(
            machines.events.notes.contains {
                $0.hasSuffix("the layer file is damaged: it has no footer; it is not used")
            })
    }

    private func record(_ digest: SHA256Digest, _ size: UInt8) -> [UInt8] {
        let inner = [0x0a, 0x40] + Array(digest.hex.utf8) + [0x10, size]
        let file = [0x0a, 7] + Array("piforge".utf8) + [0x12, UInt8(inner.count)] + inner
        return [0x12, UInt8(file.count)] + file
    }

    @Test(arguments: ["cache.lan", "ftp://cache.lan", "http://", "http://cache.lan/?a=b", "https://u:pw@cache.lan/#x"])
    func whatIsNoURLOfACacheIsRefused(_ url: String) throws {
        let failure = failure { try Machines().client(url) }
        #expect(failure?.message == "this is not the URL of a cache")
        #expect(failure?.exitCode == 2)
        #expect(failure?.description.contains("pw") == false)
    }

    // MARK: Blocks

    @Test func blocksAreSharedAndHeldToTheBytesTheyStandFor() async throws {
        let server = try NginxServer()
        let machines = try Machines()
        let raw = machines.folder.path.appending("disk")
        try writeAtomically(to: raw, bytes: testBytes(512 << 10, seed: 9))
        let settings = try XZSettings(preset: 1, blockSize: 64 << 10)
        func pack(_ machine: String) async throws -> XZSummary {
            let client = try machines.client(server.base)
            defer { client.close() }
            let blocks = try BlockCache(
                folder: machines.folder.path.appending(machine), shared: client, isPublic: { $0.first != 0xAA })
            return try await XZWriter(settings: settings, workers: 2, cache: blocks).write(
                FileSource(raw), to: machines.folder.path.appending("\(machine).xz"))
        }
        let first = try await pack("one")
        #expect(first.newBlocks == 8)
        let second = try await pack("two")
        #expect(second.newBlocks == 0)
        #expect(second.digest == first.digest)
        // Every record leads to a block that is whole, and another one's.
        let records = server.files("ac")
        let moved = try records.map { try readFile($0) }
        for (index, path) in records.enumerated() {
            try writeAtomically(to: path, bytes: moved[(index + 1) % moved.count])
        }
        let third = try await pack("three")
        #expect(third.digest == first.digest)
        #expect(third.newBlocks == 8)
        #expect(machines.events.notes.contains { $0.contains("a block does not unpack to the bytes it stands for") })
    }

    @Test func blocksThatAreNotPublicStayAtHome() async throws {
        let server = try NginxServer()
        let machines = try Machines()
        let raw = machines.folder.path.appending("disk")
        try writeAtomically(to: raw, bytes: [0xAA] + testBytes(128 << 10, seed: 9).dropFirst())
        let client = try machines.client(server.base)
        let blocks = try BlockCache(
            folder: machines.folder.path.appending("one"), shared: client, isPublic: { $0.first != 0xAA })
        let settings = try XZSettings(preset: 1, blockSize: 64 << 10)
        _ = try await XZWriter(settings: settings, workers: 1, cache: blocks).write(
            FileSource(raw), to: machines.folder.path.appending("x.xz"))
        client.close()
        #expect(server.files("cas").count == 1)
        #expect(server.requests.filter { $0.hasPrefix("GET") }.count == 1)
    }
}
