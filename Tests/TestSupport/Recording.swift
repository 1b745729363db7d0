import Diagnostics
import Synchronization

/// Keeps the events of a run, and hands them on as they come.
package final class Recording: ProgressReporter {
    private let kept = Mutex<[ProgressEvent]>([])
    private let continuation: AsyncStream<ProgressEvent>.Continuation

    /// The events as they come; it does not end by itself.
    package let stream: AsyncStream<ProgressEvent>

    package init() { (stream, continuation) = AsyncStream.makeStream() }

    /// The events so far.
    package var all: [ProgressEvent] { kept.withLock { $0 } }

    /// The notes so far, as `step: text`.
    package var notes: [String] {
        all.compactMap { if case .note(let step, let text) = $0 { "\(step): \(text)" } else { nil } }
    }

    /// Waits until a step has done so much.
    package func advanced(to count: UInt64) async {
        for await case .advanced(_, let completed, _, _, _) in stream where completed >= count { return }
    }

    package func report(_ event: ProgressEvent) {
        kept.withLock { $0.append(event) }
        continuation.yield(event)
    }
}
