/// A number of bytes, written in a recipe as `512M` or `1G`: powers of 1,024, whole numbers only.
package struct ByteCount: Sendable, Hashable, Comparable {
    package let bytes: UInt64

    package init(bytes: UInt64) { self.bytes = bytes }

    /// Parses `0`, or a whole number with K, M or G; nil for anything else and for more than 1,024 TiB.
    package init?(_ text: String) {
        if text == "0" {
            self.init(bytes: 0)
            return
        }
        guard let unit = text.last, let shift = Self.units.first(where: { $0.letter == unit })?.shift,
            let count = UInt64(text.dropLast()), count > 0, text.first != "+", text.first != "0",
            count <= (1 << 50) >> shift
        else { return nil }
        self.init(bytes: count << shift)
    }

    /// `count` MiB, of 2^20 bytes each.
    package static func mebibytes(_ count: UInt64) -> ByteCount { ByteCount(bytes: count << 20) }
    /// `count` GiB, of 2^30 bytes each.
    package static func gibibytes(_ count: UInt64) -> ByteCount { ByteCount(bytes: count << 30) }

    package static func < (a: ByteCount, b: ByteCount) -> Bool { a.bytes < b.bytes }

    private static let units: [(letter: Character, shift: UInt64)] = [("G", 30), ("M", 20), ("K", 10)]
}

extension ByteCount: CustomStringConvertible {
    /// In the largest unit that leaves no remainder: `1G`, `1536M`; plain bytes when there is none.
    package var description: String {
        for (letter, shift) in Self.units where bytes > 0 && bytes % (1 << shift) == 0 {
            return "\(bytes >> shift)\(letter)"
        }
        return String(bytes)
    }
}

extension Shape where Value == ByteCount {
    /// A size within a range, and a multiple of `unit`.
    static func size(in range: ClosedRange<ByteCount>, multipleOf unit: ByteCount = .mebibytes(1)) -> Shape {
        let expected = "a size from \(range.lowerBound) to \(range.upperBound): a whole number with K, M or G"
        return Shape<String>.text("a size", pattern: "(0|[1-9][0-9]*[KMG])", expected: expected, limit: 24).mapped(
            { text, _ in
                guard let size = ByteCount(text), range.contains(size) else {
                    throw Refusal("\(text) is out of range", expected: expected)
                }
                guard size.bytes % unit.bytes == 0 else { throw Refusal("\(size) is not a multiple of \(unit)") }
                return size
            }, back: \.description
        ).summarized("size, \(range.lowerBound) to \(range.upperBound)").allowingZero(range.lowerBound.bytes == 0)
    }
}

extension Shape {
    /// A zero without quotes is an integer to YAML, so the schema takes that too.
    fileprivate func allowingZero(_ zero: Bool) -> Shape {
        var shape = self
        if zero { shape.schema = .members(["oneOf": .array([.members(["const": .integer(0)]), schema])]) }
        return shape
    }

    /// The same shape with other words for the reference table.
    func summarized(_ summary: String) -> Shape {
        var shape = self
        shape.summary = summary
        return shape
    }
}
