import Fetch
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// A GnuPG home of a test's own, with keys that nobody keeps.
struct ThrowawayKeys {
    let folder: FilePath
    private var runner: ToolRunner { ToolRunner(environment: ["GNUPGHOME": home.string]) }
    private var home: FilePath { folder.appending("gnupg") }

    /// Runs a body with an empty home, and ends GnuPG's agent after it.
    static func with(_ body: (ThrowawayKeys) async throws -> Void) async throws {
        // Short: the agent's socket lies in it, and a socket's path has at most 108 bytes.
        let folder = try TemporaryFolder(in: "/tmp", name: "keys")
        let keys = ThrowawayKeys(folder: folder.path)
        try createFolder(keys.home)
        restrictToOwner(keys.home)
        let result: Result<Void, any Error>
        do { result = .success(try await body(keys)) } catch { result = .failure(error) }
        _ = try? await keys.runner.result(
            Judge.gpgconf, ["--kill", "all"])
        try result.get()
    }

    /// Makes a signing key: `rsa2048`, `dsa1024`, `ed25519`.
    ///
    /// - Parameters:
    ///   - time: when it is made, as gpg's --faked-system-time takes it.
    ///   - life: how long it lasts: `never`, `1y`.
    func make(_ name: String, _ algorithm: String = "ed25519", at time: String? = nil, life: String = "never")
        async throws -> KeyFingerprint
    {
        try await run(
            faked(time) + ["--passphrase", "", "--quick-gen-key", "\(name)@example.org", algorithm, "sign", life])
        return try await fingerprint(name)
    }

    func fingerprint(_ name: String) async throws -> KeyFingerprint {
        try #require(try await fingerprints(name).first)
    }

    /// The fingerprints of a key and its subkeys.
    func fingerprints(_ name: String) async throws -> [KeyFingerprint] {
        let listing = try await run(["--with-colons", "--list-keys", "=\(name)@example.org"])
        return listing.split(separator: "\n").filter { $0.hasPrefix("fpr:") }
            .compactMap { KeyFingerprint($0.split(separator: ":")[1]) }
    }

    /// Adds an ed25519 subkey that signs.
    func addSubkey(to key: KeyFingerprint) async throws {
        try await run(["--passphrase", "", "--quick-add-key", key.description, "ed25519", "sign", "never"])
    }

    /// Takes back a key, with the certificate that gpg made along with it.
    func revoke(_ key: KeyFingerprint) async throws {
        let stored = home.appending("openpgp-revocs.d/\(key).rev")
        // A colon before the armour keeps people from using it by mistake.
        let text = String(decoding: try readFile(stored), as: UTF8.self)
            .replacingOccurrences(of: ":-----BEGIN", with: "-----BEGIN")
        let certificate = folder.appending("revocation.asc")
        try writeAtomically(to: certificate, bytes: Array(text.utf8))
        try await run(["--import", certificate.string])
    }

    /// The public keys of some names, or all, in one file.
    func export(_ names: [String] = [], armoured: Bool = false) async throws -> FilePath {
        let path = folder.appending("keyring-\(names.joined(separator: "-"))\(armoured ? ".asc" : ".gpg")")
        let bytes = try await run(
            ["--export"] + (armoured ? ["--armor"] : []) + names.map { "=\($0)@example.org" }, bytes: true)
        try writeAtomically(to: path, bytes: bytes)
        return path
    }

    /// A signature over a text: detached, unless the options ask for another kind.
    func sign(
        _ text: [UInt8], by names: [String], at time: String? = nil, _ options: [String] = [],
        command: String = "--detach-sign"
    ) async throws -> [UInt8] {
        let file = folder.appending("to-sign")
        try writeAtomically(to: file, bytes: text)
        let users = names.flatMap { ["--local-user", "=\($0)@example.org"] }
        return try await run(faked(time) + users + options + ["--output", "-", command, file.string], bytes: true)
    }

    private func faked(_ time: String?) -> [String] { time.map { ["--faked-system-time", "\($0)!"] } ?? [] }

    @discardableResult
    private func run(_ arguments: [String]) async throws -> String {
        String(decoding: try await run(arguments, bytes: true), as: UTF8.self)
    }

    private func run(_ arguments: [String], bytes: Bool) async throws -> [UInt8] {
        try await runner.run(
            Judge.gpg, ["--batch", "--quiet", "--pinentry-mode", "loopback"] + arguments, place: "gpg"
        ).output
    }
}
