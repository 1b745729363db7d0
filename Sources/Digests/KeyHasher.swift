/// Builds a digest from named parts so that no two different lists of parts give the same bytes: every part is
/// written with its length. Used for cache keys, seeds and salts.
package struct KeyHasher {
    private let hasher = SHA256Hasher()

    /// - Parameter purpose: what the digest is for; digests of different purposes never meet.
    package init(purpose: String) { add(purpose) }

    /// Adds one part.
    package func add(_ bytes: [UInt8]) {
        var length = UInt64(bytes.count).littleEndian
        withUnsafeBytes(of: &length) { hasher.update($0) }
        hasher.update(bytes)
    }

    /// Adds a string's UTF-8 bytes as one part.
    package func add(_ text: String) { add(Array(text.utf8)) }

    /// Adds a digest as one part.
    package func add(_ digest: SHA256Digest) { add(digest.bytes) }

    /// Adds an integer, as its decimal text, as one part.
    package func add(_ number: some BinaryInteger) { add(String(number)) }

    /// The digest of the purpose and of all parts so far. The hasher starts afresh afterwards, without its purpose.
    package func finalize() -> SHA256Digest { hasher.finalize() }
}

extension SHA256Digest {
    /// A version-8 (custom) UUID made of the digest's first 16 bytes (RFC 9562, section 5.8), lower case with dashes.
    package var uuid: String {
        var raw = Array(bytes.prefix(16))
        raw[6] = raw[6] & 0x0f | 0x80
        raw[8] = raw[8] & 0x3f | 0x80
        let hex = Array(encodeHex(raw).utf8)
        let groups = [hex[0..<8], hex[8..<12], hex[12..<16], hex[16..<20], hex[20..<32]]
        return groups.map { String(decoding: $0, as: UTF8.self) }.joined(separator: "-")
    }
}
