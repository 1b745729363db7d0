import Diagnostics

/// What a check saw.
struct Observation {
    var seen: String
    var verdict: VerifyRow.Verdict

    static func ok(_ seen: String) -> Observation { Observation(seen: seen, verdict: .ok) }
    static func failed(_ seen: String) -> Observation { Observation(seen: seen, verdict: .failed) }
    static func notChecked(_ why: String) -> Observation { Observation(seen: why, verdict: .notChecked) }
}

/// Makes checks one after the other, times them, and keeps a row for each. Belongs to one task.
final class VerifyRecorder {
    private(set) var rows: [VerifyRow] = []
    private let progress: any ProgressReporter
    private let file: String
    private let path: String

    /// - Parameters:
    ///   - file: the image's name.
    ///   - path: its path, as it was given.
    init(file: String, path: String, progress: any ProgressReporter) {
        self.file = file
        self.path = path
        self.progress = progress
    }

    /// Makes one check; what it throws is its failure.
    ///
    /// - Throws: `CancellationError`.
    func row(
        _ check: String, expected: String, isolation: isolated (any Actor)? = #isolation,
        _ observe: () async throws -> Observation
    ) async throws {
        progress.report(.started(step: "verify", detail: "\(file): \(check)"))
        let start = ContinuousClock.now
        let observation: Observation
        do { observation = try await observe() } catch is CancellationError { throw CancellationError() } catch {
            observation = .failed(Self.words(for: error))
        }
        add(check, expected: expected, observation, (ContinuousClock.now - start) / .seconds(1))
    }

    /// Keeps the row of a check that was made elsewhere.
    func add(_ check: String, expected: String, _ observation: Observation, _ seconds: Double = 0) {
        let row = VerifyRow(
            check: check, expected: expected, seen: observation.seen, seconds: seconds, verdict: observation.verdict)
        rows.append(row)
        progress.report(
            .checked(
                step: "verify", row: Report.Row(row, file: path),
                detail: "\(file): \(check): \(row.verdict.rawValue) (\(TextTable.time(seconds)))"))
    }

    /// A failure's facts, without its next step: verify's reader has the image, not its maker's tools.
    static func words(for error: any Error) -> String {
        guard let failure = error as? Failure else { return "\(error)" }
        var words = "\(failure.place): \(failure.message)"
        if let expected = failure.expected { words += "; expected \(expected)" }
        if let found = failure.found { words += "; found \(found)" }
        return words.split(whereSeparator: \.isNewline).map { $0.drop { $0 == " " } }.joined(separator: "\n")
    }
}
