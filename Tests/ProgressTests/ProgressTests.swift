import Progress
import Diagnostics
import Synchronization
import Testing

/// Collects what a reporter writes.
private final class Screen: Sendable {
    private let written = Mutex("")
    var text: String { written.withLock { $0 } }
    func write(_ text: String) { written.withLock { $0 += text } }
}

@Suite struct ProgressTests {
    private let events: [ProgressEvent] = [
        .started(step: "download", detail: "213 packages"),
        .advanced(step: "download", completed: 109, total: 218, unit: .count, detail: "docker.io"),
        .note(step: "download", text: "the mirror is slow"),
        .finished(step: "download", detail: "213 packages", cached: true),
    ]

    @Test func pipeGetsPlainLines() {
        let screen = Screen()
        let progress = PlainProgress(output: screen.write)
        for event in events { progress.report(event) }
        #expect(
            screen.text == """
                download: 213 packages
                download: the mirror is slow
                download: done (cached): 213 packages

                """)
    }

    @Test func programGetsOneJSONObjectALine() {
        let screen = Screen()
        let progress = JSONProgress(output: screen.write)
        for event in events { progress.report(event) }
        #expect(
            screen.text == """
                {"detail":"213 packages","event":"started","step":"download"}
                {"completed":109,"detail":"docker.io","event":"advanced","step":"download","total":218,"unit":"count"}
                {"detail":"the mirror is slow","event":"note","step":"download"}
                {"cached":true,"detail":"213 packages","event":"finished","step":"download"}

                """)
    }

    @Test func terminalHasOneLiveLinePerRunningStep() {
        let screen = Screen()
        let progress = TerminalProgress(width: 60, output: screen.write)
        progress.report(.started(step: "download", detail: "213 packages"))
        progress.report(.started(step: "configure", detail: "boots the micro-VM"))
        progress.report(.finished(step: "download", detail: "213 packages", cached: true))
        let up = "\u{1b}[1A\u{1b}[J"
        let download = "▸ download     213 packages                           0.0 s\n"
        let configure = "▸ configure    boots the micro-VM                     0.0 s\n"
        let done = "✓ download     213 packages                          cached\n"
        #expect(
            screen.text.replacing(/\d+\.\d+ s/, with: "0.0 s")
                == download + up + download + configure + "\u{1b}[2A\u{1b}[J" + done + configure)
    }

    private let checks: [ProgressEvent] = [
        .started(step: "prove", detail: "virt: kernel"),
        .checked(
            step: "prove",
            row: Report.Row(group: "virt", name: "kernel", expected: "6.12", seen: "6.12", seconds: 1.3, state: .ok),
            detail: "virt: kernel: 6.12 (1.3 s) ok"),
        .checked(
            step: "prove",
            row: Report.Row(
                group: "virt", name: "systemd units", expected: "running", seen: "degraded", seconds: 15.8,
                state: .failed),
            detail: "virt: systemd units: degraded (15.8 s) FAILED"),
    ]

    @Test func aCheckIsShownAsTheRowOfTheReport() {
        let screen = Screen()
        let progress = TerminalProgress(width: 80, output: screen.write)
        for event in checks { progress.report(event) }
        let lines = screen.text.replacing("\u{1b}[1A\u{1b}[J", with: "").split(separator: "\n").dropFirst()
        #expect(
            lines.joined(separator: "\n") == """
                virt
                ✓ kernel                        6.12                                       1.3 s
                ✗ systemd units                                                           15.8 s
                  expected: running
                  found:    degraded
                """)
    }

    @Test func otherLocalesGetASCIIMarks() {
        let screen = Screen()
        let progress = TerminalProgress(width: 80, marks: .ascii, output: screen.write)
        for event in events + checks { progress.report(event) }
        progress.report(.finished(step: "x", detail: String(repeating: "a", count: 100), cached: true))
        #expect(screen.text.utf8.allSatisfy { $0 < 0x80 }, "\(screen.text)")
        #expect(screen.text.contains("ok download     213 packages "))
        #expect(screen.text.contains("a... cached\n"))
    }

    @Test func pipeAndProgramGetAChecksOneLine() {
        let screen = Screen()
        let plain = PlainProgress(output: screen.write)
        let json = JSONProgress(output: screen.write)
        plain.report(checks[2])
        json.report(checks[2])
        #expect(
            screen.text == """
                prove: done: virt: systemd units: degraded (15.8 s) FAILED
                {"cached":false,"detail":"virt: systemd units: degraded (15.8 s) FAILED","event":"finished","step":"prove"}

                """)
    }

    @Test func longTextIsCutToTheTerminal() {
        let screen = Screen()
        TerminalProgress(width: 40, output: screen.write).report(
            .finished(step: "x", detail: String(repeating: "a", count: 100), cached: true))
        #expect(screen.text == "✓ x            aaaaaaaaaaaaaaaa… cached\n")
    }

    /// 100 MB and more of 500, 5 MB a second, going on with a first 100 MB.
    private func download(_ report: (ProgressEvent) -> Void, _ clock: TestClock) {
        report(.started(step: "download", detail: "image"))
        for second in 0...65 {
            report(
                .advanced(
                    step: "download", completed: 100_000_000 + UInt64(second) * 5_000_000, total: 500_000_000,
                    unit: .bytes, detail: "image"))
            clock.advance(.seconds(1))
        }
        report(.finished(step: "download", detail: "image", cached: false))
    }

    @Test func terminalShowsRateAndTimeLeft() {
        let screen = Screen()
        let clock = TestClock()
        let progress = TerminalProgress(width: 80, now: clock.now, output: screen.write)
        download(progress.report, clock)
        let lines = screen.text.split(separator: "\n").map { String($0.drop { $0 != "▸" && $0 != "✓" }) }
        // The first report comes too soon after the start to be drawn, and counts for nothing in the rate.
        #expect(lines[0].hasPrefix("▸ download     image "))
        #expect(lines[1].hasPrefix("▸ download     21 % of 500.0 MB, 5.0 MB/s, 1:19 left  image "))
        #expect(lines[65].hasPrefix("▸ download     85 % of 500.0 MB, 5.0 MB/s, 0:15 left  image "))
        #expect(lines.last?.hasSuffix(" 1:06") == true)
    }

    @Test func pipeGetsALineEveryHalfMinuteOfADownload() {
        let screen = Screen()
        let clock = TestClock()
        download(PlainProgress(now: clock.now, output: screen.write).report, clock)
        #expect(
            screen.text == """
                download: image
                download: 50 % of 500.0 MB, 5.0 MB/s, 0:50 left  image
                download: 80 % of 500.0 MB, 5.0 MB/s, 0:20 left  image
                download: done: image

                """)
    }

    @Test func programGetsRateAndTimeLeft() {
        let screen = Screen()
        let clock = TestClock()
        download(JSONProgress(now: clock.now, output: screen.write).report, clock)
        let lines = screen.text.split(separator: "\n")
        let start = #""detail":"image","event":"advanced""#
        let rest = #""step":"download","total":500000000,"unit":"bytes"}"#
        #expect(lines[1] == "{\"completed\":100000000,\(start),\(rest)")
        #expect(lines[2] == "{\"completed\":105000000,\(start),\"left\":79,\"rate\":5000000,\(rest)")
    }

    @Test func aRateLooksBackTenSecondsAndKnowsNothingOfABeginner() {
        var meter = RateMeter()
        meter.add(1000, at: .zero)
        #expect(meter.rate == nil && meter.secondsLeft(of: 2000) == nil)
        meter.add(1500, at: .milliseconds(999))
        #expect(meter.rate == nil)
        meter.add(1100, at: .seconds(2))
        // Fewer than before: measured afresh.
        #expect(meter.rate == nil)
        for second in 3...30 { meter.add(1100 + UInt64(second - 2) * 10, at: .seconds(second)) }
        #expect(meter.rate == 10 && meter.secondsLeft(of: 1385) == 1 && meter.secondsLeft(of: 1386) == 1)
        #expect(meter.secondsLeft(of: 10) == 0)
        for second in 31...60 { meter.add(1380, at: .seconds(second)) }
        #expect(meter.rate == 0 && meter.secondsLeft(of: 2000) == nil)
    }

    @Test func longTimesHaveHours() {
        let screen = Screen()
        let clock = TestClock()
        let progress = PlainProgress(now: clock.now, output: screen.write)
        for completed in [0, 30_000_000] as [UInt64] {
            progress.report(
                .advanced(step: "x", completed: completed, total: 4_353_000_000, unit: .bytes, detail: ""))
            clock.advance(.seconds(30))
        }
        #expect(screen.text == "x: 0 % of 4353.0 MB, 1.0 MB/s, 1:12:03 left\n")
    }
}

/// A clock that a test moves.
private final class TestClock: Sendable {
    private let time = Mutex(ContinuousClock.now)
    @Sendable func now() -> ContinuousClock.Instant { time.withLock { $0 } }
    func advance(_ duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
}
