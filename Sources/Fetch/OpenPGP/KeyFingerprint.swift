import Diagnostics
import Digests

/// The fingerprint of an OpenPGP key of version 4: the 20 bytes of a SHA-1 (RFC 9580, section 5.5.4.2).
package struct KeyFingerprint: Hashable, Sendable {
    /// The 20 bytes.
    package let bytes: [UInt8]

    /// - Parameter bytes: exactly 20 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 20 else { return nil }
        self.bytes = bytes
    }

    /// Parses 40 hex digits, of either case, in groups or not.
    package init?(_ text: some StringProtocol) {
        guard let bytes = decodeHex(String(text).filter { $0 != " " }) else { return nil }
        self.init(bytes: bytes)
    }

    /// Parses 40 hex digits.
    ///
    /// - Parameter place: where the text stands, for the error.
    /// - Throws: `Failure` (usage) that tells a short key id, which names no one key, from other text.
    package init(parsing text: String, at place: String) throws {
        if let fingerprint = KeyFingerprint(text) {
            self = fingerprint
            return
        }
        let digits = text.filter { $0 != " " }
        let bare = digits.hasPrefix("0x") ? String(digits.dropFirst(2)) : digits
        let isKeyID = decodeHex(bare) != nil && (bare.count == 8 || bare.count == 16)
        throw Failure(
            .usage, at: place,
            isKeyID ? "a key id does not name one key: others can be made with it" : "this is not a key's fingerprint",
            expected: "the 40 hex digits of the key's fingerprint", found: text,
            next: "gpg --show-keys KEYRING prints the fingerprints of a keyring")
    }

    /// The key's id: the fingerprint's last 16 digits (RFC 9580, section 5.5.4.2).
    package var keyID: String { String(description.suffix(16)) }
}

extension KeyFingerprint: CustomStringConvertible {
    /// 40 upper-case hex digits.
    package var description: String { encodeHex(bytes).uppercased() }
}
