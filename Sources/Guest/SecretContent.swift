import Storage
import Diagnostics
import Foundation
import Layers

/// What a file's bytes are, as far as secrets go: told by what the file is, never by where it lies.
package enum SecretContent: Equatable {
    /// A key that only its owner may have, in this form.
    case privateKey(String)
    /// Something random that others may not read.
    case randomSecret
    /// The public half of a key: a certificate, a request, a public key. Without its private half it is of no use.
    case publicHalf

    /// The most bytes that are looked at; keys are at the beginning.
    package static let limit = 1 << 20

    /// - Parameters:
    ///   - bytes: the file's first ``limit`` bytes.
    ///   - isReadableByAll: whether anybody may read it; then it is no secret unless it is a private key.
    /// - Returns: nil for what is none of these.
    package init?(_ bytes: [UInt8], isReadableByAll: Bool) {
        if let form = Self.privateKeyForm(bytes) {
            self = .privateKey(form)
        } else if Self.isPublicHalf(bytes) {
            self = .publicHalf
        } else if !isReadableByAll, Self.holdsRandomSecret(bytes) {
            self = .randomSecret
        } else {
            return nil
        }
    }

    // MARK: Private keys

    /// Texts that stand in private keys alone.
    private static let marks: [(text: String, form: String)] = [
        // RFC 7468 and its forerunners: PRIVATE KEY, RSA PRIVATE KEY, OPENSSH PRIVATE KEY, ENCRYPTED PRIVATE KEY …
        ("PRIVATE KEY-----", "PEM"), ("-----BEGIN PGP PRIVATE KEY BLOCK-----", "OpenPGP"),
        ("PuTTY-User-Key-File-", "PuTTY"),
        // GnuPG, agent/keyformat.txt.
        ("(private-key", "GnuPG"), ("(protected-private-key", "GnuPG"),
        // BIND, dnssec-keygen(8).
        ("Private-key-format: v", "DNSSEC"), ("AGE-SECRET-KEY-", "age"), ("ed25519v1-secret:", "Tor"),
        // signify(1), minisign.
        ("secret key\nRW", "signify"),
    ]

    /// The form of the private key that the bytes are or hold; nil for none.
    private static func privateKeyForm(_ bytes: [UInt8]) -> String? {
        let data = Data(bytes)
        for mark in marks where data.range(of: Data(mark.text.utf8)) != nil {
            guard mark.form == "PEM" else { return mark.form }
            if data.range(of: Data("-----BEGIN ".utf8)) != nil { return "PEM" }
        }
        // Dropbear, signkey.c: the key's type as an SSH string (RFC 4251, section 5), then its numbers.
        for type in [
            "ssh-rsa", "ssh-dss", "ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521",
        ]
        where bytes.starts(with: [0, 0, 0, UInt8(type.utf8.count)] + Array(type.utf8)) {
            return "Dropbear"
        }
        // java.security.KeyStore, JKS and JCEKS: magic, version 1 or 2, number of entries; a first entry of kind 1 or 3 is a key.
        if bytes.starts(with: [0xfe, 0xed, 0xfe, 0xed]) || bytes.starts(with: [0xce, 0xce, 0xce, 0xce]),
            bytes.count > 16, bytes[15] == 1 || bytes[15] == 3
        {
            return "Java key store"
        }
        // MIT Kerberos, keytab file format.
        if bytes.starts(with: [5, 2, 0, 0]), bytes.count > 16 { return "Kerberos key table" }
        return derPrivateKey(bytes) ? "DER" : nil
    }

    /// PKCS #8 (RFC 5208), PKCS #1 (RFC 8017), SEC 1 (RFC 5915), PKCS #12 (RFC 7292): one SEQUENCE over all of the file, a version first.
    private static func derPrivateKey(_ bytes: [UInt8]) -> Bool {
        guard let outer = DER(bytes[...]), outer.tag == 0x30, outer.isWhole, let version = DER(outer.content),
            version.tag == 0x02, version.content.count == 1, let number = version.content.first
        else { return false }
        guard let next = DER(version.rest) else { return false }
        switch (number, next.tag) {
        // An AlgorithmIdentifier and an OCTET STRING.
        case (0...1, 0x30): return DER(next.rest)?.tag == 0x04
        // The RSA modulus, and seven more numbers.
        case (0...1, 0x02):
            var count = 0
            var rest = version.rest
            while let number = DER(rest), number.tag == 0x02 { (count, rest) = (count + 1, number.rest) }
            return count >= 5
        case (1, 0x04): return next.content.count >= 16
        // A ContentInfo: a key store.
        case (3, 0x30): return DER(next.content)?.tag == 0x06
        default: return false
        }
    }

    /// One element of X.690 with a definite length.
    private struct DER {
        let tag: UInt8
        let content: ArraySlice<UInt8>
        let rest: ArraySlice<UInt8>
        /// Whether nothing is behind it.
        var isWhole: Bool { rest.isEmpty }

        init?(_ bytes: ArraySlice<UInt8>) {
            guard bytes.count >= 2, let tag = bytes.first else { return nil }
            var body = bytes.dropFirst(2)
            var length = Int(bytes[bytes.startIndex + 1])
            if length >= 0x80 {
                let count = length - 0x80
                guard (1...4).contains(count), body.count >= count else { return nil }
                length = body.prefix(count).reduce(0) { $0 << 8 | Int($1) }
                body = body.dropFirst(count)
            }
            guard length <= body.count else { return nil }
            self.tag = tag
            content = body.prefix(length)
            rest = body.dropFirst(length)
        }
    }

    // MARK: Public halves

    private static func isPublicHalf(_ bytes: [UInt8]) -> Bool {
        let data = Data(bytes.prefix(1 << 16))
        let texts = [
            "-----BEGIN CERTIFICATE", "-----BEGIN X509 CERTIFICATE", "-----BEGIN PUBLIC KEY",
            "-----BEGIN RSA PUBLIC KEY",
            "-----BEGIN NEW CERTIFICATE REQUEST", "-----BEGIN PGP PUBLIC KEY",
        ]
        if texts.contains(where: { data.range(of: Data($0.utf8)) != nil }) { return true }
        if ["ssh-", "ecdsa-sha2-"].contains(where: { bytes.starts(with: $0.utf8) }),
            data.range(of: Data(" AAAA".utf8)) != nil
        {
            return true
        }
        // A certificate (RFC 5280): a SEQUENCE over all, in it the part that is signed, an algorithm, and the signature's bits.
        guard let outer = DER(bytes[...]), outer.tag == 0x30, outer.isWhole, let signed = DER(outer.content),
            signed.tag == 0x30, let algorithm = DER(signed.rest), algorithm.tag == 0x30
        else { return false }
        return DER(algorithm.rest)?.tag == 0x03
    }

    // MARK: Random secrets

    /// Whether the bytes are random as a whole, or a text with a random word. What is packed looks random and is not.
    private static func holdsRandomSecret(_ bytes: [UInt8]) -> Bool {
        if let text = String(validating: bytes, as: UTF8.self), !text.unicodeScalars.contains(where: { $0.value < 9 }) {
            return text.splitLines().contains { hasRandomWord($0) }
        }
        guard (16...1 << 16).contains(bytes.count), PackedFormat(start: bytes) == nil else { return false }
        return entropy(of: bytes) >= 0.9 * log2(Double(min(bytes.count, 256)))
    }

    /// Bits a byte (Shannon).
    private static func entropy(of bytes: some Collection<UInt8>) -> Double {
        var counts = [Int](repeating: 0, count: 256)
        for byte in bytes { counts[Int(byte)] += 1 }
        let total = Double(bytes.count)
        return counts.reduce(0) { sum, count in
            guard count > 0 else { return sum }
            let share = Double(count) / total
            return sum - share * log2(share)
        }
    }

    /// Words that people put before a secret.
    private static let hints = ["pass", "secret", "key", "token", "salt", "cookie", "auth", "cred"]

    /// Words that people put before a digest or an identifier.
    private static let digests = ["md5", "sha1", "sha2", "sha5", "checksum", "digest", "uuid", "etag"]

    private static func hasRandomWord(_ line: Substring) -> Bool {
        let lower = line.lowercased()
        let isHinted = hints.contains { lower.contains($0) }
        // What tells a content from another is no secret: a word that somebody wrote says so, and not chance in the word itself.
        var isDigest = false
        for word in line.split(whereSeparator: { !($0.isASCII && ($0.isLetter || $0.isNumber || $0 == "+")) }) {
            if isRandom(Array(word.utf8), isHinted: isHinted) {
                if isHinted || !isDigest { return true }
            } else if digests.contains(where: { word.lowercased().contains($0) }) {
                isDigest = true
            }
        }
        return false
    }

    /// Whether nobody would have chosen the word: hex digits that are no number, or letters of both cases among digits.
    private static func isRandom(_ word: [UInt8], isHinted: Bool) -> Bool {
        guard word.count >= (isHinted ? 8 : 16) else { return false }
        let digits = word.count { (0x30...0x39).contains($0) }
        let upper = word.count { (0x41...0x5a).contains($0) }
        let lower = word.count { (0x61...0x7a).contains($0) }
        let isHex = word.allSatisfy {
            (0x30...0x39).contains($0) || (0x41...0x46).contains($0) || (0x61...0x66).contains($0)
        }
        if isHex { return word.count >= 24 && digits < word.count && digits > 0 }
        // Names such as `sha256sum`, `Debian13` and `RootLogin` change from one kind of letter to another in a few places only.
        let changes = zip(word, word.dropFirst()).count { Self.kind($0) != Self.kind($1) }
        guard digits >= 1 || upper >= 2 && lower >= 2 && changes * 5 >= word.count * 2 else { return false }
        return changes * 4 >= word.count && entropy(of: word) >= 0.75 * log2(Double(word.count))
    }

    private static func kind(_ byte: UInt8) -> Int {
        switch byte {
        case 0x30...0x39: 0
        case 0x41...0x5a: 1
        case 0x61...0x7a: 2
        default: 3
        }
    }
}
