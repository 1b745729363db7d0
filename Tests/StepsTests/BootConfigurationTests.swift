import Firmware
import Layers
import Steps
import Testing

/// What piforge itself writes into config.txt, as the firmware reads it.
@Suite struct BootConfigurationTests {
    /// A boot partition that holds what the configuration names, and firmware that says nothing of itself.
    private struct Partition: BootFiles {
        var config: String

        func size(_ name: String) -> UInt64? { contents(name).map { UInt64($0.count) } }
        func contents(_ name: String) -> [UInt8]? {
            switch name {
            case "config.txt": Array(config.utf8)
            case "start4.elf", "vmlinuz-6.12": [0]
            default: name.hasSuffix(".dtb") && !name.contains("/") ? [0xd0, 0x0d, 0xfe, 0xed] : nil
            }
        }
    }

    struct Shape: Sendable {
        var initramfs: String?
        var memoryLimit: Int?
        var stock: String?
    }

    static let shapes: [Shape] = [nil, "initrd.img-6.12"].flatMap { initramfs in
        [nil, 1024].flatMap { limit in
            [nil, "", "kernel=x\n", "[pi4]\nkernel=x\n[all]\nhdmi_safe=1\n"].map {
                Shape(initramfs: initramfs, memoryLimit: limit, stock: $0)
            }
        }
    }

    /// Every line is a key that a Pi 4 reads, and counts on each board of its family: what a key's firmware does not know, a build of
    /// its own would refuse.
    @Test(arguments: shapes)
    func everyLineOfOursHasAnEffectOnEveryBoard(shape: Shape) throws {
        let partition: EntryPath = "boot/firmware"
        let stock = try shape.stock.map { text in
            let file = Entry(
                partition.appending("config.txt"), Attributes(mode: 0o644, mtime: Timestamp(seconds: 1)),
                .regular(Content(text)))
            return try StockBoot(Layer(name: "stock", entries: [file]), mountPoint: partition)
        }
        let configuration = BootStep(
            partition: "PARTUUID=1234abcd-02", memoryLimit: shape.memoryLimit, serialConsole: true, extraConfig: [],
            extraCommandLine: []
        ).configuration(
            SystemFacts(release: "6.12", hasInitramfs: shape.initramfs != nil, stockBoot: stock))
        let text = configuration.configText
        #expect(try PiFirmware.ineffectiveSettings(Partition(config: text)) == [], "\(text)")
        // Behind what Debian's hook writes itself, the same holds on the board.
        let expected = [
            "arm_64bit": "1", "enable_uart": "1", "upstream_kernel": "1", "kernel": "vmlinuz-6.12", "enable_gic": "1",
            "disable_overscan": "1", "arm_boost": "1",
        ]
        for board in FirmwareBoard.family {
            let config = try FirmwareConfig(board: board) { $0 == "config.txt" ? text : nil }
            for (key, value) in expected { #expect(config.settings[key] == value, "\(key) on a \(board.name)") }
            #expect(config.settings["total_mem"] == shape.memoryLimit.map(String.init))
            #expect(config.initramfs?.file == shape.initramfs)
            #expect(config.notes == [])
        }
    }
}
