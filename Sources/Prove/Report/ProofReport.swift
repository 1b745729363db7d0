import Diagnostics
import Foundation

/// One thing that was checked.
public struct ProofRow: Codable, Sendable, Equatable {
    /// `image`, `firmware`, `raspi4b` or `virt`.
    public var machine: String
    public var check: String
    public var expected: String
    public var seen: String
    /// How long the check took.
    public var seconds: Double
    public var passed: Bool

    public init(machine: String, check: String, expected: String, seen: String, seconds: Double, passed: Bool) {
        self.machine = machine
        self.check = check
        self.expected = expected
        self.seen = seen
        self.seconds = seconds
        self.passed = passed
    }
}

/// What a proof found: one row a check, and how the machines differed from a board.
public struct ProofReport: Codable, Sendable, Equatable {
    /// The image's file name.
    public var image: String
    /// Of the file as shipped, 64 hex digits.
    public var sha256: String
    public var rows: [ProofRow]
    /// What QEMU's machines had to be given that a board is not, and what was not followed.
    public var notes: [String]
    /// The serial logs' paths.
    public var logs: [String]

    public init(image: String, sha256: String, rows: [ProofRow], notes: [String], logs: [String]) {
        self.image = image
        self.sha256 = sha256
        self.rows = rows
        self.notes = notes
        self.logs = logs
    }

    /// Whether every check passed, and there was at least one.
    public var passed: Bool { !rows.isEmpty && rows.allSatisfy(\.passed) }

    /// As JSON: indented, keys sorted, a newline at the end.
    public func json() throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        do { return String(decoding: try encoder.encode(Rendered(report: self)), as: UTF8.self) + "\n" } catch {
            throw Failure(at: image, "the report cannot be written as JSON: \(error)")
        }
    }

    /// The report with its verdict, as it is written for programs.
    public var rendered: some Encodable { Rendered(report: self) }

    private struct Rendered: Encodable {
        let report: ProofReport
        private enum Key: String, CodingKey { case passed }

        func encode(to encoder: any Encoder) throws {
            try report.encode(to: encoder)
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(report.passed, forKey: .passed)
        }
    }
}

extension ProofReport {
    /// The widest a cell of the text table gets; what is longer is folded at spaces.
    private static let widestCell = 44

    /// The table as text: one row a check, the verdict, then notes and logs.
    public var table: String {
        let header = ["machine", "check", "expected", "seen", "time", ""]
        let cells = rows.map { row in
            [row.machine, row.check, row.expected, row.seen, Self.time(row.seconds), row.passed ? "ok" : "FAILED"]
        }
        let folded = cells.map { $0.map { Self.fold($0, Self.widestCell) } }
        let widths = header.indices.map { column in
            ([header[column].count] + folded.flatMap { $0[column].map(\.count) }).max() ?? 0
        }
        func line(_ cells: [String]) -> String {
            zip(cells, widths).enumerated().map { column, cell in
                let space = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
                return column == 4 ? space + cell.0 : cell.0 + space
            }
            .joined(separator: "  ").trimmedEnd
        }
        var lines = [line(header), line(widths.map { String(repeating: "-", count: $0) })]
        for row in folded {
            for index in 0..<(row.map(\.count).max() ?? 0) {
                lines.append(line(row.map { index < $0.count ? $0[index] : "" }))
            }
        }
        let failed = rows.filter { !$0.passed }.count
        lines += ["", failed == 0 ? "\(rows.count) checks passed" : "\(failed) of \(rows.count) checks FAILED"]
        lines += notes.map { "note: \($0)" } + logs.map { "log: \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }

    /// Seconds with one digit after the point.
    static func time(_ seconds: Double) -> String {
        let tenths = Int((seconds * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }

    /// Breaks text at line ends and spaces (and inside a word where it must) into lines of at most `width` characters.
    private static func fold(_ text: String, _ width: Int) -> [String] {
        var lines: [String] = []
        for source in text.split(whereSeparator: \.isNewline) {
            var line = ""
            for word in source.split(separator: " ", omittingEmptySubsequences: false) {
                var word = String(word)
                if !line.isEmpty, line.count + 1 + word.count > width {
                    lines.append(line)
                    line = ""
                }
                while word.count > width {
                    lines.append(String(word.prefix(width)))
                    word = String(word.dropFirst(width))
                }
                line += line.isEmpty ? word : " " + word
            }
            lines.append(line)
        }
        return lines.isEmpty ? [""] : lines
    }
}

extension String {
    fileprivate var trimmedEnd: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
