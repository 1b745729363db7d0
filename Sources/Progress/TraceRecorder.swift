import Diagnostics
import Storage
import Synchronization

/// Notes when steps and their parts begin and end, on their way to whoever shows them.
package final class TraceRecorder: ProgressReporter {
    /// Something that took time.
    private struct Span {
        var step: String
        /// What of the step; nil for all of it.
        var part: String?
        var from: ContinuousClock.Instant
        var to: ContinuousClock.Instant
    }

    private struct State {
        var running: [String: ContinuousClock.Instant] = [:]
        var spans: [Span] = []
        /// When the next build's steps begin.
        var mark: ContinuousClock.Instant
    }

    private let shown: any ProgressReporter
    private let now: @Sendable () -> ContinuousClock.Instant
    private let start: ContinuousClock.Instant
    private let state: Mutex<State>

    /// - Parameters:
    ///   - shown: takes every event, too.
    ///   - now: the time.
    package init(
        showing shown: any ProgressReporter, now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        self.shown = shown
        self.now = now
        start = now()
        state = Mutex(State(mark: start))
    }

    package func report(_ event: ProgressEvent) {
        let now = now()
        state.withLock { state in
            switch event {
            case .started(let step, _):
                // A step that says more than once what it is at keeps its clock.
                if state.running[step] == nil { state.running[step] = now }
            case .finished(let step, _, _), .checked(let step, _, _):
                guard let from = state.running.removeValue(forKey: step) else { return }
                state.spans.append(Span(step: step, from: from, to: now))
            case .worked(let step, let part, let from, let to):
                state.spans.append(Span(step: step, part: part, from: from, to: to))
            case .advanced, .note: break
            }
        }
        shown.report(event)
    }

    // MARK: What it tells

    /// The steps that followed each other since the last call, the longest first: each ended when the next one that counts began.
    /// What is left of the time is called `other`.
    package func criticalPath() -> [StepSeconds] {
        let now = now()
        let (spans, from) = state.withLock { state in
            defer { state.mark = now }
            return (state.spans.filter { $0.part == nil && $0.from >= state.mark }, state.mark)
        }
        var seconds: [String: Double] = [:]
        var end = now
        // From the end back: of the steps that had begun before, the one that ended last was waited for.
        for span in spans.sorted(by: { $0.to > $1.to }) where span.from < end {
            seconds[span.step, default: 0] += (min(span.to, end) - span.from) / .seconds(1)
            end = span.from
        }
        seconds["other"] = max(0, (now - from) / .seconds(1) - seconds.values.reduce(0, +))
        return seconds.map { StepSeconds(step: $0.key, seconds: ($0.value * 10).rounded() / 10) }
            .sorted { ($0.seconds, $1.step) > ($1.seconds, $0.step) }
    }

    /// The trace as Chrome and Perfetto read it (Trace Event Format, complete events): a track for the steps, and one for each of what
    /// went on at once within a step. Times are microseconds since the recorder was made.
    ///
    /// - Throws: `Failure` when it cannot be written as JSON.
    package func chromeTrace() throws -> [UInt8] {
        struct Event: Encodable {
            var name: String
            var cat: String
            var ph = "X"
            var ts: Int64?
            var dur: Int64?
            var pid = 1
            var tid: Int
            var args: [String: String]?
        }
        struct Trace: Encodable {
            var displayTimeUnit = "ms"
            var traceEvents: [Event]
        }
        func microseconds(_ duration: Duration) -> Int64 { Int64((duration / .microseconds(1)).rounded()) }
        let (spans, running) = state.withLock { ($0.spans, $0.running) }
        let unfinished = running.map { Span(step: $0.key, from: $0.value, to: now()) }
        var tracks: [String: [(track: Int, end: ContinuousClock.Instant)]] = [:]
        var names: [String] = []
        var events: [Event] = []
        for span in (spans + unfinished).sorted(by: { ($0.from, $1.to) < ($1.from, $0.to) }) {
            let group = span.part == nil ? "steps" : span.step
            var lanes = tracks[group] ?? []
            let lane = lanes.firstIndex { $0.end <= span.from } ?? lanes.count
            if lane == lanes.count {
                names.append(lane == 0 ? group : "\(group) \(lane + 1)")
                lanes.append((names.count, span.to))
            } else {
                lanes[lane].end = span.to
            }
            tracks[group] = lanes
            events.append(
                Event(
                    name: span.part ?? span.step, cat: span.step, ts: microseconds(span.from - start),
                    dur: microseconds(span.to - span.from), tid: lanes[lane].track))
        }
        let metadata = names.enumerated().map { index, name in
            Event(name: "thread_name", cat: "__metadata", ph: "M", tid: index + 1, args: ["name": name])
        }
        return try jsonBytes(Trace(traceEvents: metadata + events), .oneLine, at: "the trace")
    }
}
