import Diagnostics

extension Report {
    /// A file's report as it is printed: the file, one row a check, how many passed.
    package init(_ report: VerifyReport) {
        func count(_ verdict: VerifyRow.Verdict) -> Int { report.rows.filter { $0.verdict == verdict }.count }
        let made = count(.ok) + count(.failed)
        var words = count(.failed) == 0 ? "\(made) checks passed" : "\(count(.failed)) of \(made) checks FAILED"
        if count(.notChecked) > 0 { words += ", \(count(.notChecked)) not made" }
        self.init(rows: report.rows.map { Row($0, file: report.file) }, summary: words)
    }
}

extension Report.Row {
    /// - Parameter file: the image's path, as it was given.
    init(_ row: VerifyRow, file: String) {
        self.init(
            group: file, name: row.check, expected: row.expected, seen: row.seen, seconds: row.seconds,
            state: Report.State(row.verdict), next: row.verdict == .failed ? row.remedy : nil)
    }
}

extension Report.State {
    fileprivate init(_ verdict: VerifyRow.Verdict) {
        switch verdict {
        case .ok: self = .ok
        case .failed: self = .failed
        case .notChecked: self = .notMade(verdict.rawValue)
        }
    }
}

extension VerifyRow {
    /// What to do when the check fails.
    fileprivate var remedy: String {
        switch check {
        case "signature": "fetch the list and its signature again, or name the keys that may sign it: --keyring, --key"
        case "sum line": "name the list that has the image: --sums FILE"
        case "manifest": "put the manifest of the same build beside the image"
        case "companions": "fetch or copy these files again, or build the image again"
        case "boot files": "change the boot files in the recipe, and build again (docs/firmware.md)"
        case "firmware settings": "change the line in the recipe, and build again (docs/firmware.md)"
        case "kernel config": "choose a kernel that has the options, or take them out of the fragment (docs/kernel.md)"
        case "wifi firmware": "add the package with the firmware to the recipe, and build again"
        default: "fetch or copy the image again; if it is no better, build it again"
        }
    }
}
