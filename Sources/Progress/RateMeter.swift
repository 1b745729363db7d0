/// How fast a step moves on, from what it reported over the last seconds.
///
/// What was there when the first report came counts for nothing: a download that goes on with half a file is not fast.
package struct RateMeter: Sendable {
    private struct Sample {
        var time: Duration
        var completed: UInt64
    }

    private let window: Duration
    private var samples: [Sample] = []

    /// - Parameter window: how far back the rate looks.
    package init(window: Duration = .seconds(10)) { self.window = window }

    /// Takes a report.
    ///
    /// - Parameters:
    ///   - completed: units that are done; fewer than before start the measuring afresh.
    ///   - time: when, on any clock that does not go back.
    package mutating func add(_ completed: UInt64, at time: Duration) {
        if let last = samples.last, completed < last.completed { samples.removeAll() }
        // A few samples a second are enough; the last one moves along.
        if samples.count > 1, time - samples[samples.count - 2].time < .milliseconds(200) { samples.removeLast() }
        samples.append(Sample(time: time, completed: completed))
        while samples.count > 2, time - samples[1].time >= window { samples.removeFirst() }
    }

    /// Units a second; nil before a second has been seen.
    package var rate: UInt64? {
        guard let first = samples.first, let last = samples.last else { return nil }
        let span = (last.time - first.time) / .seconds(1)
        guard span >= 1 else { return nil }
        return UInt64(Double(last.completed - first.completed) / span)
    }

    /// How long the rest takes at this rate, in whole seconds; nil while nothing moves.
    ///
    /// - Parameter total: units of the whole.
    package func secondsLeft(of total: UInt64) -> UInt64? {
        guard let rate, rate > 0, let completed = samples.last?.completed else { return nil }
        let rest = total > completed ? total - completed : 0
        return (rest + rate - 1) / rate
    }
}
