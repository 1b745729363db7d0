import CCrypto

/// Computes an MD5 (RFC 1321) from bytes that arrive in pieces. For the formats that ask for it (dpkg's database), never
/// for trust.
///
/// Not `Sendable`: one hasher belongs to one task.
package final class MD5Hasher {
    private let context: OpaquePointer

    /// Begins a digest. Ends the process where libcrypto has no MD5, or no memory left.
    package init() {
        guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_md5(), nil) == 1 else {
            preconditionFailure("libcrypto has no MD5, or no memory left")
        }
        self.context = context
    }

    deinit { EVP_MD_CTX_free(context) }

    /// Adds bytes; an empty buffer adds nothing.
    package func update(_ bytes: UnsafeRawBufferPointer) {
        guard let base = bytes.baseAddress, !bytes.isEmpty else { return }
        EVP_DigestUpdate(context, base, bytes.count)
    }

    /// The MD5 of everything so far, 32 lower-case hex digits. The hasher starts afresh afterwards.
    package func finalize() -> String {
        var bytes = [UInt8](repeating: 0, count: 16)
        var length: UInt32 = 0
        EVP_DigestFinal_ex(context, &bytes, &length)
        EVP_DigestInit_ex(context, EVP_md5(), nil)
        return encodeHex(bytes)
    }
}
