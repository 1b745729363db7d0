import Diagnostics
import Firmware
import TestSupport
import Testing
import Tools

/// Lines of config.txt that no board makes anything of.
@Suite struct IneffectiveSettingTests {
    private static let dtc = Tool("dtc", package: "device-tree-compiler", purpose: "make device trees for tests")

    /// A flattened device tree, made by the compiler that makes the real ones.
    static func deviceTree(_ body: String, isOverlay: Bool = false) async throws -> [UInt8] {
        let source = "/dts-v1/; \(isOverlay ? "/plugin/; " : "")/ { \(body) };"
        return try await ToolRunner().run(
            dtc, ["-q", "-@", "-I", "dts", "-O", "dtb", "-"], input: Array(source.utf8), place: "test"
        ).output
    }

    /// A boot partition like Debian's: the kernel's own device trees, which take no parameters, and two overlays.
    static func partition(_ config: String, _ more: [String: [UInt8]] = [:]) async throws -> MadeUpFiles {
        let board = try await deviceTree("compatible = \"raspberrypi,4-model-b\"; soc { a { b { c; }; }; };")
        let overlay = try await deviceTree(
            "fragment@0 { target-path = \"/\"; __overlay__ { x; }; }; __overrides__ { gain = <0>,\"+0\"; level = <0>,\"-0\"; };",
            isOverlay: true)
        let files: [String: [UInt8]] = [
            "start4.elf": start(built: "Apr 17 2024"), "bcm2711-rpi-4-b.dtb": board, "bcm2711-rpi-400.dtb": board,
            "bcm2711-rpi-cm4-io.dtb": board, "overlays/amp.dtbo": overlay,
            "overlays/bare.dtbo": try await deviceTree(
                "fragment@0 { target-path = \"/\"; __overlay__ { y; }; };", isOverlay: true),
            "config.txt": Array(config.utf8),
        ]
        return PiFirmwareTests.files(files.merging(more) { $1 })
    }

    /// Strings as they stand in the firmware.
    static func start(built: String) -> [UInt8] {
        Array(
            "\u{7f}ELF\0\0hdmi_deep_color\0VC_BUILD_ID_TIME: 17:27:09\0VC_BUILD_ID_TIME: \(built)\0gpu_mem_x\0status\0"
                .utf8)
    }

    private func found(_ config: String, _ more: [String: [UInt8]] = [:]) async throws -> [String] {
        try PiFirmware.ineffectiveSettings(try await Self.partition(config, more)).map {
            $0.summary + ($0.isCertain ? "" : " ?")
        }
    }

    static let effective = [
        "dtoverlay=amp", "dtoverlay=amp,gain=3,level", "dtoverlay=amp\ndtparam=gain=3\ndtparam=level", "dtoverlay=",
        "dtoverlay=amp\n[gpio4=1]\ndtoverlay=bare\n[all]\ndtparam=gain=1", "hdmi_group:1=2", "[HDMI:1]\nhdmi_mode=82",
        "gpio=5=op,dh",
        "[pi4]\ngpu_mem=32", "[pi400]\ngpu_mem=32", "[cm4]\notg_mode=1", "[board-type=0x14]\notg_mode=1",
        "[cm4s]\ngpu_mem=32", "[board-type=0x15]\ngpu_mem=32", "over_voltage=-2", "hdmi_cvt=1280 800 60",
        "device_tree_address=0x8000000", "start_file=start4.elf",
        "[PI4]\narm_boost=1",
        "[tryboot]\nkernel=new", "[EDID=DEL-DELL_U2422H]\nhdmi_group=2", "[0x12345678]\narm_freq=1800",
        "[gpio4=1]\nenable_uart=0",
        "[bootvar0&0x10]\nenable_uart=0", "[cust_otp3=7]\nenable_uart=0", "[none]\n[pi3]\nnonsense=1\ndtoverlay=none",
        "[pi3]\n# nothing\n[all]\ngpu_mem=32", "# piforge: known\nbrand_new=1",
        "# piforge: known\n[brand_new=1]\ngpu_mem=32",
        "dtparam=i2c_arm=on", "initramfs initrd followkernel", "include more.txt",
    ]

    @Test(arguments: effective)
    func whatABoardReadsOnSomeBootIsLeftAlone(config: String) async throws {
        #expect(try await found(config, ["more.txt": Array("gpu_mem=32\n".utf8)]) == [])
    }

    struct Case: Sendable, CustomTestStringConvertible {
        var config: String
        var found: [String]
        var testDescription: String { config.replacing("\n", with: "|") }
        init(_ config: String, _ found: String...) { (self.config, self.found) = (config, found) }
    }

    static let cases = [
        Case(
            "gpu_mem=32\ndtoverlay=disable-bt",
            "config.txt:2: dtoverlay=disable-bt: the boot partition has no overlays/disable-bt.dtbo"),
        // The parameters of an overlay that is not there are lost with it, and named with it.
        Case(
            "dtoverlay=w1-gpio,gpiopin=4\ndtparam=pullup=on",
            "config.txt:1: dtoverlay=w1-gpio,gpiopin=4: the boot partition has no overlays/w1-gpio.dtbo"),
        Case(
            "overlay_prefix=other/\ndtoverlay=amp",
            "config.txt:2: dtoverlay=amp: the boot partition has no other/amp.dtbo"),
        Case(
            "dtoverlay=amp,gian=3",
            "config.txt:1: dtoverlay=amp,gian=3: 'gian' is no parameter of the overlay amp or bcm2711-rpi-4-b.dtb"),
        Case(
            "dtoverlay=bare\ndtparam=gain=3,x=1",
            "config.txt:2: dtparam=gain=3,x=1: 'gain', 'x' are no parameters of the overlay bare or bcm2711-rpi-4-b.dtb"
        ),
        Case(
            "dtparam=audio=on",
            "config.txt:1: dtparam=audio=on: 'audio' is no parameter of bcm2711-rpi-4-b.dtb, which has none; only the overlay of an "
                + "attached HAT could have it ?"),
        Case(
            "dtoverlay=\ndtparam=audio=on",
            "config.txt:2: dtparam=audio=on: 'audio' is no parameter of bcm2711-rpi-4-b.dtb, which has none"),
        Case(
            "force_eeprom_read=0\ndtparam=audio=on",
            "config.txt:2: dtparam=audio=on: 'audio' is no parameter of bcm2711-rpi-4-b.dtb, which has none"),
        Case(
            "gpu_memm=16",
            "config.txt:1: gpu_memm=16: 'gpu_memm' is no key of config.txt that piforge knows, and start4.elf does not hold it either"
        ),
        // A word of the firmware's file may be a key, a command, or anything else.
        Case(
            "hdmi_deep_color=1",
            "config.txt:1: hdmi_deep_color=1: the documentation has no such key; start4.elf holds the word, which may be one ?"
        ),
        Case(
            "status=1",
            "config.txt:1: status=1: 'status' is no key of config.txt that piforge knows, and start4.elf does not hold it either"
        ),
        Case(
            "gpu_mem=\narm_boost=on", "config.txt:1: gpu_mem=: the value is no number",
            "config.txt:2: arm_boost=on: the value is no number"),
        Case("gpu_mem=0xZZ", "config.txt:1: gpu_mem=0xZZ: the value is no number"),
        Case(
            "[boot_partition=+1]\ngpu_mem=32", "config.txt:1: [boot_partition=+1]: no section that the firmware knows"),
        Case("[gpio99=1]\ngpu_mem=32", "config.txt:1: [gpio99=1]: no section that the firmware knows"),
        Case("[gpio-1=1]\ngpu_mem=32", "config.txt:1: [gpio-1=1]: no section that the firmware knows"),
        // The firmware's strings count as they are, not as parts of others.
        Case(
            "mem_x=1",
            "config.txt:1: mem_x=1: 'mem_x' is no key of config.txt that piforge knows, and start4.elf does not hold it either"
        ),
        Case(
            "# piforge: known\n\nnew=1\n# piforge: known\nnew=1",
            "config.txt:3: new=1: 'new' is no key of config.txt that piforge knows, and start4.elf does not hold it either"
        ),
        Case(
            "sdram_freq=3200",
            "config.txt:1: sdram_freq=3200: no Pi 4 reads it: a Pi 4 lets nobody set its SDRAM's clock and voltage"),
        Case(
            "usb_max_current_enable=1",
            "config.txt:1: usb_max_current_enable=1: no Pi 4 reads it: it is for the Pi 5 and its kin"),
        Case(
            "initramfs=initrd",
            "config.txt:1: initramfs=initrd: the firmware takes 'initramfs' without an equals sign alone"),
        Case("hdmi_mode:2=4", "config.txt:1: hdmi_mode:2=4: a Pi 4 has the HDMI ports 0 and 1"),
        // A section is named once, and what stands in it is not named again.
        Case(
            "[pi3]\ngpu_mem=32\nnonsense=1\n[all]\n",
            "config.txt:1: [pi3]: no board of the Pi 4's family reads this section: a Pi 4 Model B reads [pi4], a Pi 400 reads [pi4] and "
                + "[pi400], a Compute Module 4 reads [cm4] and [pi4], a Compute Module 4S reads [cm4s] and [pi4]"),
        Case("[HDMI:2]\nhdmi_mode=4", "config.txt:1: [HDMI:2]: a Pi 4 has the HDMI ports 0 and 1"),
        Case(
            "[boot_count>2]\ngpu_mem=32",
            "config.txt:1: [boot_count>2]: a Pi 4 does not have this boot variable in config.txt"),
        Case("[p14]\ngpu_mem=32\narm_boost=1", "config.txt:1: [p14]: no section that the firmware knows"),
        Case("[pi4\ngpu_mem=32", "config.txt:1: [pi4: no section that the firmware knows"),
        Case(
            "[boot_partition=1]\ngpu_mem=32",
            "config.txt:1: [boot_partition=1]: the firmware (start4.elf of 2024-04-17) does not know this section: it came on 2025-03-10"
        ),
        Case(
            "gpu_mem=32\ninclude more.txt",
            "more.txt:2: nonsense=1: 'nonsense' is no key of config.txt that piforge knows, and start4.elf does not hold it either"
        ),
    ]

    @Test(arguments: cases)
    func lineWithoutEffectIsFoundWithItsPlace(row: Case) async throws {
        #expect(try await found(row.config, ["more.txt": Array("\nnonsense=1\n".utf8)]) == row.found)
    }

    @Test func newerFirmwareKnowsThePartitionsSection() async throws {
        let newer = Self.start(built: "Mar 12 2025")
        #expect(try await found("[boot_partition=2]\ncmdline=b.txt", ["start4.elf": newer]) == [])
    }

    @Test(arguments: [
        ("gpu_memm=1", "perhaps 'gpu_mem' is meant"), ("[p14]\na=1", "perhaps [pi4] is meant"),
        ("dtoverlay=amp,gian=1", "perhaps 'gain' is meant"),
        ("wholly_unknown=1", "if your bootloader knows the key, put the line '# piforge: known' in front"),
        ("[wholly_unknown]", "if your bootloader knows the section, put the line '# piforge: known' in front"),
        (
            "dtoverlay=x",
            "bring the file with an overlay of the recipe, at boot/firmware/overlays/x.dtbo, or leave the line out"
        ),
    ])
    func whatToDoIsSaid(config: String, next: String) async throws {
        #expect(try PiFirmware.ineffectiveSettings(try await Self.partition(config)).first?.next == next)
    }

    /// The overlays' folder moves with the system's prefix where it says so itself.
    @Test func overlaysAreLookedForBehindTheirPrefix() async throws {
        let config = "os_prefix=new/\ndtoverlay=amp"
        let board = try await Self.deviceTree("a;")
        let system = ["new/kernel8.img": PiFirmwareTests.arm64, "new/bcm2711-rpi-4-b.dtb": board]
        #expect(try await found(config, system) == [])
        let own = system.merging(["new/overlays/README": [1]]) { $1 }
        // The other boards have no device tree there, and so no prefix.
        let others: [String: [UInt8]] = ["new/bcm2711-rpi-400.dtb": board, "new/bcm2711-rpi-cm4-io.dtb": board]
        #expect(
            try await found(config, own.merging(others) { $1 }) == [
                "config.txt:2: dtoverlay=amp: the boot partition has no new/overlays/amp.dtbo"
            ])
    }

    @Test(arguments: [
        ("vc4", []), ("old", []), ("plain", ["the boot partition has no overlays/plain.dtbo"]),
        ("gone", ["the overlay is deprecated: use amp"]),
        ("older", []), ("oldest", ["the overlay is deprecated: use amp"]),
        ("one", ["overlays/overlay_map.dtb renames the overlay in a circle, by way of 'one'"]),
        ("early", ["overlays/overlay_map.dtb has the overlay for other boards than the Pi 4's family"]),
    ])
    func overlayMapIsFollowed(name: String, reasons: [String]) async throws {
        let map = try await Self.deviceTree(
            """
            vc4 { bcm2835; bcm2711 = "amp"; }; old { renamed = "amp"; }; plain { bcm2711; }; gone { deprecated = "use amp"; };
            early { bcm2835; }; older { renamed = "old"; }; oldest { deprecated = "use amp"; renamed = "amp"; };
            one { renamed = "two"; }; two { renamed = "one"; };
            """)
        let files = try await Self.partition("dtoverlay=\(name)", ["overlays/overlay_map.dtb": map])
        #expect(try PiFirmware.ineffectiveSettings(files).map(\.reason) == reasons)
    }

    /// What a board's tree takes counts where the board reads the line.
    @Test func parametersOfABoardsTreeCount() async throws {
        let tree = try await Self.deviceTree("__overrides__ { audio = <0>,\"+0\"; };")
        #expect(try await found("dtparam=audio=on", ["bcm2711-rpi-400.dtb": tree]) == [])
        let other = try await found("[board-type=0x11]\ndtparam=audio=on", ["bcm2711-rpi-400.dtb": tree])
        #expect(other.count == 1)
    }

    /// Any bytes where a device tree or the firmware should be: no crash, and no claim.
    @Test func damagedTreesAreNoReasonToCrash() async throws {
        var generator = SplitMix64(seed: 20_261_101)
        func random(_ range: Range<Int>) -> Int { Int.random(in: range, using: &generator) }
        let whole = try await Self.deviceTree("__overrides__ { audio = <0>,\"+0\"; }; a { b { c = \"d\"; }; };")
        for round in 0..<400 {
            var tree = whole
            for _ in 0...(round % 8) { tree[random(4..<tree.count)] = UInt8(random(0..<256)) }
            if round % 3 == 0 { tree = Array(tree.prefix(random(0..<tree.count))) }
            let files = PiFirmwareTests.files([
                "config.txt": Array("dtoverlay=x\ndtparam=audio=on\n[boot_partition=1]\nq=1".utf8),
                "overlays/x.dtbo": tree,
                "overlays/overlay_map.dtb": tree, "bcm2711-rpi-4-b.dtb": tree, "start4.elf": tree,
            ])
            #expect(try !PiFirmware.ineffectiveSettings(files).isEmpty)
        }
    }

    /// A thousand findings end the search, and every list in one of them is short.
    @Test func manyLinesEndInAShortReport() async throws {
        let overlays = (0..<1_000).map { "dtoverlay=o\($0)" }
        let parameters = (0..<1_000).map { "dtparam=p\($0)" }
        let notes = (0..<200).map { "dtparam=q\($0)" }
        let files = try await Self.partition(
            (["[gpio4=1]", "dtoverlay=bare"] + notes + ["zzz=1"]).joined(separator: "\n"))
        let found = try PiFirmware.ineffectiveSettings(files)
        #expect(found.count == 201)
        #expect(found.last?.line == "zzz=1" && found.last?.isCertain == true)
        let endless = try await Self.partition((["[gpio4=1]"] + overlays + parameters).joined(separator: "\n"))
        let failure = failure { try PiFirmware.ineffectiveSettings(endless) }
        #expect(failure?.message == "more than 1000 lines in front of this one have no effect")
        #expect(
            failure?.found
                == "the first is config.txt:2: dtoverlay=o0: the boot partition has no overlays/o0.dtbo")

        var more: [String: [UInt8]] = [:]
        for index in 0..<9 { more["overlays/o\(index).dtbo"] = try await Self.deviceTree("a;", isOverlay: true) }
        let named = ["[gpio4=1]"] + overlays.prefix(9) + overlays.prefix(9) + ["dtparam=p"]
        #expect(
            try await self.found(named.joined(separator: "\n"), more) == [
                "config.txt:20: dtparam=p: 'p' is no parameter of the overlay o0 or the overlay o1 or the overlay o2 or the overlay o3 or "
                    + "5 other overlays or bcm2711-rpi-4-b.dtb; only the overlay of an attached HAT could have it ?"
            ])
    }

    @Test func overlayThatIsNoDeviceTreeIsFound() async throws {
        #expect(
            try await found("dtoverlay=x", ["overlays/x.dtbo": Array("text".utf8)]) == [
                "config.txt:1: dtoverlay=x: overlays/x.dtbo is no flattened device tree"
            ])
    }

    @Test(arguments: [
        (String(repeating: "#\n", count: 600_000), "config.txt: the file is too large for settings"),
        (String(repeating: "include a.txt\n", count: 400), "a.txt:1: files include each other without end"),
        (String(repeating: "include b.txt\n", count: 400), "b.txt:302: there are too many lines"),
        (String(repeating: "include c.txt\n", count: 400), "c.txt:302: there are too many lines"),
        (String(repeating: "include d.txt\n", count: 400), "d.txt: there is too much text"),
        (
            " " + String(repeating: "x", count: 96) + "=1",
            "config.txt:1: the line is too long; the firmware drops what is past its limit"
        ),
        (
            "cec_osd_name=" + String(repeating: "\u{e9}", count: 43),
            "config.txt:1: the line is too long; the firmware drops what is past its limit"
        ),
    ])
    func hostileFilesAreRefused(config: String, message: String) async throws {
        let files = try await Self.partition(
            config,
            [
                "a.txt": Array("include a.txt\n".utf8),
                "b.txt": Array(String(repeating: "gpu_mem=32\n", count: 400).utf8),
                "c.txt": Array(String(repeating: "#\n", count: 400).utf8),
                "d.txt": Array(String(repeating: "#", count: 1 << 20).utf8),
            ])
        let failure = failure { try PiFirmware.ineffectiveSettings(files) }
        #expect(failure?.headline == message)
    }
}
