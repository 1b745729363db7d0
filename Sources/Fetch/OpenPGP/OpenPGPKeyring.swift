import Diagnostics
import Storage
import SystemPackage

/// The public keys of a keyring file: binary (`gpg --export`) or ASCII-armoured (RFC 9580, sections 10.1 and 6).
///
/// Nothing in a keyring is trusted because it is in there: a caller names the fingerprints that it trusts. Keys of other
/// versions than 4 are passed over.
package struct OpenPGPKeyring: Sendable {
    /// The most bytes a keyring file may have.
    package static let limit = 16 << 20

    /// Where the keyring comes from, for errors.
    package let place: String
    /// The primary keys, in the file's order.
    package let keys: [OpenPGPKey]
    /// The keyring without armour, as gpgv reads it.
    package let binary: [UInt8]
    /// Which bytes of ``binary`` belong to each of ``keys``.
    private let stretches: [Range<Int>]

    /// Reads a keyring file.
    ///
    /// - Throws: `Failure` when it is missing, larger than ``limit``, or not a keyring.
    package static func read(_ path: FilePath) throws -> OpenPGPKeyring {
        try OpenPGPKeyring(try readFile(path, limit: limit), at: path.string)
    }

    /// - Parameter place: where the bytes come from, for errors.
    /// - Throws: `Failure` when they are not a keyring, or one without a key of version 4.
    package init(_ bytes: [UInt8], at place: String) throws {
        self.place = place
        let export = "gpg --no-default-keyring --keyring \(place) --export > NEW.gpg, and name that file"
        guard bytes.count <= Self.limit else {
            throw Failure(
                at: place, "the keyring is too large", expected: "at most \(Self.limit) bytes",
                found: "\(bytes.count) bytes")
        }
        // A keybox's first blob (GnuPG, kbx/keybox-blob.c): length, type, version, flags, and these four letters.
        if bytes.dropFirst(8).starts(with: Array("KBXf".utf8)) {
            throw Failure(
                at: place, "the keyring is a keybox of GnuPG", expected: "a keyring as gpg --export writes it",
                next: export)
        }
        binary = try Self.dearmored(bytes, at: place)

        let packets: [OpenPGPPacket]
        do { packets = try OpenPGPPackets.all(binary) } catch let error as OpenPGPPacketError {
            throw Failure(at: place, "the keyring is damaged at byte \(error.offset): \(error.message)")
        }
        guard packets.first?.tag == OpenPGPPacket.Tag.publicKey else {
            throw Failure(
                at: place, packets.isEmpty ? "the keyring is empty" : "the file is not a keyring",
                expected: "a public key first", found: packets.first.map { "a packet of type \($0.tag)" })
        }
        var keys: [OpenPGPKey] = []
        var stretches: [Range<Int>] = []
        // Whether the packets belong to a key that is listed.
        var isListed = false
        for packet in packets {
            if packet.tag == OpenPGPPacket.Tag.publicKey {
                let key = OpenPGPKey(packet: binary[packet.body])
                isListed = key != nil
                if let key {
                    keys.append(key)
                    stretches.append(packet.whole)
                }
            } else if isListed {
                stretches[stretches.count - 1] = stretches[stretches.count - 1].lowerBound..<packet.whole.upperBound
                if packet.tag == OpenPGPPacket.Tag.publicSubkey, let subkey = OpenPGPKey(packet: binary[packet.body]) {
                    keys[keys.count - 1].subkeys.append(subkey)
                }
            }
        }
        guard !keys.isEmpty else {
            throw Failure(at: place, "the keyring has no key of version 4", found: "only other versions")
        }
        self.keys = keys
        self.stretches = stretches
    }

    /// The primary key with that fingerprint.
    package subscript(fingerprint: KeyFingerprint) -> OpenPGPKey? { keys.first { $0.fingerprint == fingerprint } }

    /// A binary keyring of some of the keys only.
    package func binary(of fingerprints: [KeyFingerprint]) -> [UInt8] {
        zip(keys, stretches).filter { fingerprints.contains($0.0.fingerprint) }.flatMap { binary[$0.1] }
    }

    /// The primary key that has the id, or a subkey with it.
    func owner(ofKeyID id: String) -> OpenPGPKey? { keys.first { $0.key(id: id) != nil } }

    private static func dearmored(_ bytes: [UInt8], at place: String) throws -> [UInt8] {
        // A packet's first byte has its highest bit set; armour is ASCII.
        guard let first = bytes.first, first & 0x80 == 0 else { return bytes }
        let kind = "PUBLIC KEY BLOCK"
        guard let found = OpenPGPArmor.kind(of: bytes) else {
            throw Failure(
                at: place, "the file is not a keyring", expected: "OpenPGP keys, binary or in ASCII armour",
                found: "neither")
        }
        do {
            let data = try OpenPGPArmor.data(bytes, kind: kind)
            guard data.isEmpty else { return data }
        } catch {
            throw Failure(at: "\(place):\(error.line)", error.message)
        }
        throw Failure(
            at: place, "the file is not a keyring", expected: "-----BEGIN PGP \(kind)-----",
            found: "-----BEGIN PGP \(found)-----")
    }
}
