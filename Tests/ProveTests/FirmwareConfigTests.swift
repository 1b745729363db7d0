import Diagnostics
import Firmware
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
    ])
    func filterLetsThroughWhatIsMeantForAPi4ModelB(filter: String, passes: Bool) throws {
        let config = try read("\(filter)\nkey=value")
        #expect((config.settings["key"] == "value") == passes)
    }

    @Test func unknownFilterIsNotedAndDoesNotMatch() throws {
        let config = try read("[gpio4=1]\nkernel=x")
        #expect(
            config.notes == [
                "config.txt:1: the filter [gpio4=1] is not known; what follows is taken as not meant for this board"
            ])
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
              expected: at most 98 characters
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
        let failure = #expect(throws: Failure.self) { try read(text) }
        #expect(failure?.description == message)
    }

    @Test func missingConfigIsRefused() {
        let failure = #expect(throws: Failure.self) { try FirmwareConfig { _ in nil } }
        #expect(failure?.description == "config.txt: the boot partition has no such file")
    }
}
