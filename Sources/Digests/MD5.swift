import CCrypto

/// The MD5 of bytes at hand (RFC 1321), 32 lower-case hex digits. For the formats that ask for it (dpkg's `Conffiles`
/// field), never for trust.
public func md5Hex(_ bytes: [UInt8]) -> String {
    var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
    var length: UInt32 = 0
    guard EVP_Digest(bytes, bytes.count, &digest, &length, EVP_md5(), nil) == 1 else {
        preconditionFailure("libcrypto has no MD5")
    }
    return encodeHex(digest.prefix(Int(length)))
}
