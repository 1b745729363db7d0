import Diagnostics
import Digests
import Foundation
import Storage
import SystemPackage
import Tools

/// The fingerprint of an SSH key as `ssh-keygen -l` prints it: `SHA256:` and 43 digits of base 64.
package struct SSHKeyFingerprint: Hashable, Sendable, CustomStringConvertible {
    /// Of the public key's blob (RFC 4253, section 6.6).
    package let digest: SHA256Digest

    /// Parses `SHA256:…`; nil for anything else.
    package init?(_ text: some StringProtocol) {
        guard text.hasPrefix("SHA256:"), text.utf8.count == 50,
            let bytes = Data(base64Encoded: String(text.dropFirst(7)) + "="),
            let digest = SHA256Digest(bytes: Array(bytes))
        else { return nil }
        self.digest = digest
    }

    init(ofKey blob: [UInt8]) { digest = .of(blob) }

    package var description: String {
        "SHA256:" + Data(digest.bytes).base64EncodedString().filter { $0 != "=" }
    }
}

/// Verifies detached SSH signatures, as `ssh-keygen -Y sign -n file` makes them (OpenSSH, PROTOCOL.sshsig), against pinned
/// keys and no other.
package struct SSHSignatureVerifier: Sendable {
    private static let namespace = "file"
    private static let identity = "pinned"

    /// The file with the public keys: one a line, as in `id_ed25519.pub`, `authorized_keys` or `allowed_signers`.
    package let keyring: FilePath
    /// The keys that are trusted.
    package let keys: [SSHKeyFingerprint]
    private let tools: ToolRunner

    package init(keyring: FilePath, keys: [SSHKeyFingerprint], tools: ToolRunner = ToolRunner()) {
        self.keyring = keyring
        self.keys = keys
        self.tools = tools
    }

    /// Whether a file looks like such a signature.
    package static func isSignature(_ path: FilePath) -> Bool {
        guard let file = try? OpenFile.reading(path) else { return false }
        var start = [UInt8](repeating: 0, count: header.count)
        return (try? start.withUnsafeMutableBytes { try file.read(at: 0, into: $0) }) == header.count && start == header
    }

    private static let header = Array("-----BEGIN SSH SIGNATURE-----".utf8)

    /// Verifies a signature over a file.
    ///
    /// - Parameter work: a folder in which a folder of this call's own is made, and removed.
    /// - Returns: the key that made it.
    /// - Throws: `Failure` for every way in which the signature may be no proof.
    package func verify(
        signature: FilePath, over file: FilePath, work: FilePath
    ) async throws -> SSHKeyFingerprint {
        let pinned = try pinnedKeys()
        guard Self.isSignature(signature) else {
            throw Failure(
                at: signature.string, "the file is not an SSH signature",
                expected: "-----BEGIN SSH SIGNATURE-----", next: "name the signature of the key with --signature")
        }
        let bytes = try readFile(signature, limit: 1 << 16)
        let text = try readFile(file)
        let folder = try TemporaryFolder(in: work, name: "ssh")
        let copy = folder.path.appending("signature")
        try writeAtomically(to: copy, bytes: bytes)
        for (fingerprint, key) in pinned {
            let signers = folder.path.appending("signers")
            let line = "\(Self.identity) namespaces=\"\(Self.namespace)\" \(key)\n"
            try writeAtomically(to: signers, bytes: Array(line.utf8))
            let result = try await tools.result(
                .sshKeygen,
                [
                    "-Y", "verify", "-f", signers.string, "-I", Self.identity, "-n", Self.namespace, "-s", copy.string,
                ], input: text, limit: 1 << 16)
            if result.status == 0 { return fingerprint }
        }
        throw Failure(
            at: signature.string, "the signature is not good",
            expected: "one by a named key, over \(file.lastComponent?.string ?? "")",
            found: try await reason(copy, text))
    }

    /// Why no key vouches: the text is another, or the key is.
    private func reason(_ signature: FilePath, _ text: [UInt8]) async throws -> String {
        let result = try await tools.result(
            .sshKeygen, ["-Y", "check-novalidate", "-n", Self.namespace, "-s", signature.string], input: text,
            limit: 1 << 16)
        guard result.status == 0 else { return "a signature over another text, or none" }
        let signer = result.text.split(whereSeparator: \.isWhitespace).lazy.compactMap { SSHKeyFingerprint($0) }.first
        return "a good one, by \(signer.map(\.description) ?? "another key")"
    }

    /// The pinned keys as `TYPE BASE64`.
    private func pinnedKeys() throws -> [(SSHKeyFingerprint, String)] {
        let text = String(decoding: try readFile(keyring, limit: 1 << 20), as: UTF8.self)
        var known: [SSHKeyFingerprint: String] = [:]
        for line in text.split(whereSeparator: \.isNewline) where !line.hasPrefix("#") {
            let words = line.split(separator: " ")
            // Options and principals stand before the type; the blob begins with the type's name.
            for (type, blob) in zip(words, words.dropFirst()) {
                guard let bytes = Data(base64Encoded: String(blob)), bytes.count > 4,
                    bytes.dropFirst(4).starts(with: type.utf8)
                else { continue }
                known[SSHKeyFingerprint(ofKey: Array(bytes))] = "\(type) \(blob)"
            }
        }
        return try keys.map { key in
            guard let line = known[key] else {
                throw Failure(
                    at: keyring.string, "the file does not have the named key", expected: key.description,
                    found: known.isEmpty
                        ? "no SSH public key" : known.keys.map(\.description).sorted().joined(separator: ", "),
                    next: "ssh-keygen -lf \(keyring) prints its keys")
            }
            return (key, line)
        }
    }
}
