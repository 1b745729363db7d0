import Diagnostics
import Foundation
import Progress
import Synchronization
import Testing

@Suite struct TraceRecorderTests {
    private final class Clock: Sendable {
        let start = ContinuousClock.now
        private let passed = Mutex(Duration.zero)
        var now: ContinuousClock.Instant { start + passed.withLock { $0 } }
        func at(_ seconds: Double) -> ContinuousClock.Instant { start + .seconds(seconds) }
        func go(to seconds: Double) { passed.withLock { $0 = .seconds(seconds) } }
    }

    private struct Event: Decodable {
        var name: String
        var cat: String
        var ph: String
        var ts: Int?
        var dur: Int?
        var tid: Int
        var args: [String: String]?
    }

    private struct Trace: Decodable { var traceEvents: [Event] }

    private let clock = Clock()

    /// Two steps beside each other, and one after them with two things at once.
    private func recorder() -> TraceRecorder {
        let recorder = TraceRecorder(showing: SilentProgress(), now: { [clock] in clock.now })
        func report(_ seconds: Double, _ event: ProgressEvent) {
            clock.go(to: seconds)
            recorder.report(event)
        }
        report(1, .started(step: "download", detail: "a"))
        report(2, .started(step: "unpack", detail: "b"))
        report(3, .started(step: "download", detail: "c"))
        report(4, .finished(step: "download", detail: "", cached: false))
        report(6, .finished(step: "unpack", detail: "", cached: false))
        report(6, .started(step: "pack", detail: ""))
        report(9, .worked(step: "pack", part: "block 1", from: clock.at(6), to: clock.at(9)))
        report(10, .worked(step: "pack", part: "block 2", from: clock.at(7), to: clock.at(10)))
        report(11, .worked(step: "pack", part: "block 3", from: clock.at(9), to: clock.at(11)))
        report(16, .finished(step: "pack", detail: "", cached: false))
        clock.go(to: 16.5)
        return recorder
    }

    @Test func theCriticalPathIsWhatWasWaitedFor() {
        let recorder = recorder()
        let path = recorder.criticalPath()
        // unpack began before download ended: of that, what came before counts.
        #expect(
            path == [
                .init(step: "pack", seconds: 10), .init(step: "unpack", seconds: 4), .init(step: "other", seconds: 1.5),
                .init(step: "download", seconds: 1),
            ])
        clock.go(to: 20)
        #expect(recorder.criticalPath() == [.init(step: "other", seconds: 3.5)])
    }

    @Test func theTraceHasATrackForWhatGoesOnAtOnce() throws {
        let trace = try JSONDecoder().decode(Trace.self, from: Data(recorder().chromeTrace()))
        let names = Dictionary(
            uniqueKeysWithValues: trace.traceEvents.filter { $0.ph == "M" }.map { ($0.tid, $0.args?["name"] ?? "") })
        let spans = trace.traceEvents.filter { $0.ph == "X" }.map {
            "\(names[$0.tid] ?? ""): \($0.name) \($0.ts ?? -1) \($0.dur ?? -1)"
        }
        #expect(
            spans == [
                "steps: download 1000000 3000000", "steps 2: unpack 2000000 4000000", "steps: pack 6000000 10000000",
                "pack: block 1 6000000 3000000", "pack 2: block 2 7000000 3000000", "pack: block 3 9000000 2000000",
            ])
    }

    @Test func whatDidNotEndIsInTheTrace() throws {
        let recorder = TraceRecorder(showing: SilentProgress(), now: { [clock] in clock.now })
        recorder.report(.started(step: "pack", detail: ""))
        clock.go(to: 2)
        let trace = try JSONDecoder().decode(Trace.self, from: Data(recorder.chromeTrace()))
        #expect(trace.traceEvents.last?.name == "pack")
        #expect(trace.traceEvents.last?.dur == 2_000_000)
    }
}
