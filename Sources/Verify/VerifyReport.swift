/// One thing that was looked at.
package struct VerifyRow: Codable, Sendable, Equatable {
    /// How a check ended, as JSON has it.
    package enum Verdict: String, Codable, Sendable {
        case ok
        case failed = "FAILED"
        /// `seen` says why.
        case notChecked = "not checked"
    }

    /// What was looked at, in a few words; what to do when the check fails is told by it.
    package var check: String
    /// For a person.
    package var expected: String
    /// For a person; may have several lines. Of a check that was not made, why.
    package var seen: String
    /// How long the check took.
    package var seconds: Double
    package var verdict: Verdict

    package init(check: String, expected: String, seen: String, seconds: Double = 0, verdict: Verdict) {
        self.check = check
        self.expected = expected
        self.seen = seen
        self.seconds = seconds
        self.verdict = verdict
    }
}

/// What was found of one file: one row a check.
package struct VerifyReport: Codable, Sendable, Equatable {
    /// The image's path, as it was given.
    package var file: String
    /// In the order in which the checks were made.
    package var rows: [VerifyRow]

    package init(file: String, rows: [VerifyRow]) {
        self.file = file
        self.rows = rows
    }

    /// Whether no check failed, and at least one was made.
    package var passed: Bool {
        rows.contains { $0.verdict == .ok } && !rows.contains { $0.verdict == .failed }
    }

    /// The report with its verdict, as it is written for programs.
    package var rendered: some Encodable { Rendered(report: self) }

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
