import Diagnostics
import Digests
import Foundation

/// A publisher's list of sums, as GNU coreutils (`HEX  NAME`, `HEX *NAME`) or the BSDs (`SHA256 (NAME) = HEX`) write it
/// (coreutils manual, section 6.5).
///
/// Laxer than a list of our own: blank lines, comments, names with `./` before them and BSD lines of other functions are
/// taken. What contradicts itself is not: a name with two different sums refuses the list.
package struct SumsList: Sendable, Equatable {
    /// The most bytes a list may have.
    package static let limit = 1 << 20

    /// Where the list comes from, for errors.
    package let place: String
    private var sums: [String: [ChecksumAlgorithm: Checksum]] = [:]

    /// The names that are listed, sorted.
    package var names: [String] { sums.keys.sorted() }

    /// - Parameter place: where the list comes from, for errors.
    /// - Throws: `Failure` at `place:line`.
    package init(parsing bytes: [UInt8], at place: String) throws {
        self.place = place
        guard bytes.count <= Self.limit else {
            throw Failure(
                at: place, "the list of sums is too large", expected: "at most \(Self.limit) bytes",
                found: "\(bytes.count) bytes")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(at: place, "the list of sums is not UTF-8 text")
        }
        // "\r\n" is one character, and a newline like "\n".
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let place = "\(place):\(index + 1)"
            let bare = line.trimmingPrefix { $0 == " " || $0 == "\t" }
            if bare.isEmpty || bare.hasPrefix("#") { continue }
            switch Self.entry(line) {
            case .other: continue
            case nil:
                throw Failure(
                    at: place, "this is not a line of a list of sums",
                    expected: "HEX  NAME, or SHA256 (NAME) = HEX", found: String(line.prefix(100)))
            case .sum(let name, let sum):
                let known = sums[name]?[sum.algorithm]
                guard known == nil || known == sum else {
                    throw Failure(
                        at: place, "the file is listed twice, with different sums", expected: "\(name) \(known ?? sum)",
                        found: "\(name) \(sum)")
                }
                sums[name, default: [:]][sum.algorithm] = sum
            }
        }
    }

    /// All sums that are listed for a file, the strongest last.
    package func checksums(of name: String) -> [Checksum] {
        let listed = sums[name] ?? [:]
        return ChecksumAlgorithm.allCases.compactMap { listed[$0] }
    }

    /// The sum that proves a file best: its SHA-256 where there is one (that is how files are stored), else its SHA-512,
    /// SHA-1 or MD5.
    ///
    /// - Throws: `Failure` when the file has no line, with the listed names that are nearest.
    package func checksum(of name: String) throws -> Checksum {
        if let sum = sums[name].flatMap({ $0[.sha256] ?? $0[.sha512] ?? $0[.sha1] ?? $0[.md5] }) { return sum }
        let near = nearestNames(to: name, in: sums.keys.filter { $0.utf8.count <= 255 }, count: 3)
        let count = "\(sums.count) \(sums.count == 1 ? "file" : "files")"
        throw Failure(
            at: place, "the list of sums has no line for the file", expected: "a line for \(name)",
            found: near.isEmpty
                ? "\(count), none with a name near to it" : "\(count); nearest: \(near.joined(separator: ", "))",
            next: "a later point release can drop an older file's line from the list: name a mirror that still has the"
                + " older list, or build the file that is listed now")
    }

    private enum Entry {
        case sum(String, Checksum)
        /// A line of a function that is not read.
        case other
    }

    private static func entry(_ line: Substring) -> Entry? {
        gnuEntry(line) ?? bsdEntry(line)
    }

    private static func gnuEntry(_ line: Substring) -> Entry? {
        let digits = line.prefix { $0.isHexDigit && $0.isASCII }
        let rest = line.dropFirst(digits.count)
        guard rest.hasPrefix("  ") || rest.hasPrefix(" *") else { return nil }
        guard let algorithm = ChecksumAlgorithm.allCases.first(where: { $0.length * 2 == digits.count }),
            let sum = Checksum(algorithm, hex: digits)
        else { return nil }
        return name(rest.dropFirst(2)).map { .sum($0, sum) }
    }

    private static func bsdEntry(_ line: Substring) -> Entry? {
        guard let open = line.range(of: " ("), let close = line.range(of: ") = ", options: .backwards),
            open.upperBound <= close.lowerBound
        else { return nil }
        let word = line[..<open.lowerBound]
        guard !word.isEmpty, word.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || "-/".contains($0)) })
        else { return nil }
        guard let algorithm = ChecksumAlgorithm.allCases.first(where: { $0.rawValue == word.lowercased() }) else {
            return .other
        }
        guard let sum = Checksum(algorithm, hex: line[close.upperBound...]),
            let name = name(line[open.upperBound..<close.lowerBound])
        else { return nil }
        return .sum(name, sum)
    }

    /// A listed name without `./`; nil for one with control characters.
    private static func name(_ text: Substring) -> String? {
        var text = text
        while text.hasPrefix("./") { text = text.dropFirst(2) }
        guard !text.isEmpty, text.unicodeScalars.allSatisfy({ $0.value >= 32 && $0.value != 127 }) else { return nil }
        return String(text)
    }
}
