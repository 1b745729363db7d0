/// What a CRC64 that does not fit tells about the place of the damage (xz file format 1.2.0, section 6: ECMA-182, reflected).
///
/// The sum is linear: the difference between the sum that was found and the one that was written is the sum of the damage
/// alone. Seen from the end, every byte of undamaged data turns that difference on by one step that can be undone; where it
/// fits into the bytes that would have made it, these bytes are the damage. Among 8 MiB, other damage looks like that once in
/// thirty million cases.
struct CRC64Difference {
    private static let polynomial: UInt64 = 0xc96c_5795_d787_0f42
    /// What a byte turns the register by.
    private static let steps: [UInt64] = (0..<256).map { byte in
        (0..<8).reduce(UInt64(byte)) { sum, _ in sum & 1 == 1 ? sum >> 1 ^ polynomial : sum >> 1 }
    }
    /// The byte whose step has these upper eight bits.
    private static let bytes: [Int] = steps.enumerated().reduce(into: [Int](repeating: 0, count: 256)) {
        $0[Int($1.element >> 56)] = $1.offset
    }

    private let difference: UInt64

    init(found: UInt64, written: UInt64) { difference = found ^ written }

    /// The byte of the written sum itself that is bad, from 0, when it is one.
    var byteOfCheck: UInt64? {
        guard difference != 0 else { return nil }
        let byte = UInt64(difference.trailingZeroBitCount / 8)
        return difference >> (8 * byte) < 256 ? byte : nil
    }

    /// Where in data of `count` bytes one bad byte, or two that follow each other, would make this difference.
    ///
    /// - Returns: nil when the damage is another.
    func badBytes(among count: UInt64) -> Range<UInt64>? {
        guard difference != 0 else { return nil }
        var register = difference
        return Self.steps.withUnsafeBufferPointer { steps in
            Self.bytes.withUnsafeBufferPointer { bytes in
                var position = count
                while position > 0 {
                    let byte = bytes[Int(register >> 56)]
                    register = (register ^ steps[byte]) << 8 | UInt64(byte)
                    position -= 1
                    if register < 1 << 8 { return position..<position + 1 }
                    // The first of two bytes is the register's lowest.
                    if register < 1 << 16, position + 1 < count, register & 0xff != 0 { return position..<position + 2 }
                }
                return nil
            }
        }
    }
}
