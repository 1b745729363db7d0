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
    /// The table as text: one row a check, the verdict, then notes and logs.
    public var table: String {
        let table = TextTable(
            ["machine", "check", "expected", "seen", "time", ""], rightAligned: [4],
            rows: rows.map { row in
                let verdict = row.passed ? "ok" : "FAILED"
                return [row.machine, row.check, row.expected, row.seen, TextTable.time(row.seconds), verdict]
            })
        let failed = rows.filter { !$0.passed }.count
        var lines = table.lines
        lines += ["", failed == 0 ? "\(rows.count) checks passed" : "\(failed) of \(rows.count) checks FAILED"]
        lines += notes.map { "note: \($0)" } + logs.map { "log: \($0)" }
        return lines.joined(separator: "\n") + "\n"
    }
}
