import CCrypto

/// A SHA-256 of which the state up to a place can be kept, and taken up there again (FIPS 180-4, section 6.2: eight words, and how
/// much went in).
package struct ResumableSHA256: Sendable {
    /// Bytes that are taken in at once; the state is whole at their multiples.
    package static let blockSize: UInt64 = 64

    private var context = SHA256_CTX()
    /// Bytes that went in.
    package private(set) var count: UInt64 = 0

    package init() { SHA256_Init(&context) }

    /// Goes on where another stopped.
    ///
    /// - Parameters:
    ///   - state: as ``state`` gave it.
    ///   - count: the bytes that had gone in; a multiple of 64.
    package init?(state: SHA256Digest, count: UInt64) {
        guard count % Self.blockSize == 0 else { return nil }
        self.init()
        withUnsafeMutableBytes(of: &context.h) { words in
            for index in 0..<8 {
                let word = state.bytes[index * 4..<index * 4 + 4].reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
                words.storeBytes(of: word, toByteOffset: index * 4, as: UInt32.self)
            }
        }
        let bits = count << 3
        context.Nl = UInt32(truncatingIfNeeded: bits)
        context.Nh = UInt32(truncatingIfNeeded: bits >> 32)
        self.count = count
    }

    /// Adds bytes.
    package mutating func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
        SHA256_Update(&context, base, bytes.count)
        count += UInt64(bytes.count)
    }

    /// The eight words, the high byte of each first; nil where ``count`` is no multiple of 64. It is no digest of anything.
    package var state: SHA256Digest? {
        guard count % Self.blockSize == 0 else { return nil }
        let bytes = withUnsafeBytes(of: context.h) { words in
            (0..<8).flatMap { index in
                withUnsafeBytes(of: words.load(fromByteOffset: index * 4, as: UInt32.self).bigEndian) { Array($0) }
            }
        }
        return SHA256Digest(trusted: bytes)
    }

    /// The digest of everything that went in.
    package func finalized() -> SHA256Digest {
        var copy = context
        var bytes = [UInt8](repeating: 0, count: 32)
        SHA256_Final(&bytes, &copy)
        return SHA256Digest(trusted: bytes)
    }
}
