import Diagnostics
import Foundation
import Synchronization

/// Shows progress to a person at a terminal: one live line per running step, replaced by a plain line when it ends.
///
/// Writes to standard error, so that what a command prints on standard output can be piped.
public final class TerminalProgress: ProgressReporter {
    private struct Running {
        var step: String
        var started: ContinuousClock.Instant
        var text: String
    }

    private struct State {
        var running: [Running] = []
        /// How many live lines stand below the last plain one.
        var liveLines = 0
        var lastDrawn: ContinuousClock.Instant?
    }

    private let state = Mutex(State())
    private let clock = ContinuousClock()
    /// Columns a line may take.
    private let width: Int
    private let output: @Sendable (String) -> Void

    /// - Parameters:
    ///   - width: columns of the terminal.
    ///   - output: takes what is to be written, escape sequences included.
    public init(
        width: Int = 80,
        output: @escaping @Sendable (String) -> Void = { FileHandle.standardError.write(Data($0.utf8)) }
    ) {
        self.width = max(40, width)
        self.output = output
    }

    public func report(_ event: ProgressEvent) {
        let now = clock.now
        state.withLock { state in
            var lines: [String] = []
            switch event {
            case .started(let step, let detail):
                // A step that says more than once what it is at keeps its clock.
                if let index = state.running.firstIndex(where: { $0.step == step }) {
                    state.running[index].text = detail
                } else {
                    state.running.append(Running(step: step, started: now, text: detail))
                }
            case .advanced(let step, let completed, let total, let unit, let detail):
                guard let index = state.running.firstIndex(where: { $0.step == step }) else { return }
                state.running[index].text = Self.measure(completed, total, unit, detail)
                // Ten pictures a second are enough for an eye.
                if let last = state.lastDrawn, now - last < .milliseconds(100) { return }
            case .finished(let step, let detail, let cached):
                let started = state.running.first { $0.step == step }?.started
                state.running.removeAll { $0.step == step }
                let time = cached ? "cached" : seconds(started.map { now - $0 } ?? .zero)
                lines = [Self.row(mark: "✓", step: step, text: detail, right: time, width: width)]
            case .note(let step, let text):
                lines = text.split(separator: "\n").map { "  \(step): \($0)" }
            }
            draw(&state, plain: lines, now: now)
        }
    }

    /// Takes the live lines away, so that what is printed next stands alone.
    public func clear() {
        state.withLock { state in
            if state.liveLines > 0 { output("\u{1b}[\(state.liveLines)A\u{1b}[J") }
            state.liveLines = 0
            state.running = []
        }
    }

    private func draw(_ state: inout State, plain: [String], now: ContinuousClock.Instant) {
        var text = state.liveLines > 0 ? "\u{1b}[\(state.liveLines)A\u{1b}[J" : ""
        for line in plain { text += line + "\n" }
        for step in state.running {
            text +=
                Self.row(
                    mark: "▸", step: step.step, text: step.text, right: seconds(now - step.started), width: width)
                + "\n"
        }
        state.liveLines = state.running.count
        state.lastDrawn = now
        output(text)
    }

    /// `✓ configure   213 packages, 154 s in the guest              2:41`
    static func row(mark: String, step: String, text: String, right: String, width: Int) -> String {
        let left = "\(mark) \(step.padding(to: 12)) "
        let room = max(8, width - left.count - right.count - 2)
        let shown = text.count > room ? text.prefix(room - 1) + "…" : Substring(text)
        return left + shown + String(repeating: " ", count: room - shown.count + 1) + right
    }

    /// `63 % of 218.0 MB  docker.io` or `120 of 213  docker.io`.
    static func measure(_ completed: UInt64, _ total: UInt64?, _ unit: ProgressUnit, _ detail: String) -> String {
        let amount: String
        switch (unit, total) {
        case (.bytes, let total?): amount = "\(total == 0 ? 100 : completed * 100 / total) % of \(megabytes(total))"
        case (.bytes, nil): amount = megabytes(completed)
        case (.count, let total?): amount = "\(completed) of \(total)"
        case (.count, nil): amount = "\(completed)"
        }
        return detail.isEmpty ? amount : "\(amount)  \(detail)"
    }
}

/// `4.2 s`, or `2:41` from a minute on.
func seconds(_ duration: Duration) -> String {
    let total = Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    guard total >= 60 else { return "\((total * 10).rounded() / 10) s" }
    let whole = Int(total.rounded())
    return "\(whole / 60):\(whole % 60 < 10 ? "0" : "")\(whole % 60)"
}

/// Decimal megabytes with one digit: `218.0 MB`.
func megabytes(_ bytes: UInt64) -> String { "\((Double(bytes) / 1e5).rounded() / 10) MB" }
