extension StringProtocol {
    /// Without white space at either end.
    package var trimmed: String {
        guard let start = firstIndex(where: { !$0.isWhitespace }), let end = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[start...end])
    }
}

extension BinaryInteger {
    /// Hexadecimal digits in lower case, with zeros in front up to `digits` of them.
    package func hex(digits: Int = 1) -> String {
        let text = String(self, radix: 16)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }
}

extension Sequence<UInt8> {
    /// Two hexadecimal digits for each byte.
    package func hex(separator: String = "") -> String { map { $0.hex(digits: 2) }.joined(separator: separator) }
}
