import Diagnostics
import Guest
import Synchronization

/// Runs checks one after the other, times them, and keeps a row for each; a check that cannot be made is a failed one.
final class ProofRecorder: Sendable {
    private struct State {
        var rows: [ProofRow] = []
        var notes: [String] = []
    }

    private let state = Mutex(State())
    private let progress: any ProgressReporter

    init(progress: any ProgressReporter) { self.progress = progress }

    var rows: [ProofRow] { state.withLock { $0.rows } }
    var notes: [String] { state.withLock { $0.notes } }

    func note(_ text: String) {
        state.withLock { $0.notes.append(text) }
        progress.report(.note(step: "prove", text: text))
    }

    /// Makes one check.
    ///
    /// - Parameter console: the machine's; a check that got no answer shows its last lines.
    /// - Returns: what was seen.
    /// - Throws: `ConsoleEnded` when the machine is gone, after its row; `CancellationError`.
    @discardableResult
    func row(
        _ machine: String, _ check: String, expected: String, console: (any Console)? = nil,
        _ observe: () async throws -> Observation
    ) async throws -> Observation {
        progress.report(.started(step: "prove", detail: "\(machine): \(check)"))
        let start = ContinuousClock.now
        var observation: Observation
        var ended: ConsoleEnded?
        var lastLines: [String] { console?.lastLines(15) ?? [] }
        do {
            observation = try await observe()
        } catch is CancellationError {
            throw CancellationError()
        } catch let error as ConsoleTimeout {
            let words = error.silent ? "the machine went silent" : "no answer in time"
            observation = Observation(([words] + lastLines).joined(separator: "\n"), passed: false)
        } catch let error as ConsoleEnded {
            observation = Observation((["the machine ended"] + lastLines).joined(separator: "\n"), passed: false)
            ended = error
        } catch {
            observation = Observation("\(error)", passed: false)
        }
        let row = ProofRow(
            machine: machine, check: check, expected: expected, seen: observation.seen.withoutTerminalControls,
            seconds: (ContinuousClock.now - start) / .seconds(1), verdict: observation.verdict)
        state.withLock { $0.rows.append(row) }
        progress.report(
            .checked(
                step: "prove", row: Report.Row(row),
                detail: "\(machine): \(check): \(row.seen) (\(TextTable.time(row.seconds))) \(row.verdict.shown)"))
        if let ended { throw ended }
        return observation
    }

    /// Makes the checks of a booted system.
    func run(_ checks: [Check], on system: BootedSystem, console: any Console) async throws {
        for check in checks {
            try await row(
                system.machine, check.name, expected: check.expected, console: console
            ) { try await check.observe(system) }
        }
    }
}

extension String {
    /// Without a terminal's control sequences (ECMA-48, section 5.4) and other control characters but line ends.
    var withoutTerminalControls: String {
        replacing(/\u{1b}\[[0-?]*[ -\/]*[@-~]/, with: "").filter {
            $0.isNewline || !($0.asciiValue.map { $0 < 32 } ?? false)
        }
    }
}
