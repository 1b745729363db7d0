import Diagnostics
import Engine
import Fetch
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// Signatures over lists of sums, judged by gpgv and ssh-keygen.
@Suite struct SumsSignerTests {
    private func list(in folder: FilePath) throws -> FilePath {
        let path = folder.appending("t.SHA256SUMS")
        try writeAtomically(to: path, bytes: Array("\(String(repeating: "ab", count: 32))  t.img.xz\n".utf8))
        return path
    }

    @Test func gpgvAcceptsTheSignature() async throws {
        // Short: the agent's socket lies in it.
        let folder = try TemporaryFolder(in: "/tmp", name: "sk")
        let home = folder.path.appending("g")
        try createFolder(home)
        restrictToOwner(home)
        let environment = ["GNUPGHOME": home.string]
        let gpg = ToolRunner(environment: environment)
        let result: Result<Void, any Error>
        do {
            result = .success(try await judge(folder.path, gpg, environment))
        } catch { result = .failure(error) }
        _ = try? await gpg.result(Judge.gpgconf, ["--kill", "all"])
        try result.get()
    }

    private func judge(_ folder: FilePath, _ gpg: ToolRunner, _ environment: [String: String]) async throws {
        let list = try list(in: folder)
        let made = ["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]
        try await gpg.run(
            Judge.gpg, made + ["--quick-gen-key", "me@example.org", "ed25519", "sign", "never"], place: "gpg")
        let keyring = folder.appending("keys.gpg")
        let exported = try await gpg.run(Judge.gpg, ["--batch", "--export"], place: "gpg")
        try writeAtomically(to: keyring, bytes: exported.output)
        let key = try SigningKey("me@example.org", path: folder.appending("me@example.org"))
        #expect(key.kind == .openPGP)
        let signer = SumsSigner(key: key, environment: environment)
        try await signer.check()
        let signature = try await signer.sign(list)
        #expect(signature.string == list.string + ".gpg")
        let arguments = ["--keyring", keyring.string, signature.string, list.string]
        try await gpg.run(Judge.gpgv, arguments, place: "gpgv")
        try writeAtomically(to: list, bytes: try readFile(list) + [10])
        #expect(try await gpg.result(Judge.gpgv, arguments).status != 0)

        let missing = SumsSigner(
            key: try SigningKey("nobody@example.org", path: folder.appending("none")), environment: environment)
        let failure = await failure { try await missing.check() }
        #expect(failure?.message == "gpg has no secret key 'nobody@example.org'")
        #expect(failure?.exitCode == 2)
    }

    @Test func sshKeygenAcceptsTheSignature() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-sign")
        let list = try list(in: folder.path)
        let path = folder.path.appending("id")
        let tools = ToolRunner()
        try await tools.run(
            Judge.sshKeygen, ["-q", "-t", "ed25519", "-N", "", "-C", "me", "-f", path.string], place: "key")
        let key = try SigningKey("id", path: path)
        #expect(key.kind == .ssh)
        let signer = SumsSigner(key: key, environment: [:])
        try await signer.check()
        let signature = try await signer.sign(list)
        #expect(signature.string == list.string + ".sig")
        let signers = folder.path.appending("allowed_signers")
        let line = Array("me@example.org ".utf8) + (try readFile(folder.path.appending("id.pub")))
        try writeAtomically(to: signers, bytes: line)
        let arguments = [
            "-Y", "verify", "-f", signers.string, "-I", "me@example.org", "-n", SumsSigner.namespace, "-s",
            signature.string,
        ]
        let text = try readFile(list)
        #expect(try await tools.result(Judge.sshKeygen, arguments, input: text).status == 0)
        #expect(try await tools.result(Judge.sshKeygen, arguments, input: text + [10]).status != 0)
    }

    /// Without an agent there is nobody to ask: the program says so, and does not wait.
    @Test func keyWithAPassPhraseIsRefused() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-sign")
        let list = try list(in: folder.path)
        let path = folder.path.appending("id")
        try await ToolRunner().run(
            Judge.sshKeygen, ["-q", "-t", "ed25519", "-N", "secret words", "-C", "", "-f", path.string], place: "key")
        let signer = SumsSigner(key: try SigningKey("id", path: path), environment: [:])
        let failure = await failure { _ = try await signer.sign(list) }
        #expect(failure?.message == "the list of sums could not be signed with \(path)")
        #expect(failure?.next == "for a key with a pass phrase: ssh-add \(path)")
        #expect(!exists(FilePath(list.string + ".sig")))
    }

    @Test(arguments: [
        ("dir/key", "there is no such key: 'dir/key'"), ("", "there is no such key: ''"),
        ("-x", "there is no such key: '-x'"), ("notes", "the file is not an SSH key"),
    ])
    func whatIsNoKeyIsAUsageError(text: String, message: String) throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-sign")
        try writeAtomically(to: folder.path.appending("notes"), bytes: Array("notes\n".utf8))
        let path = text == "notes" ? folder.path.appending(text) : folder.path.appending("none")
        let failure = failure { _ = try SigningKey(text, path: path) }
        #expect(failure?.message == message)
        #expect(failure?.exitCode == 2)
    }
}
