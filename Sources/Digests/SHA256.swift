import CCrypto

/// A SHA-256 digest: 32 bytes (FIPS 180-4), compared and hashed by value, written as 64 lower-case hex digits.
package struct SHA256Digest: Hashable, Sendable {
    /// The 32 bytes.
    package let bytes: [UInt8]

    /// - Parameter bytes: exactly 32 bytes.
    package init?(bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// Parses 64 hex digits, of either case.
    package init?(hex: some StringProtocol) {
        guard let bytes = decodeHex(hex) else { return nil }
        self.init(bytes: bytes)
    }

    init(trusted bytes: [UInt8]) { self.bytes = bytes }

    /// 64 lower-case hex digits.
    package var hex: String { encodeHex(bytes) }
}

extension SHA256Digest: CustomStringConvertible {
    package var description: String { hex }
}

extension SHA256Digest: Codable {
    /// Reads a string of 64 hex digits, of either case.
    ///
    /// - Throws: `DecodingError` for anything else.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        let text = try container.decode(String.self)
        guard let digest = SHA256Digest(hex: text) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not 64 hex digits: \(text)")
        }
        self = digest
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(hex)
    }
}

/// Computes a SHA-256 digest from bytes that arrive in pieces, with the processor's SHA instructions (libcrypto).
///
/// Not `Sendable`: one hasher belongs to one task.
package final class SHA256Hasher {
    private let context: OpaquePointer

    /// Begins a digest. Ends the process where libcrypto has no memory left.
    package init() {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha256(), nil) == 1 else {
            preconditionFailure("libcrypto has no memory left for a SHA-256 context")
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds bytes; an empty buffer adds nothing.
    package func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
        EVP_DigestUpdate(context, base, bytes.count)
    }

    /// Adds bytes at hand.
    package func update(_ bytes: [UInt8]) { bytes.withUnsafeBytes { update($0) } }

    /// Hashes the UTF-8 bytes of a string.
    package func update(_ text: String) { update(Array(text.utf8)) }

    /// The digest of everything so far. The hasher starts afresh afterwards.
    package func finalize() -> SHA256Digest {
        var bytes = [UInt8](repeating: 0, count: 32)
        var length: UInt32 = 0
        EVP_DigestFinal_ex(context, &bytes, &length)
        EVP_DigestInit_ex(context, EVP_sha256(), nil)
        return SHA256Digest(trusted: bytes)
    }
}

extension SHA256Digest {
    /// The digest of bytes at hand.
    package static func of(_ bytes: [UInt8]) -> SHA256Digest {
        let hasher = SHA256Hasher()
        hasher.update(bytes)
        return hasher.finalize()
    }

    /// The digest of a string's UTF-8 bytes.
    package static func of(_ text: String) -> SHA256Digest { of(Array(text.utf8)) }
}

/// Two lower-case hex digits a byte.
package func encodeHex(_ bytes: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    var text: [UInt8] = []
    for byte in bytes {
        text.append(digits[Int(byte >> 4)])
        text.append(digits[Int(byte & 15)])
    }
    return String(decoding: text, as: UTF8.self)
}

/// Parses an even number of hex digits; nil where anything else stands.
package func decodeHex(_ text: some StringProtocol) -> [UInt8]? {
    var bytes: [UInt8] = []
    var high: UInt8?
    for character in text.utf8 {
        let value: UInt8
        switch character {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): value = character - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): value = character - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): value = character - UInt8(ascii: "A") + 10
        default: return nil
        }
        if let first = high {
            bytes.append(first << 4 | value)
            high = nil
        } else {
            high = value
        }
    }
    return high == nil ? bytes : nil
}
