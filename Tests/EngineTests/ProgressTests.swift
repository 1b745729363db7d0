import Diagnostics
import Engine
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

    @Test func longTextIsCutToTheTerminal() {
        let screen = Screen()
        TerminalProgress(width: 40, output: screen.write).report(
            .finished(step: "x", detail: String(repeating: "a", count: 100), cached: true))
        #expect(screen.text == "✓ x            aaaaaaaaaaaaaaaa… cached\n")
    }
}
