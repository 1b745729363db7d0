import Diagnostics

extension Report {
    /// A proof as it is printed: one row a check, notes and logs, how many passed.
    package init(_ report: ProofReport) {
        let failed = report.count(.failed)
        let skipped = report.count(.notRun)
        let words =
            failed == 0 ? "\(report.count(.ok)) checks passed" : "\(failed) of \(report.rows.count) checks FAILED"
        self.init(
            groupColumn: "machine",
            rows: report.rows.map { row in
                var printed = Row(row)
                if row.verdict == .failed { printed.next = report.remedy(for: row) }
                return printed
            },
            notes: report.notes.map { "note: \($0)" } + report.logs.map { "log: \($0)" },
            summary: words + (skipped == 0 ? "" : ", \(skipped) not run"))
    }
}

extension Report.Row {
    init(_ row: ProofRow) {
        self.init(
            group: row.machine, name: row.check, expected: row.expected, seen: row.seen, seconds: row.seconds,
            state: Report.State(row.verdict))
    }
}

extension Report.State {
    fileprivate init(_ verdict: Verdict) {
        switch verdict {
        case .ok: self = .ok
        case .failed: self = .failed
        case .notRun: self = .notMade(verdict.rawValue)
        }
    }
}

extension ProofReport {
    /// What to do when a row fails: look at the file, or read the machine's console. nil where the machine has no log.
    fileprivate func remedy(for row: ProofRow) -> String? {
        guard !["image", "firmware"].contains(row.machine) else { return "piforge verify \(image.shellFile)" }
        let machine = row.machine.lowercased().replacing(", ", with: "-")
        return logs.first { $0.hasSuffix(".\(machine).serial.log") }.map { "less \($0.shellFile)" }
    }
}
