import Diagnostics
import Storage

/// One thing that was checked.
package struct ProofRow: Codable, Sendable, Equatable {
    /// `image`, `firmware`, `raspi4b`, `virt`, or `virt, USB` for virt's second boot.
    package var machine: String
    /// What was looked at, in a few words.
    package var check: String
    /// For a person.
    package var expected: String
    /// For a person, without control characters but line ends. Of a check that was not run, why.
    package var seen: String
    /// How long the check took.
    package var seconds: Double
    /// In JSON `ok`, `failed` or `not run`.
    package var verdict: Verdict

    package init(machine: String, check: String, expected: String, seen: String, seconds: Double, verdict: Verdict) {
        self.machine = machine
        self.check = check
        self.expected = expected
        self.seen = seen
        self.seconds = seconds
        self.verdict = verdict
    }

    /// False for a check that was not run, too.
    package var passed: Bool { verdict == .ok }

    private enum Key: String, CodingKey { case machine, check, expected, seen, seconds, verdict, passed }

    /// Takes what ``encode(to:)`` writes; `passed` follows from ``verdict``.
    package init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        machine = try values.decode(String.self, forKey: .machine)
        check = try values.decode(String.self, forKey: .check)
        expected = try values.decode(String.self, forKey: .expected)
        seen = try values.decode(String.self, forKey: .seen)
        seconds = try values.decode(Double.self, forKey: .seconds)
        verdict = try values.decode(Verdict.self, forKey: .verdict)
    }

    /// With `passed` besides, for who asks no more.
    package func encode(to encoder: any Encoder) throws {
        var values = encoder.container(keyedBy: Key.self)
        try values.encode(machine, forKey: .machine)
        try values.encode(check, forKey: .check)
        try values.encode(expected, forKey: .expected)
        try values.encode(seen, forKey: .seen)
        try values.encode(seconds, forKey: .seconds)
        try values.encode(verdict, forKey: .verdict)
        try values.encode(passed, forKey: .passed)
    }
}

/// What a proof found: one row a check, and how the machines differed from a board.
package struct ProofReport: Codable, Sendable, Equatable {
    /// The image's file name.
    package var image: String
    /// Of the file as shipped, 64 hex digits.
    package var sha256: String
    /// In the order in which the checks were made.
    package var rows: [ProofRow]
    /// What QEMU's machines had to be given that a board is not, and what was not followed.
    package var notes: [String]
    /// The serial logs' paths.
    package var logs: [String]

    package init(image: String, sha256: String, rows: [ProofRow], notes: [String], logs: [String]) {
        self.image = image
        self.sha256 = sha256
        self.rows = rows
        self.notes = notes
        self.logs = logs
    }

    /// Whether at least one check passed, and none failed. What was not run is counted apart (``count(_:)``).
    package var passed: Bool { count(.ok) > 0 && count(.failed) == 0 }

    /// How many checks ended so.
    package func count(_ verdict: Verdict) -> Int { rows.filter { $0.verdict == verdict }.count }

    /// As JSON: indented, keys sorted, a newline at the end.
    package func json() throws -> String {
        String(decoding: try jsonBytes(Rendered(report: self), .file, at: image), as: UTF8.self)
    }

    /// The report with its verdict, as it is written for programs.
    package var rendered: some Encodable { Rendered(report: self) }

    private struct Rendered: Encodable {
        let report: ProofReport
        private enum Key: String, CodingKey { case passed, notRun }

        func encode(to encoder: any Encoder) throws {
            try report.encode(to: encoder)
            var container = encoder.container(keyedBy: Key.self)
            try container.encode(report.passed, forKey: .passed)
            try container.encode(report.count(.notRun), forKey: .notRun)
        }
    }
}

extension Verdict {
    /// As progress shows it.
    var shown: String { self == .failed ? "FAILED" : rawValue }
}
