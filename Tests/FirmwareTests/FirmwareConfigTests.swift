import Diagnostics
import Firmware
import TestSupport
import Testing

@Suite struct FirmwareConfigTests {
    func read(_ text: String, included: [String: String] = [:]) throws -> FirmwareConfig {
        try FirmwareConfig { $0 == "config.txt" ? text : included[$0] }
    }

    @Test func lastValueOfAKeyWins() throws {
        let config = try read("kernel=a\n# kernel=no\n  kernel = b  \n\r\narm_64bit=0\r\narm_64bit=1\r\n")
        #expect(config.settings == ["kernel": "b", "arm_64bit": "1"])
    }

    @Test(arguments: [
        ("[pi4]", true), ("[PI4]", true), ("[all]", true), ("[pi3]", false), ("[pi400]", false), ("[cm4]", false),
        ("[none]", false), ("[board-type=0x11]", true), ("[board-type=0x13]", false), ("[tryboot]", false),
        ("[EDID=VSC-TD2220]", false), ("[gpio4=1]", false), ("[0x12345678]", false), ("[pi3]\n[pi4]", true),
        ("[pi4]\n[board-type=0x13]", false), ("[none]\n[pi4]", false), ("[none]\n[all]", true), ("[pi3]\n[all]", true),
        // The table of model filters has board types, too: one replaces the other.
        ("[board-type=0x13]\n[pi4]", true), ("[boot_partition=1]", true), ("[boot_partition=2]", false),
        ("[boot_partition=2]\n[boot_partition=0x1]", true), ("[boot_partition=2]\n[pi4]", false), ("[HDMI:1]", true),
        ("[HDMI:2]", false), ("[gpio4=1]\n[pi4]", false), ("[gpio4=2]", false), ("[bootvar0&0x10]", false),
        ("[pi4", false),
    ])
    func filterLetsThroughWhatIsMeantForAPi4ModelB(filter: String, passes: Bool) throws {
        let config = try read("\(filter)\nkey=value")
        #expect((config.settings["key"] == "value") == passes)
    }

    @Test(arguments: [
        ("[gpio-4]", "the filter [gpio-4] is not known; what follows is taken as not meant for this board"),
        ("[pi4", "'[pi4' is no filter; what follows is taken as not meant for this board"),
        ("[gpio4=1]", "[gpio4=1] is taken as not matching: it depends on what is wired to the board"),
        ("[0x12345678]", "[0x12345678] is taken as not matching: it is for the board with that serial number"),
        ("[EDID=VSC-TD2220]", "[EDID=VSC-TD2220] is taken as not matching: no monitor is connected"),
        ("[tryboot]", "[tryboot] is taken as not matching: a first boot is no try-out"),
        ("[boot_partition=2]", "[boot_partition=2] is taken as not matching: the board boots from partition 1"),
        ("[bootvar0=1]", "[bootvar0=1] is taken as not matching: it depends on the board's own value"),
    ])
    func whatIsNotKnownOfABoardIsNotedAndDoesNotMatch(filter: String, note: String) throws {
        let config = try read("\(filter)\nkernel=x")
        #expect(config.notes == ["config.txt:1: \(note)"])
        #expect(config.settings == [:])
    }

    @Test(arguments: [
        (FirmwareBoard.pi4ModelB, ["pi4", "0x11"]), (.pi400, ["pi4", "pi400", "0x13"]),
        (.computeModule4, ["pi4", "cm4", "0x14"]),
    ])
    func eachBoardReadsItsOwnSections(board: FirmwareBoard, names: [String]) throws {
        let models = ["pi0", "pi1", "pi2", "pi3", "pi3+", "pi4", "pi400", "cm4", "cm4s", "pi5", "cm5"]
        let text =
            models.map { "[\($0)]\n\($0)=1\n" }.joined()
            + (0x10...0x17).map { "[board-type=\($0)]\n0x\(String($0, radix: 16))=1\n" }.joined()
        let config = try FirmwareConfig(board: board) { _ in text }
        #expect(Set(config.settings.keys) == Set(names))
    }

    /// `[HDMI:n]` and `key:n` say the same; a setting without ports has none.
    @Test(arguments: [
        (
            "[HDMI:1]\nhdmi_mode=82\ngpu_mem=16\n[all]\nhdmi_mode=4",
            ["hdmi_mode:1": "82", "gpu_mem": "16", "hdmi_mode": "4"]
        ),
        ("hdmi_mode:0=4\nhdmi_mode:1=82", ["hdmi_mode": "4", "hdmi_mode:1": "82"]),
        ("[HDMI:1]\nhdmi_mode:0=4", ["hdmi_mode": "4"]), ("[HDMI:0]\nhdmi_mode=4", ["hdmi_mode": "4"]),
        ("disable_overscan:1=1", ["disable_overscan": "1"]),
    ])
    func settingsOfAPortAreKeptApart(text: String, settings: [String: String]) throws {
        #expect(try read(text).settings == settings)
    }

    @Test func initramfsLineHasNoEqualsSign() throws {
        let config = try read("initramfs a.img 0x2000000\ninitramfs b.img followkernel\n")
        #expect(config.initramfs?.file == "b.img")
        #expect(config.initramfs?.address == "followkernel")
    }

    @Test func includedFileIsReadInPlace() throws {
        let config = try read("a=1\ninclude more.txt\nb=2", included: ["more.txt": "a=3\nb=4"])
        #expect(config.settings == ["a": "3", "b": "2"])
    }

    @Test func overlaysAndParametersKeepTheirOrder() throws {
        let config = try read("dtparam=audio=on\ndtoverlay=disable-bt\n[pi3]\ndtoverlay=w1\n")
        #expect(config.deviceTreeLines == ["dtparam=audio=on", "dtoverlay=disable-bt"])
    }

    @Test(arguments: [
        (
            "a=1\n" + String(repeating: "x", count: 97) + "=1",
            """
            config.txt:2: the line is too long; the firmware drops what is past its limit
              expected: at most 98 bytes
              found:    99
            """
        ),
        ("include none.txt", "config.txt:1: the boot partition has no file 'none.txt' to include"),
        ("include config.txt", "config.txt:1: files include each other without end"),
        (
            "arm_64bit",
            """
            config.txt:1: the line is no setting
              expected: key=value
              found:    arm_64bit
            """
        ),
    ])
    func badConfigIsRefused(text: String, message: String) {
        let failure = failure { try read(text) }
        #expect(failure?.description == message)
    }

    @Test func missingConfigIsRefused() {
        let failure = failure { try FirmwareConfig { _ in nil } }
        #expect(failure?.description == "config.txt: the boot partition has no such file")
    }
}
