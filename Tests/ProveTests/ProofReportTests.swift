import Diagnostics
import Prove
import Testing

@Suite struct ProofReportTests {
    let report = ProofReport(
        image: "debian.img.xz", sha256: "ab12",
        rows: [
            ProofRow(
                machine: "raspi4b", check: "model", expected: "Raspberry Pi 4 Model B", seen: "Raspberry Pi 4 Model B",
                seconds: 1.25, verdict: .ok),
            ProofRow(
                machine: "virt", check: "systemd units", expected: "running, no failed unit",
                seen: "degraded: a.service and b.service, which have failed\nsince the boot", seconds: 61,
                verdict: .failed
            ),
            ProofRow(
                machine: "virt", check: "runtime hvt: stop", expected: "exited", seen: "no proof image", seconds: 0,
                verdict: .notRun),
        ], notes: ["virt: added console=ttyAMA0,115200"], logs: ["out/debian.virt.serial.log"])

    @Test func pipeGetsTheWholeTable() {
        #expect(
            Report(report).plainText == """
                state      time  machine  check              expected                 seen
                -------  ------  -------  -----------------  -----------------------  ----------------------------------------------------
                ok        1.3 s  raspi4b  model              Raspberry Pi 4 Model B   Raspberry Pi 4 Model B
                FAILED   61.0 s  virt     systemd units      running, no failed unit  degraded: a.service and b.service, which have failed
                                                                                      since the boot
                not run   0.0 s  virt     runtime hvt: stop  exited                   no proof image

                FAILED virt: systemd units
                  expected: running, no failed unit
                  found:    degraded: a.service and b.service, which have failed
                            since the boot
                  next:     less out/debian.virt.serial.log

                note: virt: added console=ttyAMA0,115200
                log: out/debian.virt.serial.log

                1 of 3 checks FAILED, 1 not run

                """)
        #expect(!report.passed)
    }

    @Test func failuresSayWhatToDoNext() {
        func next(_ machine: String) -> String? {
            let row = ProofRow(
                machine: machine, check: "x", expected: "a", seen: "b", seconds: 0, verdict: .failed)
            let logs = [
                "out/debian.raspi4b.serial.log", "out/debian.virt.serial.log", "out/debian.virt-usb.serial.log",
            ]
            return Report(ProofReport(image: "debian.img.xz", sha256: "", rows: [row], notes: [], logs: logs)).rows[0]
                .next
        }
        #expect(next("image") == "piforge verify debian.img.xz")
        #expect(next("firmware") == "piforge verify debian.img.xz")
        #expect(next("raspi4b") == "less out/debian.raspi4b.serial.log")
        #expect(next("virt") == "less out/debian.virt.serial.log")
        #expect(next("virt, USB") == "less out/debian.virt-usb.serial.log")
        #expect(next("another") == nil)
        #expect(Report(report).rows[0].next == nil, "the check passed")
    }

    @Test func jsonHoldsRowsAndVerdict() throws {
        var short = report
        short.rows.remove(at: 1)
        short.notes = []
        // What was not run is neither passed nor failed.
        #expect(short.passed)
        #expect(Report(short).summary == "1 checks passed, 1 not run")
        #expect(
            try short.json() == """
                {
                  "image" : "debian.img.xz",
                  "logs" : [
                    "out/debian.virt.serial.log"
                  ],
                  "notRun" : 1,
                  "notes" : [

                  ],
                  "passed" : true,
                  "rows" : [
                    {
                      "check" : "model",
                      "expected" : "Raspberry Pi 4 Model B",
                      "machine" : "raspi4b",
                      "passed" : true,
                      "seconds" : 1.25,
                      "seen" : "Raspberry Pi 4 Model B",
                      "verdict" : "ok"
                    },
                    {
                      "check" : "runtime hvt: stop",
                      "expected" : "exited",
                      "machine" : "virt",
                      "passed" : false,
                      "seconds" : 0,
                      "seen" : "no proof image",
                      "verdict" : "not run"
                    }
                  ],
                  "sha256" : "ab12"
                }

                """)
    }

    @Test func reportInWhichNothingWasSeenHasNotPassed() {
        #expect(!ProofReport(image: "x", sha256: "", rows: [], notes: [], logs: []).passed)
        #expect(!ProofReport(image: "x", sha256: "", rows: [report.rows[2]], notes: [], logs: []).passed)
    }
}
