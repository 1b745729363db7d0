import Diagnostics

/// The file of a detached signature, looked at before gpgv is: whether it is one, and no other thing.
enum DetachedSignature {
    /// The most bytes such a file may have; a signature has less than 1 KiB, and a file holds a few.
    static let limit = 64 << 10

    /// - Throws: `Failure` that says what the bytes are, when they are anything but signature packets.
    static func check(_ bytes: [UInt8], at place: String) throws {
        guard !bytes.isEmpty else {
            throw refusal(place, "the signature's file is empty", nil)
        }
        guard bytes.count <= limit else {
            throw refusal(
                place, "the signature's file is too large", "\(bytes.count) bytes", expected: "at most \(limit) bytes")
        }
        let binary = try binary(bytes, at: place)
        let inline = [
            OpenPGPPacket.Tag.onePassSignature, OpenPGPPacket.Tag.compressed, OpenPGPPacket.Tag.literal,
        ]
        // The first packet's type is told before its length, which data may leave open.
        if let tag = binary.first.flatMap(OpenPGPPacket.tag), inline.contains(tag) {
            throw refusal(place, attached, "a signature with the text inside")
        }
        let packets: [OpenPGPPacket]
        do { packets = try OpenPGPPackets.all(binary) } catch let error as OpenPGPPacketError {
            throw refusal(
                place, "the file is not an OpenPGP signature", "bytes that are none (\(error.message))")
        }
        let tags = packets.map(\.tag).filter { $0 != OpenPGPPacket.Tag.marker && $0 != OpenPGPPacket.Tag.padding }
        if tags.contains(where: inline.contains) { throw refusal(place, attached, "a signature with the text inside") }
        if tags.first == OpenPGPPacket.Tag.publicKey {
            throw refusal(place, "the file is not an OpenPGP signature", "a public key")
        }
        if tags.isEmpty || tags.contains(where: { $0 != OpenPGPPacket.Tag.signature }) {
            let other = tags.first { $0 != OpenPGPPacket.Tag.signature }
            throw refusal(
                place, "the file is not an OpenPGP signature", other.map { "a packet of type \($0)" } ?? "no signature")
        }
    }

    private static let attached = "the signature is not detached from its text"

    private static func binary(_ bytes: [UInt8], at place: String) throws -> [UInt8] {
        if let first = bytes.first, first & 0x80 != 0 { return bytes }
        switch OpenPGPArmor.kind(of: bytes) {
        case "SIGNATURE": break
        case "SIGNED MESSAGE": throw refusal(place, attached, "a clear-signed text")
        case "MESSAGE": throw refusal(place, attached, "a signature with the text inside")
        case "PUBLIC KEY BLOCK": throw refusal(place, "the file is not an OpenPGP signature", "a public key")
        case let kind: throw refusal(place, "the file is not an OpenPGP signature", kind ?? "other bytes")
        }
        do { return try OpenPGPArmor.data(bytes, kind: "SIGNATURE") } catch {
            throw refusal("\(place):\(error.line)", "the file is not an OpenPGP signature", error.message)
        }
    }

    private static func refusal(
        _ place: String, _ message: String, _ found: String?, expected: String = "a detached OpenPGP signature"
    ) -> Failure {
        Failure(
            at: place, message, expected: expected, found: found,
            next: "name the publisher's detached signature (often SHA256SUMS.gpg, or a name that ends in .sig or .asc)")
    }
}
