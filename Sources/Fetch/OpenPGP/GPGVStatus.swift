import Diagnostics
import Digests

/// What gpgv said about one signature (GnuPG, doc/DETAILS, "Format of the --status-fd output").
struct GPGVSignature: Equatable {
    enum State: Equatable {
        /// The signature is its key's, over this text.
        case good, bad
        /// Good, but past its own end; past its key's end; by a key that its owner revoked.
        case expired, keyExpired, keyRevoked
        /// It could not be checked: gpgv's reason (9: the key is missing; 4 and 5: an unknown or forbidden algorithm).
        case unchecked(reason: Int)
    }

    var state: State
    /// The 16 digits of the signing key's id.
    var keyID: String
    /// The signing key's fingerprint, which may be a subkey's.
    var signer: KeyFingerprint?
    var primary: KeyFingerprint?
    /// The hash function's number (RFC 9580, section 9.5).
    var hash: Int?
    /// What it is over (RFC 9580, section 5.2.1): 0 for bytes, 1 for text with any line ends; others are over no file.
    var type: Int?
    /// When it was made, in seconds since 1970.
    var created: Int64?
    /// When it ends, in seconds since 1970; nil for never.
    var expires: Int64?
    /// The latest end of a key that gpgv spoke of; seconds since 1970.
    var keyExpiry: Int64?

    /// Reads gpgv's status lines: one element for each signature, in order.
    static func all(inStatus text: String) -> [GPGVSignature] {
        var found: [GPGVSignature] = []
        var keyExpiry: Int64?
        for line in text.splitLines() where line.hasPrefix("[GNUPG:] ") {
            let words = line.dropFirst("[GNUPG:] ".count).split(separator: " ").map(String.init)
            guard let keyword = words.first else { continue }
            let id = words.count > 1 ? keyID(words[1]) : ""
            func add(_ state: State) {
                found.append(GPGVSignature(state: state, keyID: id, keyExpiry: keyExpiry))
            }
            switch keyword {
            case "NEWSIG": keyExpiry = nil
            case "KEYEXPIRED": keyExpiry = words.dropFirst().first.flatMap { Int64($0) }
            case "GOODSIG": add(.good)
            case "BADSIG": add(.bad)
            case "EXPSIG": add(.expired)
            case "EXPKEYSIG": add(.keyExpired)
            case "REVKEYSIG": add(.keyRevoked)
            case "ERRSIG":
                add(.unchecked(reason: words.count > 6 ? Int(words[6]) ?? 0 : 0))
                guard words.count > 6 else { continue }
                found[found.count - 1].hash = Int(words[3])
                found[found.count - 1].type = Int(words[4], radix: 16)
                found[found.count - 1].created = Int64(words[5])
                if words.count > 7 { found[found.count - 1].signer = KeyFingerprint(words[7]) }
            case "VALIDSIG":
                // Follows the line with the state, and belongs to the same signature.
                guard words.count > 9, let last = found.indices.last, found[last].signer == nil else { continue }
                found[last].signer = KeyFingerprint(words[1])
                found[last].created = Int64(words[3])
                found[last].expires = Int64(words[4]).flatMap { $0 == 0 ? nil : $0 }
                found[last].hash = Int(words[8])
                found[last].type = Int(words[9], radix: 16)
                found[last].primary = KeyFingerprint(words.count > 10 ? words[10] : words[1])
            default: break
            }
        }
        return found
    }

    /// The id in a word that may be a fingerprint.
    private static func keyID(_ word: String) -> String { String(word.uppercased().suffix(16)) }
}

/// The hash functions of signatures (RFC 9580, section 9.5).
package struct SignatureHash: Sendable, Hashable, CustomStringConvertible {
    /// The registry's number.
    package let number: Int

    package init(number: Int) { self.number = number }

    /// Whether a forger may make two texts with one digest: MD5, SHA-1, RIPEMD-160.
    package var isWeak: Bool { (1...3).contains(number) }

    package var description: String {
        [1: "MD5", 2: "SHA-1", 3: "RIPEMD-160", 8: "SHA-256", 9: "SHA-384", 10: "SHA-512", 11: "SHA-224"][number]
            ?? "hash function \(number)"
    }
}
