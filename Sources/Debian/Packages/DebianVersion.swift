import Diagnostics

/// A package version, `[epoch:]upstream[-revision]`, ordered as Debian Policy 5.6.12 has it.
package struct DebianVersion: Sendable {
    /// 0 where the version has none; at most 2^31 - 1.
    package let epoch: UInt32
    /// Never empty: letters, digits and `.-+~:`; a hyphen only where there is a revision, a colon only where there is an epoch.
    package let upstream: String
    /// Empty where the version has none; that orders like `0`.
    package let revision: String
    /// The version as it was written.
    package let text: String

    /// - Throws: `Failure` at `place` for an empty part, an epoch that is no number up to 2^31 - 1, or a character
    ///   that versions do not have.
    package init(_ text: String, place: String = "version") throws {
        func refuse(_ reason: String) -> Failure { Failure(at: place, "'\(text)' is not a version: \(reason)") }
        var rest = text[...]
        var epoch: UInt32 = 0
        if let colon = rest.firstIndex(of: ":") {
            guard let number = UInt32(rest[..<colon]), number <= UInt32(Int32.max), rest.first != "+" else {
                throw refuse("its epoch is not a number")
            }
            epoch = number
            rest = rest[rest.index(after: colon)...]
        }
        var revision = ""[...]
        if let dash = rest.lastIndex(of: "-") {
            revision = rest[rest.index(after: dash)...]
            rest = rest[..<dash]
            guard !revision.isEmpty else { throw refuse("its revision is empty") }
        }
        guard !rest.isEmpty else { throw refuse("its upstream part is empty") }
        func legal(_ byte: UInt8, _ others: String) -> Bool {
            isDigit(byte) || isLetter(byte) || others.utf8.contains(byte)
        }
        guard rest.utf8.allSatisfy({ legal($0, ".-+~:") }), revision.utf8.allSatisfy({ legal($0, ".+~") }) else {
            throw refuse("it holds a character that versions do not have")
        }
        self.epoch = epoch
        self.upstream = String(rest)
        self.revision = String(revision)
        self.text = text
    }

    /// Compares two upstream parts, or two revisions: runs of other characters and runs of digits in turn.
    private static func compare(_ a: String, _ b: String) -> Int {
        var a = Array(a.utf8)[...]
        var b = Array(b.utf8)[...]
        while !a.isEmpty || !b.isEmpty {
            while a.first.map({ !isDigit($0) }) ?? false || b.first.map({ !isDigit($0) }) ?? false {
                let difference = weight(a.first) - weight(b.first)
                if difference != 0 { return difference }
                a = a.dropFirst()
                b = b.dropFirst()
            }
            let left = a.prefix(while: isDigit)
            let right = b.prefix(while: isDigit)
            a = a.dropFirst(left.count)
            b = b.dropFirst(right.count)
            let leftNumber = left.drop { $0 == UInt8(ascii: "0") }
            let rightNumber = right.drop { $0 == UInt8(ascii: "0") }
            if leftNumber.count != rightNumber.count { return leftNumber.count - rightNumber.count }
            if leftNumber != rightNumber { return leftNumber.lexicographicallyPrecedes(rightNumber) ? -1 : 1 }
        }
        return 0
    }

    /// A tilde sorts before the end of the part, the end (and a digit) before letters, letters before all else.
    private static func weight(_ byte: UInt8?) -> Int {
        guard let byte, !isDigit(byte) else { return 0 }
        if byte == UInt8(ascii: "~") { return -1 }
        return isLetter(byte) ? Int(byte) : Int(byte) + 256
    }
}

extension DebianVersion: Comparable {
    /// Negative, zero or positive, as `a` is earlier than, the same as, or later than `b`.
    private static func order(_ a: DebianVersion, _ b: DebianVersion) -> Int {
        if a.epoch != b.epoch { return a.epoch < b.epoch ? -1 : 1 }
        let upstream = compare(a.upstream, b.upstream)
        return upstream != 0 ? upstream : compare(a.revision, b.revision)
    }

    package static func < (a: DebianVersion, b: DebianVersion) -> Bool { order(a, b) < 0 }
    /// `1.0` and `1.00-0` are the same version, written differently.
    package static func == (a: DebianVersion, b: DebianVersion) -> Bool { order(a, b) == 0 }
}

extension DebianVersion: CustomStringConvertible {
    package var description: String { text }
}

private func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

private func isLetter(_ byte: UInt8) -> Bool {
    byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") || byte >= UInt8(ascii: "A") && byte <= UInt8(ascii: "Z")
}
