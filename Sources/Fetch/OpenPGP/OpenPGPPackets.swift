/// One packet of a binary OpenPGP sequence (RFC 9580, section 4).
struct OpenPGPPacket {
    /// What the packet is (RFC 9580, section 5).
    enum Tag {
        static let signature: UInt8 = 2
        static let onePassSignature: UInt8 = 4
        static let publicKey: UInt8 = 6
        static let compressed: UInt8 = 8
        static let marker: UInt8 = 10
        static let literal: UInt8 = 11
        static let publicSubkey: UInt8 = 14
        static let padding: UInt8 = 21
    }

    var tag: UInt8
    /// The bytes after the header, within the sequence.
    var body: Range<Int>
    /// Header and body.
    var whole: Range<Int>

    /// The type in a header's first byte (RFC 9580, section 4.2); nil where it is no header.
    static func tag(ofHeader byte: UInt8) -> UInt8? {
        guard byte & 0x80 != 0 else { return nil }
        return byte & 0x40 != 0 ? byte & 0x3f : byte >> 2 & 0x0f
    }
}

/// Why a sequence of packets cannot be read.
struct OpenPGPPacketError: Error {
    /// The offset of the packet that is wrong.
    var offset: Int
    var message: String
}

/// Reads the headers of packets one after the other. Only lengths are read that lie within the bytes.
struct OpenPGPPackets: Sequence, IteratorProtocol {
    private let bytes: [UInt8]
    private var offset = 0
    /// What ended the sequence before its end.
    private(set) var error: OpenPGPPacketError?

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// All packets.
    ///
    /// - Throws: `OpenPGPPacketError`.
    static func all(_ bytes: [UInt8]) throws -> [OpenPGPPacket] {
        var reader = OpenPGPPackets(bytes)
        var packets: [OpenPGPPacket] = []
        while let packet = reader.next() { packets.append(packet) }
        if let error = reader.error { throw error }
        return packets
    }

    mutating func next() -> OpenPGPPacket? {
        guard offset < bytes.count, error == nil else { return nil }
        let start = offset
        do {
            let packet = try readPacket()
            offset = packet.whole.upperBound
            return packet
        } catch {
            self.error = OpenPGPPacketError(offset: start, message: error.message)
            return nil
        }
    }

    private struct Problem: Error { var message: String }

    private func readPacket() throws(Problem) -> OpenPGPPacket {
        let header = bytes[offset]
        guard let tag = OpenPGPPacket.tag(ofHeader: header) else {
            throw Problem(message: "this is no packet header")
        }
        let isNew = header & 0x40 != 0
        guard tag != 0 else { throw Problem(message: "the packet's type is 0, which no packet has") }
        let (length, start) = try isNew ? newLength() : oldLength(header & 3)
        guard length <= bytes.count - start else { throw Problem(message: "the packet is cut off") }
        return OpenPGPPacket(tag: tag, body: start..<start + length, whole: offset..<start + length)
    }

    /// RFC 9580, section 4.2.1. Lengths in parts belong to data, never to keys or signatures.
    private func newLength() throws(Problem) -> (Int, Int) {
        let first = try number(at: offset + 1, bytes: 1)
        switch first {
        case 0..<192: return (first, offset + 2)
        case 192..<224: return ((first - 192) << 8 + (try number(at: offset + 2, bytes: 1)) + 192, offset + 3)
        case 255: return (try number(at: offset + 2, bytes: 4), offset + 6)
        default: throw Problem(message: "the packet's length is given in parts")
        }
    }

    /// RFC 9580, section 4.2.2.
    private func oldLength(_ type: UInt8) throws(Problem) -> (Int, Int) {
        guard type != 3 else { throw Problem(message: "the packet's length is not given") }
        let width = 1 << Int(type)
        return (try number(at: offset + 1, bytes: width), offset + 1 + width)
    }

    private func number(at start: Int, bytes width: Int) throws(Problem) -> Int {
        guard bytes.count - start >= width else { throw Problem(message: "the packet's header is cut off") }
        return bytes[start..<start + width].reduce(0) { $0 << 8 | Int($1) }
    }
}
