import Diagnostics
import Storage
import SystemPackage
import Tools

/// A signature that was found good, and what vouches for it.
package struct VerifiedSignature: Sendable, Equatable {
    /// The primary key that was trusted.
    package let key: KeyFingerprint
    /// The key that made the signature: the primary key or one of its subkeys.
    package let signer: KeyFingerprint
    /// The hash function under the signature.
    package let hash: SignatureHash
    /// When the signature says that it was made, in seconds since 1970.
    package let created: Int64
}

/// Verifies detached OpenPGP signatures with gpgv, against pinned keys and no other.
///
/// gpgv is given a keyring of the pinned keys alone, and its status lines are read, not its exit status: it ends with 2
/// when one of two signatures is by a key that nobody asked about. One good signature by a pinned key is enough; one
/// that a pinned key did not make over this text refuses, whatever the others say.
package struct SignatureVerifier: Sendable {
    /// The file with the public keys.
    package let keyring: FilePath
    /// The keyring in errors.
    private let keyringName: String
    /// The primary keys that are trusted.
    package let keys: [KeyFingerprint]
    /// Whether keys that are too small (``OpenPGPKey/isWeak``) count.
    package let allowsWeakKeys: Bool
    private let tools: ToolRunner

    /// - Parameters:
    ///   - keyring: a file as ``OpenPGPKeyring`` reads it.
    ///   - keyringName: the keyring in errors; nil for its path.
    ///   - keys: the fingerprints of the primary keys that are trusted; all must be in the keyring.
    package init(
        keyring: FilePath, keyringName: String? = nil, keys: [KeyFingerprint], allowsWeakKeys: Bool = false,
        tools: ToolRunner = ToolRunner()
    ) {
        self.keyring = keyring
        self.keyringName = keyringName ?? keyring.string
        self.keys = keys
        self.allowsWeakKeys = allowsWeakKeys
        self.tools = tools
    }

    /// Verifies a signature over a file.
    ///
    /// - Parameters:
    ///   - signature: a detached signature, binary or in ASCII armour.
    ///   - file: what was signed.
    ///   - work: a folder in which a folder of this call's own is made, and removed.
    /// - Throws: `Failure` with a text of its own for every way in which the signature may be no proof.
    package func verify(signature: FilePath, over file: FilePath, work: FilePath) async throws -> VerifiedSignature {
        try await verify(
            signature: try readFile(signature, limit: DetachedSignature.limit), at: signature.string, over: file,
            at: file.string, work: work)
    }

    /// Verifies a signature over text, both at hand.
    ///
    /// - Parameters:
    ///   - place: where the signature comes from, for errors.
    ///   - textPlace: where the text comes from, for errors.
    package func verify(
        signature: [UInt8], at place: String, over text: [UInt8], at textPlace: String, work: FilePath
    ) async throws -> VerifiedSignature {
        let folder = try TemporaryFolder(in: work, name: "signed")
        let file = folder.path.appending("text")
        try writeAtomically(to: file, bytes: text)
        return try await verify(signature: signature, at: place, over: file, at: textPlace, work: work)
    }

    private func verify(
        signature: [UInt8], at place: String, over file: FilePath, at textPlace: String, work: FilePath
    ) async throws -> VerifiedSignature {
        let ring = try pinnedKeyring()
        try DetachedSignature.check(signature, at: place)

        let folder = try TemporaryFolder(in: work, name: "signature")
        let pinned = folder.path.appending("keyring.gpg")
        let copy = folder.path.appending("signature")
        try writeAtomically(to: pinned, bytes: ring.binary(of: keys))
        try writeAtomically(to: copy, bytes: signature)
        // A path without a slash would be looked for in GnuPG's own folder (gpgv(1), --keyring).
        let result = try await tools.result(
            .gpgv,
            [
                "--homedir", folder.path.string, "--status-fd", "1", "--keyring", absolute(pinned), "--",
                absolute(copy), absolute(file),
            ], limit: 1 << 20)
        let judgement = SignatureJudgement(
            ring: ring, keys: keys, allowsWeakKeys: allowsWeakKeys, place: place, textPlace: textPlace)
        return try judgement.verdict(on: GPGVSignature.all(inStatus: result.text), message: result.errors)
    }

    /// Reads the keyring, and checks that it has every pinned key.
    ///
    /// - Throws: `Failure`, too where no key is pinned.
    package func pinnedKeyring() throws -> OpenPGPKeyring {
        guard !keys.isEmpty else {
            throw Failure(
                .usage, at: keyring.string, "no key is named, so no signature can be trusted",
                expected: "the fingerprint of the publisher's key")
        }
        let ring = try OpenPGPKeyring.read(keyring)
        if let missing = keys.first(where: { ring[$0] == nil }) {
            let shown = ring.keys.prefix(4).map(\.fingerprint.description)
            throw Failure(
                at: keyringName, "the keyring does not have the pinned key", expected: missing.description,
                found: shown.joined(separator: ", ")
                    + (ring.keys.count > 4 ? " and \(ring.keys.count - 4) others" : ""),
                next: "name a keyring that has the key, or the fingerprint of a key that the publisher signs with now")
        }
        return ring
    }

    private func absolute(_ path: FilePath) -> String { path.isAbsolute ? path.string : "./\(path)" }
}
