import Diagnostics
import Foundation
import Storage
import Synchronization

/// Measures the steps that move on, for reporters that are values.
private final class StepMeters: Sendable {
    private struct Step {
        var meter = RateMeter()
        /// When the step was last spoken of.
        var shown: ContinuousClock.Instant
    }

    private let start: ContinuousClock.Instant
    private let now: @Sendable () -> ContinuousClock.Instant
    private let steps = Mutex<[String: Step]>([:])

    init(now: @escaping @Sendable () -> ContinuousClock.Instant) {
        self.now = now
        start = now()
    }

    /// Takes a report.
    ///
    /// - Parameter interval: how long a step stays unspoken of.
    /// - Returns: the step's meter, and whether it is time to speak of it.
    func add(_ completed: UInt64, of step: String, interval: Duration = .zero) -> (RateMeter, isDue: Bool) {
        let now = now()
        return steps.withLock { steps in
            var entry = steps[step] ?? Step(shown: now)
            entry.meter.add(completed, at: now - start)
            let isDue = now - entry.shown >= interval
            if isDue { entry.shown = now }
            steps[step] = entry
            return (entry.meter, isDue)
        }
    }

    func forget(_ step: String) { steps.withLock { $0[step] = nil } }
}

/// Shows progress in a pipe or a log: one plain line when a step begins, ends or has something to say, and one every half
/// minute while it moves on.
package struct PlainProgress: ProgressReporter {
    private let output: @Sendable (String) -> Void
    private let meters: StepMeters

    /// - Parameters:
    ///   - now: the time, for rates and for when the next line is due.
    ///   - output: takes whole lines, each with its line feed.
    package init(
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        output: @escaping @Sendable (String) -> Void = { writeAsFarAsPossible($0, to: 2) }
    ) {
        self.output = output
        meters = StepMeters(now: now)
    }

    /// A check that ended is told as a step that is done; whether it passed is in its `detail` alone.
    package func report(_ event: ProgressEvent) {
        switch event {
        case .started(let step, let detail):
            meters.forget(step)
            output("\(step): \(detail)\n")
        case .advanced(let step, let completed, let total, let unit, let detail):
            let (meter, isDue) = meters.add(completed, of: step, interval: .seconds(30))
            if isDue { output("\(step): \(measure(completed, total, unit, detail, meter))\n") }
        case .finished(let step, let detail, let cached):
            meters.forget(step)
            output("\(step): done\(cached ? " (cached)" : ""): \(detail)\n")
        case .checked(let step, _, let detail):
            report(.finished(step: step, detail: detail, cached: false))
        case .worked: break
        case .note(let step, let text):
            for line in text.splitLines() { output("\(step): \(line)\n") }
        }
    }
}

/// Shows progress to a program: one JSON object a line, on standard output, with the keys `event`, `step` and those of
/// the event. While bytes move on, `rate` is bytes a second and `left` the seconds that the rest takes, once they are known.
package struct JSONProgress: ProgressReporter {
    private let output: @Sendable (String) -> Void
    private let meters: StepMeters

    /// - Parameters:
    ///   - now: the time, for rates.
    ///   - output: takes whole lines, each with its line feed.
    package init(
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now },
        output: @escaping @Sendable (String) -> Void = { writeAsFarAsPossible($0, to: 1) }
    ) {
        self.output = output
        meters = StepMeters(now: now)
    }

    /// A check that ended is told as `finished`; whether it passed is in its `detail` alone.
    package func report(_ event: ProgressEvent) {
        var line: Line
        switch event {
        case .started(let step, let detail):
            meters.forget(step)
            line = Line(event: "started", step: step, detail: detail)
        case .advanced(let step, let completed, let total, let unit, let detail):
            line = Line(
                event: "advanced", step: step, detail: detail, completed: completed, total: total, unit: unit.rawValue)
            if unit == .bytes {
                let (meter, _) = meters.add(completed, of: step)
                line.rate = meter.rate
                line.left = total.flatMap { meter.secondsLeft(of: $0) }
            }
        case .finished(let step, let detail, let cached):
            meters.forget(step)
            line = Line(event: "finished", step: step, detail: detail, cached: cached)
        case .checked(let step, _, let detail):
            return report(.finished(step: step, detail: detail, cached: false))
        case .worked: return
        case .note(let step, let text): line = Line(event: "note", step: step, detail: text)
        }
        output(jsonLine(line))
    }

    private struct Line: Encodable {
        var event: String
        var step: String
        var detail: String
        var completed: UInt64?
        var total: UInt64?
        var unit: String?
        var cached: Bool?
        var rate: UInt64?
        var left: UInt64?
    }
}

/// One value as one line of JSON, keys sorted.
package func jsonLine(_ value: some Encodable) -> String {
    guard let bytes = try? jsonBytes(value, .oneLine, at: "standard output") else { return "{}\n" }
    return String(decoding: bytes, as: UTF8.self) + "\n"
}
