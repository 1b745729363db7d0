import Diagnostics
import Digests
import Fetch
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

/// The whole way: list, signature, sum, file.
@Suite struct SignedSourceTests {
    private static let list = Array("\(SHA256Text.hello) *hello.img.xz\n".utf8)
    private static let later = "try again later, or name another mirror with --mirror URL"

    /// Answers of one mirror's folder.
    private func mirror(
        _ name: String, list: [UInt8]? = Self.list, signature: [UInt8]? = nil, file: [UInt8]? = hello
    ) -> [String: LoopbackServer.Answer] {
        var answers: [String: LoopbackServer.Answer] = [:]
        answers["/\(name)/SHA256SUMS"] = list.map { .bytes($0) }
        answers["/\(name)/SHA256SUMS.gpg"] = signature.map { .bytes($0) }
        answers["/\(name)/hello.img.xz"] = file.map { .bytes($0) }
        return answers
    }

    private func source(_ folders: [String], _ keyring: FilePath, _ key: KeyFingerprint) -> SignedSource {
        SignedSource(folders: folders, file: "hello.img.xz", keyring: keyring, keys: [key])
    }

    @Test func theFileIsFetchedByTheSumThatTheSignatureVouchesFor() async throws {
        let scratch = try Scratch()
        try await ThrowawayKeys.with { keys in
            let key = try await keys.make("publisher")
            let server = try await LoopbackServer(
                mirror("a", signature: try await keys.sign(Self.list, by: ["publisher"])))
            // A slash at the folder's end or none.
            for folder in ["\(server.base)/a", "\(server.base)/a/"] {
                let source = source([folder], try await keys.export(armoured: true), key)
                let vouched = try await source.verifiedSum(
                    downloader: scratch.downloader(), work: keys.folder.appending("work"))
                #expect(vouched.sha256 == .of(hello))
                #expect(vouched.signature.key == key)
                #expect(vouched.list == "\(server.base)/a/SHA256SUMS")
                #expect(vouched.listDigest == .of(Self.list))
                let file = try await scratch.downloader().fetch([vouched.request()])[0]
                #expect(file.digest == .of(hello))
                #expect(vouched.request() == source.request(sha256: .of(hello)))
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: keys.folder.appending("work").string).isEmpty)
            #expect(server.requests.filter { $0.hasSuffix(".xz") }.count == 1)
        }
    }

    @Test func plainFoldersAreMirrors() async throws {
        let scratch = try Scratch()
        try await ThrowawayKeys.with { keys in
            let key = try await keys.make("publisher")
            let folder = keys.folder.appending("a folder")
            try writeAtomically(to: folder.appending("SHA256SUMS"), bytes: Self.list)
            try writeAtomically(
                to: folder.appending("SHA256SUMS.gpg"), bytes: try await keys.sign(Self.list, by: ["publisher"]))
            let source = source(["/nonexistent", folder.string], try await keys.export(), key)
            let vouched = try await source.verifiedSum(downloader: scratch.downloader(), work: keys.folder)
            #expect(vouched.list == folder.appending("SHA256SUMS").string)
        }
    }

    @Test func aListOfSHA512ProvesTheFileToo() async throws {
        let scratch = try Scratch()
        try await ThrowawayKeys.with { keys in
            let key = try await keys.make("publisher")
            let list = Array("\(Checksum.of(hello, .sha512).hex)  hello.img.xz\n".utf8)
            let server = try await LoopbackServer(
                mirror("a", list: list, signature: try await keys.sign(list, by: ["publisher"])))
            let source = source(["\(server.base)/a"], try await keys.export(), key)
            let vouched = try await source.verifiedSum(downloader: scratch.downloader(), work: keys.folder)
            #expect(vouched.sha256 == nil)
            let file = try await scratch.downloader().fetch([vouched.request()])[0]
            #expect(file.digest == .of(hello))
            server.answer("/a/hello.img.xz", .bytes(hello.reversed()))
            let failure = await failure { _ = try await scratch.downloader().fetch([vouched.request()]) }
            #expect(failure?.message == "the file's SHA-512 is not the expected one; nothing was kept")
        }
    }

    @Test func aMirrorThatIsNoProofIsPassedOver() async throws {
        let scratch = try Scratch()
        try await ThrowawayKeys.with { keys in
            let key = try await keys.make("publisher")
            let good = try await keys.sign(Self.list, by: ["publisher"])
            let other = Array("\(SHA256Text.reversed) *hello.img.xz\n".utf8)
            let without = Array("\(SHA256Text.hello) *hallo.img.xz\n".utf8)
            var answers = mirror("nothing", list: nil)
            answers.merge(mirror("unsigned")) { $1 }
            answers.merge(mirror("stale", list: other, signature: good)) { $1 }
            answers.merge(mirror("page", signature: Array("<html>".utf8))) { $1 }
            let signed = try await keys.sign(without, by: ["publisher"])
            answers.merge(mirror("without", list: without, signature: signed)) { $1 }
            answers["/down/SHA256SUMS.gpg"] = .status(503)
            answers.merge(mirror("good", signature: good)) { $1 }
            let server = try await LoopbackServer(answers)
            let bad = ["nothing", "unsigned", "down", "without", "stale", "page"].map { "\(server.base)/\($0)" }
            let ring = try await keys.export()
            let downloader = scratch.downloader(rounds: 1)

            let vouched = try await source(bad + ["\(server.base)/good"], ring, key)
                .verifiedSum(downloader: downloader, work: keys.folder)
            #expect(vouched.list == "\(server.base)/good/SHA256SUMS")
            #expect(vouched.sha256 == .of(hello))

            // None is good: the bad signature is the error, and the others are listed.
            let failure = await failure {
                _ = try await source(bad, ring, key).verifiedSum(downloader: downloader, work: keys.folder)
            }
            #expect(
                failure?.description == """
                    \(server.base)/stale/SHA256SUMS.gpg: the signature is bad: \(server.base)/stale/SHA256SUMS is not \
                    the text that was signed
                      expected: the text that the key \(key) signed
                      found:    another text, or a damaged signature
                                the other mirrors said:
                                \(server.base)/nothing/SHA256SUMS.gpg: the mirror does not have the file
                                \(server.base)/unsigned/SHA256SUMS.gpg: the mirror does not have the file
                                \(server.base)/down/SHA256SUMS.gpg: the server has trouble: HTTP status 503
                                \(server.base)/without/SHA256SUMS: the list of sums has no line for the file
                                \(server.base)/page/SHA256SUMS.gpg: the file is not an OpenPGP signature
                      next:     fetch both files again from another mirror; use neither if the error stays
                    """)
            #expect(!server.requests.contains { $0.hasSuffix(".xz") })
        }
    }

    @Test func aListOfWeakSumsIsNoProof() async throws {
        let scratch = try Scratch()
        try await ThrowawayKeys.with { keys in
            let key = try await keys.make("publisher")
            let list = Array("\(Checksum.of(hello, .md5).hex)  hello.img.xz\n".utf8)
            let server = try await LoopbackServer(
                mirror("a", list: list, signature: try await keys.sign(list, by: ["publisher"])))
            let source = source(["\(server.base)/a"], try await keys.export(), key)
            let failure = await failure {
                _ = try await source.verifiedSum(downloader: scratch.downloader(), work: keys.folder)
            }
            #expect(
                failure?.description == """
                    \(server.base)/a/SHA256SUMS: the list gives the file no sum that proves it
                      expected: a SHA-256 or a SHA-512
                      found:    hello.img.xz \(Checksum.of(hello, .md5))
                      next:     name the publisher's list of SHA-256 sums
                    """)
        }
    }

    /// A keyring that cannot work is found out before any mirror is asked.
    @Test func aWrongKeyringIsNoMirrorsFault() async throws {
        let scratch = try Scratch()
        let server = try await LoopbackServer()
        let key = try #require(KeyFingerprint("843938DF228D22F7B3742BC0D94AA3F0EFE21092"))
        for keyring: FilePath in ["/nonexistent.gpg", "/usr/share/keyrings/debian-archive-keyring.gpg"] {
            let source = source(["\(server.base)/a"], keyring, key)
            let failure = await failure {
                _ = try await source.verifiedSum(downloader: scratch.downloader(), work: scratch.folder.path)
            }
            #expect(failure?.place == keyring.string)
        }
        #expect(server.requests.isEmpty)
    }
}
