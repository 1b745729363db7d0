import Diagnostics
import Storage

/// One thing that was checked.
public struct ProofRow: Codable, Sendable, Equatable {
    /// `image`, `firmware`, `raspi4b`, `virt`, or `virt, USB` for virt's second boot.
    public var machine: String
    public var check: String
    public var expected: String
    public var seen: String
    /// How long the check took.
    public var seconds: Double
    public var verdict: Verdict

    public init(machine: String, check: String, expected: String, seen: String, seconds: Double, verdict: Verdict) {
        self.machine = machine
        self.check = check
        self.expected = expected
        self.seen = seen
        self.seconds = seconds
        self.verdict = verdict
    }

    public var passed: Bool { verdict == .ok }

    private enum Key: String, CodingKey { case machine, check, expected, seen, seconds, verdict, passed }

    public init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: Key.self)
        machine = try values.decode(String.self, forKey: .machine)
        check = try values.decode(String.self, forKey: .check)
        expected = try values.decode(String.self, forKey: .expected)
        seen = try values.decode(String.self, forKey: .seen)
        seconds = try values.decode(Double.self, forKey: .seconds)
        verdict = try values.decode(Verdict.self, forKey: .verdict)
    }

    /// With `passed` besides, for who asks no more.
    public func encode(to encoder: any Encoder) throws {
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

    /// Whether at least one check passed, and none failed. What was not run is counted apart (``count(_:)``).
    public var passed: Bool { count(.ok) > 0 && count(.failed) == 0 }

    /// How many checks ended so.
    public func count(_ verdict: Verdict) -> Int { rows.filter { $0.verdict == verdict }.count }

    /// As JSON: indented, keys sorted, a newline at the end.
    public func json() throws -> String {
        String(decoding: try jsonBytes(Rendered(report: self), .file, at: image), as: UTF8.self)
    }

    /// The report with its verdict, as it is written for programs.
    public var rendered: some Encodable { Rendered(report: self) }

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
