import Diagnostics
import Foundation
import Synchronization

/// Shows progress to a person at a terminal: one live line per running step, replaced by a plain line when it ends.
///
/// Writes to standard error, so that what a command prints on standard output can be piped.
package final class TerminalProgress: ProgressReporter {
    private struct Running {
        var step: String
        var started: ContinuousClock.Instant
        var text: String
        var meter = RateMeter()
    }

    private struct State {
        var running: [Running] = []
        /// How many live lines stand below the last plain one.
        var liveLines = 0
        var lastDrawn: ContinuousClock.Instant?
        /// The group of the last check.
        var group = ""
    }

    private let state = Mutex(State())
    private let now: @Sendable () -> ContinuousClock.Instant
    /// Columns a line may take.
    private let width: Int
    /// What rows of checks are laid out for.
    private let terminal: Terminal
    private let output: @Sendable (String) -> Void

    /// - Parameters:
    ///   - width: columns of the terminal.
    ///   - marks: what its encoding can show.
    ///   - now: the time, for what a step took and how long it still takes.
    ///   - output: takes what is to be written, escape sequences included.
    package init(
        width: Int = 80, marks: Terminal.Marks = .unicode,
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        output: @escaping @Sendable (String) -> Void = { writeAsFarAsPossible($0, to: 2) }
    ) {
        self.width = max(40, width)
        terminal = Terminal(width: width, marks: marks)
        self.now = now
        self.output = output
    }

    /// While a step moves on, it is drawn at most ten times a second.
    package func report(_ event: ProgressEvent) {
        let now = now()
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
                let started = state.running[index].started
                state.running[index].meter.add(completed, at: now - started)
                state.running[index].text = measure(completed, total, unit, detail, state.running[index].meter)
                // Ten pictures a second are enough for an eye.
                if let last = state.lastDrawn, now - last < .milliseconds(100) { return }
            case .finished(let step, let detail, let cached):
                let started = state.running.first { $0.step == step }?.started
                state.running.removeAll { $0.step == step }
                let time = cached ? "cached" : seconds(started.map { now - $0 } ?? .zero)
                lines = [row(mark: terminal.marks.ok, step: step, text: detail, right: time)]
            case .checked(let step, let row, _):
                state.running.removeAll { $0.step == step }
                lines = terminal.heading(of: row, after: state.group) + terminal.lines(of: row)
                state.group = row.group
            case .worked: return
            case .note(let step, let text):
                lines = text.splitLines().flatMap { "  \(step): \($0)".folded(to: width, indent: 4) }
            }
            draw(&state, plain: lines, now: now)
        }
    }

    /// Takes the live lines away, so that what is printed next stands alone.
    package func clear() {
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
                row(
                    mark: terminal.marks.running, step: step.step, text: step.text,
                    right: seconds(now - step.started)) + "\n"
        }
        state.liveLines = state.running.count
        state.lastDrawn = now
        output(text)
    }

    /// `✓ configure   213 packages, 154 s in the guest              2:41`
    private func row(mark: String, step: String, text: String, right: String) -> String {
        let left =
            "\(mark.padding(to: max(terminal.marks.ok.count, terminal.marks.running.count))) \(step.padding(to: 12)) "
        let room = max(8, width - left.count - right.count - 2)
        let leftOut = terminal.marks.leftOut
        let shown = text.count > room ? text.prefix(room - leftOut.count) + leftOut : Substring(text)
        return left + shown + String(repeating: " ", count: room - shown.count + 1) + right
    }
}

/// `63 % of 218.0 MB, 5.2 MB/s, 0:16 left  docker.io` or `120 of 213  docker.io`: the rate is of bytes, and is shown once it
/// is known.
func measure(
    _ completed: UInt64, _ total: UInt64?, _ unit: ProgressUnit, _ detail: String, _ meter: RateMeter
) -> String {
    var amount: String
    switch (unit, total) {
    case (.bytes, let total?):
        let share = total == 0 ? 100 : Int((Double(completed) / Double(total) * 100).rounded(.down))
        amount = "\(share) % of \(megabytes(total))"
    case (.bytes, nil): amount = megabytes(completed)
    case (.count, let total?): amount = "\(completed) of \(total)"
    case (.count, nil): amount = "\(completed)"
    }
    if unit == .bytes, let rate = meter.rate {
        amount += ", \(megabytes(rate))/s"
        if let total, let left = meter.secondsLeft(of: total) { amount += ", \(minutes(left)) left" }
    }
    return detail.isEmpty ? amount : "\(amount)  \(detail)"
}

/// `0:16`, or `1:02:03` from an hour on.
func minutes(_ seconds: UInt64) -> String {
    func two(_ number: UInt64) -> String { number < 10 ? "0\(number)" : "\(number)" }
    let (hours, rest) = seconds.quotientAndRemainder(dividingBy: 3600)
    return hours > 0 ? "\(hours):\(two(rest / 60)):\(two(rest % 60))" : "\(rest / 60):\(two(rest % 60))"
}

/// `4.2 s`, or `2:41` from a minute on.
func seconds(_ duration: Duration) -> String {
    let total = Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    guard total >= 60 else { return "\((total * 10).rounded() / 10) s" }
    let whole = Int(total.rounded())
    return "\(whole / 60):\(whole % 60 < 10 ? "0" : "")\(whole % 60)"
}
