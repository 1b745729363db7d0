import Digests

/// A public key of version 4 in a keyring, as far as trust decisions need it.
package struct OpenPGPKey: Sendable, Equatable {
    /// SHA-1 of the key's packet (RFC 9580, section 5.5.4.2).
    package let fingerprint: KeyFingerprint
    /// Told by the packet's number; an unknown one does not make the key unreadable.
    package let algorithm: Algorithm
    /// The size in bits: of the modulus for RSA, of the prime for DSA and Elgamal, of the curve otherwise; 0 where the
    /// curve is not known.
    package let bits: Int
    /// When the key was made, in seconds since 1970.
    package let created: Int64
    /// The keys that are bound to this one; a subkey has none.
    package internal(set) var subkeys: [OpenPGPKey] = []

    /// What the key computes with (RFC 9580, section 9.1).
    package enum Algorithm: Sendable, Hashable, CustomStringConvertible {
        case rsa, elgamal, dsa, ecdh, ecdsa, eddsa
        /// Another number of the registry.
        case other(UInt8)

        init(number: UInt8) {
            self =
                switch number {
                case 1, 2, 3: .rsa
                case 16, 20: .elgamal
                case 17: .dsa
                case 18, 25, 26: .ecdh
                case 19: .ecdsa
                case 22, 27, 28: .eddsa
                default: .other(number)
                }
        }

        package var description: String {
            switch self {
            case .rsa: "RSA"
            case .elgamal: "Elgamal"
            case .dsa: "DSA"
            case .ecdh: "ECDH"
            case .ecdsa: "ECDSA"
            case .eddsa: "EdDSA"
            case .other(let number): "algorithm \(number)"
            }
        }
    }

    /// Whether a signature by this key proves little: RSA, DSA or Elgamal of less than 2,048 bits.
    package var isWeak: Bool {
        switch algorithm {
        case .rsa, .dsa, .elgamal: bits < 2048
        case .ecdh, .ecdsa, .eddsa, .other: false
        }
    }

    /// The key or its subkey with that fingerprint.
    func key(_ fingerprint: KeyFingerprint) -> OpenPGPKey? {
        fingerprint == self.fingerprint ? self : subkeys.first { $0.fingerprint == fingerprint }
    }

    /// The key or its subkey with that id.
    func key(id: String) -> OpenPGPKey? { ([self] + subkeys).first { $0.fingerprint.keyID == id } }

    /// Reads the body of a public-key or subkey packet (RFC 9580, section 5.5.2).
    ///
    /// - Returns: nil for another version than 4, and for a body that is cut off.
    init?(packet body: ArraySlice<UInt8>) {
        let start = body.startIndex
        // Lengths of more than two bytes have no fingerprint of version 4.
        guard body.count > 6, body.count <= 0xffff, body[start] == 4 else { return nil }
        created = body[start + 1..<start + 5].reduce(Int64(0)) { $0 << 8 | Int64($1) }
        let number = body[start + 5]
        algorithm = Algorithm(number: number)
        let material = body[(start + 6)...]
        let bits: Int? =
            switch algorithm {
            case .rsa, .dsa, .elgamal: Self.bitsOfFirstInteger(material)
            case .ecdh, .ecdsa, .eddsa: [25: 255, 26: 448, 27: 255, 28: 448][number] ?? Self.bitsOfCurve(material)
            case .other: 0
            }
        guard let bits else { return nil }
        self.bits = bits
        let hasher = ChecksumHasher(.sha1)
        hasher.update([0x99, UInt8(body.count >> 8), UInt8(body.count & 255)])
        hasher.update(Array(body))
        guard let fingerprint = KeyFingerprint(bytes: hasher.finalize()) else { return nil }
        self.fingerprint = fingerprint
    }

    /// The size of a multiprecision integer (RFC 9580, section 3.2), counted from its bytes and not from what it claims.
    private static func bitsOfFirstInteger(_ material: ArraySlice<UInt8>) -> Int? {
        guard material.count > 2 else { return nil }
        let claimed = Int(material[material.startIndex]) << 8 | Int(material[material.startIndex + 1])
        let bytes = material.dropFirst(2).prefix((claimed + 7) / 8)
        guard bytes.count == (claimed + 7) / 8, let first = bytes.firstIndex(where: { $0 != 0 }) else { return nil }
        return (bytes.endIndex - first) * 8 - bytes[first].leadingZeroBitCount
    }

    /// The size of the curve that an object identifier names (RFC 9580, section 9.2); 0 for others.
    private static func bitsOfCurve(_ material: ArraySlice<UInt8>) -> Int? {
        guard let count = material.first, count > 0, material.count > Int(count) else { return nil }
        return switch encodeHex(material.dropFirst().prefix(Int(count))) {
        case "2b06010401da470f01", "2b060104019755010501": 255
        case "2a8648ce3d030107", "2b8104000a", "2b2403030208010107": 256
        case "2b81040022", "2b240303020801010b": 384
        case "2b240303020801010d": 512
        case "2b81040023": 521
        default: 0
        }
    }
}

extension OpenPGPKey: CustomStringConvertible {
    /// `RSA 4096 843938DF228D22F7B3742BC0D94AA3F0EFE21092`
    package var description: String { "\(algorithm) \(bits) \(fingerprint)" }
}
