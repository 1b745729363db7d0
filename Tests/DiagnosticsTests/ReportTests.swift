import Diagnostics
import Testing

@Suite struct ReportTests {
    static let digest = String(repeating: "0123456789abcdef", count: 4)
    static let other = String(repeating: "fedcba9876543210", count: 4)

    static let report = Report(
        groupColumn: "machine",
        rows: [
            row("image", "digest", digest, digest),
            row("image", "unpacked", "a list of sums beside it", "\(other), not listed"),
            row("firmware", "boot files", "what a Pi 4 can boot", "vmlinuz-6.12.117+deb13-arm64, initrd.img-6.12.117"),
            row("virt", "boot files after a kernel upgrade", "the same settings", "the same", 1025.6),
            row("virt", "root", digest, other, 0.3, .failed, next: "less out/x.virt.serial.log"),
            row(
                "virt", "systemd units", "running, no failed unit",
                "degraded: \(String(repeating: "x", count: 300))\nsince\tthe\u{1b}[31m boot", 61, .failed),
            row("virt", "runtime hvt: stop", "exited", "no proof image", 0, .notMade("not run")),
            row("virt", "power off", "the machine is off", "off: the machine is", 8.6),
        ],
        notes: [
            "note: virt: \(String(repeating: "added console=ttyAMA0,115200 ", count: 9))", "log: out/x.virt.serial.log",
        ],
        summary: "2 of 8 checks FAILED, 1 not run")

    static func row(
        _ group: String, _ name: String, _ expected: String, _ seen: String, _ seconds: Double = 0,
        _ state: Report.State = .ok, next: String? = nil
    ) -> Report.Row {
        Report.Row(
            group: group, name: name, expected: expected, seen: seen, seconds: seconds, state: state, next: next)
    }

    @Test(arguments: [80, 81, 100, 200], [Terminal.Marks.unicode, .ascii])
    func noLineIsWiderThanTheTerminal(width: Int, marks: Terminal.Marks) {
        for rowsShown in [true, false] {
            let text = Self.report.text(on: Terminal(width: width, marks: marks), rowsShown: rowsShown)
            for line in text.split(separator: "\n") { #expect(line.count <= width, "\(line)") }
            #expect(!text.contains("\u{1b}") && !text.contains("\t"))
        }
    }

    @Test func terminalGetsTheStateFirstAndTheTimeLast() {
        var report = Self.report
        report.rows.remove(at: 5)
        report.notes = ["log: out/x.virt.serial.log"]
        report.summary = "1 of 7 checks FAILED, 1 not run"
        #expect(
            report.text(on: Terminal(width: 80), rowsShown: false) == """
                image
                ✓ digest                        0123456789ab…                              0.0 s
                ✓ unpacked                      fedcba9876543210fedcba9876543210fedcba9    0.0 s
                                                876543210fedcba9876543210, not listed
                                                (expected: a list of sums beside it)
                firmware
                ✓ boot files                    vmlinuz-6.12.117+deb13-arm64,              0.0 s
                                                initrd.img-6.12.117 (expected: what a
                                                Pi 4 can boot)
                virt
                ✓ boot files after a kernel     the same (expected: the same settings)  1025.6 s
                  upgrade
                ✗ root                                                                     0.3 s
                  expected: \(Self.digest)
                  found:    \(Self.other)
                – runtime hvt: stop             not run: no proof image                    0.0 s
                ✓ power off                     off: the machine is                        8.6 s

                ✗ virt: root
                  expected: \(Self.digest)
                  found:    \(Self.other)
                  next:     less out/x.virt.serial.log

                log: out/x.virt.serial.log

                1 of 7 checks FAILED, 1 not run

                """)
    }

    @Test func namesTakeNoMoreRoomThanTheyNeed() {
        let report = Report(
            rows: [Self.row("x.img", "xz", "every block whole", "159 blocks", 9.2)], summary: "1 checks passed")
        #expect(
            report.text(on: Terminal(width: 80), rowsShown: false) == """
                x.img
                ✓ xz  159 blocks (expected: every block whole)                             9.2 s

                1 checks passed

                """)
    }

    @Test func expectationIsToldWhereItSaysMoreThanWasSeen() {
        func shown(_ expected: String, _ seen: String) -> String {
            let lines = Terminal(width: 80).lines(of: Self.row("", "x", expected, seen))
            return lines[0].dropFirst(32).dropLast(5).trimmingPrefix(" ").split(separator: "  ").first.map(String.init)
                ?? ""
        }
        #expect(shown("no errors", "no errors detected") == "no errors detected")
        #expect(shown("made on this boot", "3 of 3 keys made on this boot") == "3 of 3 keys made on this boot")
        #expect(shown("/dev/vda…", "/dev/vda2") == "/dev/vda2")
        #expect(shown("/dev/vda…", "/dev/sda2") == "/dev/sda2 (expected: /dev/vda…)")
        #expect(shown("960 MiB\nor less", "904 MiB") == "904 MiB (expected: 960 MiB, or less)")
    }

    @Test func rowsThatWereShownAreNotPrintedAgain() {
        let text = Self.report.text(on: Terminal(width: 100), rowsShown: true)
        #expect(text.hasPrefix("\n✗ virt: root\n  expected: "))
        #expect(text.contains("\n\n✗ virt: systemd units\n"))
        #expect(!text.contains("power off") && !text.contains("digest"))
        #expect(text.hasSuffix("\nlog: out/x.virt.serial.log\n\n2 of 8 checks FAILED, 1 not run\n"))
        let passed = Report(rows: [Self.row("x", "a", "b", "b")], summary: "1 checks passed")
        #expect(passed.text(on: Terminal(width: 100), rowsShown: true) == "\n1 checks passed\n")
    }

    @Test func digestsAreShortenedWhereTheyAgree() {
        func shown(_ expected: String, _ seen: String) -> String {
            Terminal(width: 200).lines(of: Self.row("", "sum", expected, seen)).joined(separator: "\n")
        }
        let (digest, other) = (Self.digest, Self.other)
        #expect(shown("12 bytes, \(digest)", "12 bytes, \(digest)").contains(" 12 bytes, 0123456789ab…  "))
        #expect(shown(digest, "sha256:\(digest)").contains(" sha256:0123456789ab…  "))
        #expect(shown(digest + digest, digest + digest).contains(" 0123456789ab…  "))
        #expect(shown("listed", digest).contains(" \(digest) (expected: listed)"))
        #expect(shown("\(digest) of it", digest).contains(" 0123456789ab… (expected: 0123456789ab… of it)"))
        #expect(shown(digest, "\(digest) or \(other)").contains(" 0123456789ab… or \(other)"))
        // 65 digits are none.
        #expect(shown(digest + "a", digest + "a").contains(" \(digest)a "))
        #expect(shown("x\(digest)", "x\(digest)").contains(" x\(digest) "))
    }

    @Test func pipeGetsTheWholeText() {
        let text = Self.report.plainText
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines[0].hasPrefix("state        time  machine   check   "))
        #expect(lines[2].hasPrefix("ok          0.0 s  image     digest  ") && lines[2].hasSuffix("  \(Self.digest)"))
        #expect(
            lines[5].hasPrefix("ok       1025.6 s  virt      boot files after a kernel upgrade  the same settings  "))
        #expect(lines.contains { $0.hasPrefix("not run     0.0 s  virt      runtime hvt: stop ") })
        #expect(lines.filter { $0.hasPrefix("FAILED ") }.count == 4)
        #expect(
            text.contains(
                "\nFAILED virt: root\n  expected: \(Self.digest)\n  found:    \(Self.other)\n  next:     less "))
        for row in Self.report.rows { #expect(text.contains(row.seen.prefix(while: { $0 != "\n" })), "\(row.name)") }
        for note in Self.report.notes { #expect(lines.contains { $0 + " " == note || $0 == note }) }
        #expect(text.hasSuffix("\n\n2 of 8 checks FAILED, 1 not run\n"))
    }

    @Test func groupWithoutAColumnStandsAboveItsRows() {
        let report = Report(
            rows: [Self.row("out/x.img", "xz", "whole", "block 1 of 2", 0, .failed, next: "fetch it again")],
            summary: "1 of 1 checks FAILED")
        #expect(
            report.plainText == """
                out/x.img
                state    time  check  expected  seen
                ------  -----  -----  --------  ------------
                FAILED  0.0 s  xz     whole     block 1 of 2

                FAILED xz
                  expected: whole
                  found:    block 1 of 2
                  next:     fetch it again

                1 of 1 checks FAILED

                """)
    }
}

@Suite struct TerminalTests {
    @Test(
        arguments: [
            (nil, [:], 80), (0, [:], 80), (60, [:], 80), (100, ["COLUMNS": "120"], 100), (0, ["COLUMNS": "120"], 120),
            (nil, ["COLUMNS": "40"], 80), (nil, ["COLUMNS": "wide"], 80), (nil, ["COLUMNS": "-200"], 80),
        ] as [(Int?, [String: String], Int)])
    func widthIsTheTerminalsElseTheEnvironments(columns: Int?, environment: [String: String], width: Int) {
        #expect(Terminal(columns: columns, environment: environment).width == width)
    }

    @Test(
        arguments: [
            ([:], false), (["LANG": "en_GB.UTF-8"], true), (["LANG": "C.utf8"], true), (["LANG": "de_DE@euro"], false),
            (["LANG": "C.UTF-8", "LC_CTYPE": "C"], false), (["LC_ALL": "C", "LC_CTYPE": "C.UTF-8"], false),
            (["LC_ALL": "", "LC_CTYPE": "", "LANG": "C.UTF-8"], true),
        ] as [([String: String], Bool)])
    func marksAreWhatTheLocaleCanShow(environment: [String: String], isUnicode: Bool) {
        #expect(Terminal(columns: 80, environment: environment).marks == (isUnicode ? .unicode : .ascii))
    }

    @Test func asciiMarksKeepTheColumns() {
        let terminal = Terminal(width: 80, marks: .ascii)
        let rows: [Report.Row] = [
            ReportTests.row("", "sum", ReportTests.digest, ReportTests.digest),
            ReportTests.row("", "xz", "every block whole", "block 4 of 5", 11, .failed),
            ReportTests.row("", "signature", "a signature", "there is no signature", 0, .notMade("not checked")),
        ]
        #expect(
            rows.flatMap { terminal.lines(of: $0) }.joined(separator: "\n") == """
                ok     sum                           0123456789ab...                       0.0 s
                FAILED xz                                                                 11.0 s
                  expected: every block whole
                  found:    block 4 of 5
                -      signature                     not checked: there is no signature    0.0 s
                """)
    }
}
