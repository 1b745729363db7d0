/// One thing that happened in a running step, for whoever shows progress.
package enum ProgressEvent: Sendable, Equatable {
    /// A step began. `detail` says on what.
    case started(step: String, detail: String)
    /// A step moved on: `completed` of `total` (when known), counted in `unit`.
    case advanced(step: String, completed: UInt64, total: UInt64?, unit: ProgressUnit, detail: String)
    /// A step ended well. `cached` says its result was taken from the cache.
    case finished(step: String, detail: String, cached: Bool)
    /// A check ended, well or not, and with it what the step was at. `detail` says it in one line.
    case checked(step: String, row: Report.Row, detail: String)
    /// A part of a step is done: what somebody was at, and from when until when. Several may be under way at once.
    case worked(step: String, part: String, from: ContinuousClock.Instant, to: ContinuousClock.Instant)
    /// A line worth keeping that ends nothing: a warning or a fact.
    case note(step: String, text: String)
}

/// What a step's progress is counted in.
package enum ProgressUnit: String, Sendable { case bytes, count }

/// Takes progress events; the terminal's live lines, a pipe's plain lines and JSON lines are three of them.
/// Called from any task, in no order between steps.
package protocol ProgressReporter: Sendable {
    func report(_ event: ProgressEvent)
}

/// Takes progress events and shows nothing.
package struct SilentProgress: ProgressReporter {
    package init() {}
    package func report(_ event: ProgressEvent) {}
}

/// A step, and how long it took.
package struct StepSeconds: Sendable, Codable, Equatable {
    /// As progress names it; `other` for what no step reports.
    package let step: String
    /// On the host's clock, rounded to tenths.
    package let seconds: Double

    package init(step: String, seconds: Double) {
        self.step = step
        self.seconds = seconds
    }
}
