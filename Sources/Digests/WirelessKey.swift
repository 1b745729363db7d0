import CCrypto

/// The pre-shared key of a WPA pass phrase: PBKDF2 with HMAC-SHA-1, 4,096 rounds, the SSID as salt, 256 bits
/// (IEEE 802.11-2020, annex J.4.1), as 64 hex digits.
///
/// - Returns: nil where libcrypto cannot compute it.
package func wirelessKey(passphrase: String, ssid: String) -> String? {
    var key = [UInt8](repeating: 0, count: 32)
    let salt = Array(ssid.utf8)
    let phrase = Array(passphrase.utf8).map { CChar(bitPattern: $0) }
    let done = PKCS5_PBKDF2_HMAC_SHA1(phrase, CInt(phrase.count), salt, CInt(salt.count), 4096, CInt(key.count), &key)
    return done == 1 ? encodeHex(key) : nil
}
