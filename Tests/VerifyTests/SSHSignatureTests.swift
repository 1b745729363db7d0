import Diagnostics
import Fetch
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools
import Verify

/// SSH signatures over lists of sums, made by ssh-keygen.
@Suite struct SSHSignatureTests {
    /// Makes a key without a pass phrase.
    private func makeKey(
        _ name: String, in folder: FilePath
    ) async throws -> (key: FilePath, print: SSHKeyFingerprint) {
        let path = folder.appending(name)
        let tools = ToolRunner()
        try await tools.run(
            Judge.sshKeygen, ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path.string], place: name)
        let listing = try await tools.run(Judge.sshKeygen, ["-lf", path.string], place: name).text
        let word = try #require(listing.split(separator: " ").first { $0.hasPrefix("SHA256:") })
        let fingerprint = try #require(SSHKeyFingerprint(word))
        #expect("\(fingerprint)" == word)
        return (path, fingerprint)
    }

    private func sign(_ file: FilePath, _ key: FilePath, namespace: String = "file") async throws {
        removeTree(FilePath(file.string + ".sig"))
        try await ToolRunner().run(
            Judge.sshKeygen, ["-Y", "sign", "-q", "-f", key.string, "-n", namespace, file.string], place: "sign")
    }

    @Test func signaturesAreJudgedByTheNamedKeyAlone() async throws {
        let folder = try await TestImage.shared.copy()
        let (key, good) = try await makeKey("good", in: folder.path)
        let (otherKey, other) = try await makeKey("other", in: folder.path)
        let keyring = folder.path.appending("keys")
        // As in authorized_keys and allowed_signers: comments, options, principals.
        let lines = [
            "# keys",
            "me@example.org namespaces=\"file\" "
                + String(decoding: try readFile(folder.path.appending("good.pub")), as: UTF8.self),
            String(decoding: try readFile(folder.path.appending("other.pub")), as: UTF8.self),
        ]
        try writeAtomically(to: keyring, bytes: Array(lines.joined(separator: "\n").utf8))
        let list = folder.path.appending("t.SHA256SUMS")
        func verify(_ key: SSHKeyFingerprint) async throws -> VerifyReport {
            try await folder.verify {
                $0.keyring = keyring
                $0.sshKeys = [key]
            }
        }
        #expect(try await verify(good)["signature"] == "FAILED: t.SHA256SUMS has no signature beside it")
        try await sign(list, key)
        // One of the other kind does not get in the way.
        try writeAtomically(to: FilePath(list.string + ".gpg"), bytes: [0x88])
        let report = try await verify(good)
        #expect(report.failed == [])
        #expect(report["signature"] == "good, by \(good), over t.SHA256SUMS")
        let byOther = try await verify(other)["signature"]
        #expect(
            byOther == """
                FAILED: \(list).sig: the signature is not good; expected one by a named key, over t.SHA256SUMS; \
                found a good one, by \(good)
                """)
        try await sign(list, otherKey)
        #expect(try await verify(good).failed == ["signature"])
        try await sign(list, key, namespace: "git")
        #expect(try await verify(good).failed == ["signature"], "a signature over something else than a file")

        try await sign(list, key)
        let text = try readFile(list)
        try writeAtomically(to: list, bytes: text + Array("\n# more\n".utf8))
        let changed = try await verify(good)
        #expect(changed.failed == ["signature"])
        #expect(
            changed["signature"] == """
                FAILED: \(list).sig: the signature is not good; expected one by a named key, over t.SHA256SUMS; \
                found a signature over another text, or none
                """)
        removeTree(FilePath(list.string + ".gpg"))
        try writeAtomically(to: FilePath(list.string + ".sig"), bytes: [0x88])
        let none = try await verify(good)["signature"]
        #expect(
            none == """
                FAILED: \(list).sig: the file is not an SSH signature; expected -----BEGIN SSH SIGNATURE-----
                """)
    }

    @Test func keyThatTheFileDoesNotHaveIsNamed() async throws {
        let folder = try await TestImage.shared.copy()
        let (key, good) = try await makeKey("good", in: folder.path)
        let (_, other) = try await makeKey("other", in: folder.path)
        try await sign(folder.path.appending("t.SHA256SUMS"), key)
        let report = try await folder.verify {
            $0.keyring = folder.path.appending("good.pub")
            $0.sshKeys = [other]
        }
        #expect(
            report["signature"] == """
                FAILED: \(folder.path)/good.pub: the file does not have the named key; expected \(other); found \(good)
                """)
        let failure = await failure { try await folder.verify { $0.sshKeys = [other] } }
        #expect(
            failure?.description == """
                verify: a keyring and a key's fingerprint are only of use together
                  next:     piforge verify FILE --keyring KEYRING --key FINGERPRINT
                """)
        #expect(failure?.exitCode == 2)
    }

    @Test(arguments: ["", "SHA256:", "MD5:16:27", "SHA256:" + String(repeating: "A", count: 42), "sha256:abc"])
    func otherTextIsNoFingerprint(text: String) { #expect(SSHKeyFingerprint(text) == nil) }
}
