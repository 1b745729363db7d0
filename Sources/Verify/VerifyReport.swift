import Diagnostics

/// One thing that was looked at.
public struct VerifyRow: Codable, Sendable, Equatable {
    public enum Verdict: String, Codable, Sendable {
        case ok
        case failed = "FAILED"
        /// `seen` says why.
        case notChecked = "not checked"
    }

    public var check: String
    public var expected: String
    public var seen: String
    /// How long the check took.
    public var seconds: Double
    public var verdict: Verdict

    public init(check: String, expected: String, seen: String, seconds: Double = 0, verdict: Verdict) {
        self.check = check
        self.expected = expected
        self.seen = seen
        self.seconds = seconds
        self.verdict = verdict
    }
}

/// What was found of one file: one row a check.
public struct VerifyReport: Codable, Sendable, Equatable {
    /// The image's path, as it was given.
    public var file: String
    public var rows: [VerifyRow]

    public init(file: String, rows: [VerifyRow]) {
        self.file = file
        self.rows = rows
    }

    /// Whether no check failed, and at least one was made.
    public var passed: Bool {
        rows.contains { $0.verdict == .ok } && !rows.contains { $0.verdict == .failed }
    }

    /// The table as text: the file, one row a check, the verdict.
    public var table: String {
        let table = TextTable(
            ["check", "expected", "seen", "time", ""], rightAligned: [3],
            rows: rows.map { row in
                let seen = row.verdict == .notChecked ? "not checked: \(row.seen)" : row.seen
                let verdict = row.verdict == .notChecked ? "-" : row.verdict.rawValue
                return [row.check, row.expected, seen, TextTable.time(row.seconds), verdict]
            })
        func count(_ verdict: VerifyRow.Verdict) -> Int { rows.filter { $0.verdict == verdict }.count }
        let made = count(.ok) + count(.failed)
        var verdict = count(.failed) == 0 ? "\(made) checks passed" : "\(count(.failed)) of \(made) checks FAILED"
        if count(.notChecked) > 0 { verdict += ", \(count(.notChecked)) not made" }
        return ([file] + table.lines + ["", verdict]).joined(separator: "\n") + "\n"
    }

    /// The report with its verdict, as it is written for programs.
    public var rendered: some Encodable { Rendered(report: self) }

    private struct Rendered: Encodable {
        let report: VerifyReport
        private enum Key: String, CodingKey { case passed }

        func encode(to encoder: any Encoder) throws {
            try report.encode(to: encoder)
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(report.passed, forKey: .passed)
        }
    }
}
