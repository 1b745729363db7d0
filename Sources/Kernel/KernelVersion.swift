/// A kernel's version: `5.7`, `6.12.48`. What a release name has behind the numbers does not count.
package struct KernelVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// Two or three numbers, each below 65536.
    package let numbers: [Int]

    /// Takes the two or three numbers that a text begins with: `6.12.48+deb13-arm64` is 6.12.48, `6.1.0-41-arm64` is 6.1.0.
    ///
    /// - Returns: nil when it does not begin with two numbers.
    package init?(_ text: some StringProtocol) {
        var numbers: [Int] = []
        for part in text.split(separator: ".", maxSplits: 3, omittingEmptySubsequences: false).prefix(3) {
            let digits = part.prefix { $0.isASCII && $0.isNumber }
            guard !digits.isEmpty, digits.count <= 5, let number = Int(digits), number < 65536 else { break }
            numbers.append(number)
            if digits.count < part.count { break }
        }
        guard numbers.count >= 2 else { return nil }
        self.numbers = numbers
    }

    /// Whether nothing but the two or three numbers stands in a text.
    static func isWhole(_ text: some StringProtocol) -> Bool { KernelVersion(text)?.description == String(text) }

    /// The version up to as many numbers as `other` has.
    func cut(like other: KernelVersion) -> [Int] { Array(numbers.prefix(other.numbers.count)) }

    /// By value, number by number; 6.1 comes before 6.1.0.
    package static func < (a: KernelVersion, b: KernelVersion) -> Bool {
        a.numbers.lexicographicallyPrecedes(b.numbers)
    }

    package var description: String { numbers.map(String.init).joined(separator: ".") }
}
