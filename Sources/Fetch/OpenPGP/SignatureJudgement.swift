import Diagnostics
import Foundation

/// Decides from what gpgv said whether a text is vouched for, and words the reason when it is not.
struct SignatureJudgement {
    let ring: OpenPGPKeyring
    let keys: [KeyFingerprint]
    let allowsWeakKeys: Bool
    /// Where the signature comes from.
    let place: String
    /// Where the text comes from.
    let textPlace: String

    private static let elsewhere = "fetch both files again from another mirror; use neither if the error stays"

    /// GnuPG's error code for a public key that it does not have (GPG_ERR_NO_PUBKEY).
    private static let missingKey = 9

    /// Why one signature is no proof, the gravest first.
    private enum Objection: Int {
        case otherType, weakKey, weakHash, revokedKey, expiredKey, expired, notPinned, uncheckable, unknownKey
    }

    /// - Parameter message: what gpgv printed besides, for the case that it said nothing about any signature.
    /// - Throws: `Failure` for the first bad signature, else for the gravest reason not to trust any of them.
    func verdict(on signatures: [GPGVSignature], message: String) throws -> VerifiedSignature {
        // gpgv knows the pinned keys alone: a bad signature is always one of theirs.
        if let bad = signatures.first(where: { $0.state == .bad }) { throw badSignature(bad) }
        var objections: [(Objection, Failure)] = []
        for signature in signatures {
            if let objection = objection(to: signature) {
                objections.append(objection)
            } else if let key = signature.primary, let signer = signature.signer, let hash = signature.hash {
                return VerifiedSignature(
                    key: key, signer: signer, hash: SignatureHash(number: hash), created: signature.created ?? 0)
            }
        }
        if let gravest = objections.min(by: { $0.0.rawValue < $1.0.rawValue }) { throw gravest.1 }
        let last = message.splitLines().last.map(String.init)
        throw Failure(
            at: place, "gpgv found no signature that it can check", expected: "a signature by \(list(keys))",
            found: last, next: Self.elsewhere)
    }

    private func badSignature(_ signature: GPGVSignature) -> Failure {
        let key = ring.owner(ofKeyID: signature.keyID)?.fingerprint.description ?? signature.keyID
        return Failure(
            at: place, "the signature is bad: \(textPlace) is not the text that was signed",
            expected: "the text that the key \(key) signed", found: "another text, or a damaged signature",
            next: Self.elsewhere)
    }

    private func objection(to signature: GPGVSignature) -> (Objection, Failure)? {
        if signature.state != .unchecked(reason: Self.missingKey),
            let hash = signature.hash.map(SignatureHash.init), hash.isWeak
        {
            let failure = Failure(
                at: place, "the signature's hash function is too weak: others can make a text with the same digest",
                expected: "SHA-256 or stronger", found: "\(hash), by the key \(name(signature))",
                next: "ask the publisher for a signature made with SHA-256, or name another mirror")
            return (.weakHash, failure)
        }
        if let type = signature.type, type > 1 {
            let failure = Failure(
                at: place, "the signature is not one over a file", expected: "a detached OpenPGP signature",
                found: "one of type \(type) by the key \(name(signature))", next: Self.elsewhere)
            return (.otherType, failure)
        }
        switch signature.state {
        case .bad: return (.uncheckable, badSignature(signature))
        case .unchecked(let reason): return unchecked(signature, reason: reason)
        case .keyRevoked:
            return (
                .revokedKey,
                Failure(
                    at: place, "the signature is by a key that its owner has revoked",
                    expected: "a signature by a key that is valid", found: name(signature),
                    next: "name the key that the publisher signs with now")
            )
        case .keyExpired:
            let day = signature.keyExpiry.map { ", which ended on \(Self.day($0))" } ?? ""
            return (
                .expiredKey,
                Failure(
                    at: place, "the signature is by a key that has expired",
                    expected: "a signature by a key that is valid", found: name(signature) + day,
                    next: "name a newer keyring (publishers prolong their keys), or the key that they sign with now")
            )
        case .expired:
            let day = signature.expires.map { ", which ended on \(Self.day($0))" } ?? ""
            return (
                .expired,
                Failure(
                    at: place, "the signature has expired", expected: "a signature that is valid",
                    found: "one by the key \(name(signature))\(day)", next: Self.elsewhere)
            )
        case .good: return goodObjection(signature)
        }
    }

    /// What may be wrong about a signature that is cryptographically good.
    private func goodObjection(_ signature: GPGVSignature) -> (Objection, Failure)? {
        guard let primary = signature.primary, let signer = signature.signer, keys.contains(primary),
            let owner = ring[primary], let key = owner.key(signer)
        else { return notPinned(name(signature)) }
        guard !allowsWeakKeys, let weak = [owner, key].first(where: \.isWeak) else { return nil }
        return (
            .weakKey,
            Failure(
                at: place, "the signature is by a key that is too weak", expected: "a key of at least 2048 bits",
                found: "\(weak.algorithm) of \(weak.bits) bits: \(weak.fingerprint)",
                next: "name a stronger key of the publisher, or allow weak keys if there is none")
        )
    }

    private func unchecked(_ signature: GPGVSignature, reason: Int) -> (Objection, Failure) {
        let id = signature.signer?.description ?? signature.keyID
        guard reason == Self.missingKey else {
            let failure = Failure(
                at: place, "the signature could not be checked", expected: "a signature that gpgv can check",
                found: "one by the key \(id), and gpgv's error \(reason)", next: Self.elsewhere)
            return (.uncheckable, failure)
        }
        if let owner = ring.owner(ofKeyID: signature.keyID) { return notPinned(owner.fingerprint.description) }
        let failure = Failure(
            at: place, "the signature is by a key that is not in the keyring \(ring.place)",
            expected: "a signature by \(list(keys))", found: id,
            next: "name another mirror; trust another key only after you have its fingerprint from the publisher")
        return (.unknownKey, failure)
    }

    private func notPinned(_ key: String) -> (Objection, Failure) {
        (
            .notPinned,
            Failure(
                at: place, "the signature is by a key that is in the keyring, but is not pinned",
                expected: "a signature by \(list(keys))", found: key,
                next: "name another mirror; pin that key only after you have its fingerprint from the publisher")
        )
    }

    private func name(_ signature: GPGVSignature) -> String {
        (signature.primary ?? signature.signer)?.description ?? signature.keyID
    }

    private func list(_ keys: [KeyFingerprint]) -> String { keys.map(\.description).joined(separator: " or ") }

    /// `2026-11-24`, in UTC.
    private static func day(_ seconds: Int64) -> String {
        Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(.iso8601.year().month().day())
    }
}
