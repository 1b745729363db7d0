import Firmware
import Storage
import SystemPackage
import Tools

/// The board's device tree, changed for QEMU's raspi4b, which lacks some of the board's hardware. The image's own
/// file is left as it is.
enum BoardDeviceTree {
    /// Devices that QEMU's board has not, or that would not work there, and why.
    private static let disabled: [(node: String, reason: String)] = [
        ("/soc/interrupt-controller@7ef00100", "no HDMI block"),
        ("/soc/i2c@7ef04500", "no HDMI block"),
        ("/soc/i2c@7ef09500", "no HDMI block"),
        ("/soc/clock@7ef00000", "no HDMI block"),
        ("/soc/hdmi@7ef00700", "no HDMI block"),
        ("/soc/hdmi@7ef05700", "no HDMI block"),
        // Once it is opened, its interrupt never ends and takes CPU 0 with it.
        ("/soc/serial@7e215040", "the mini UART's interrupt never ends"),
        // With a Bluetooth chip on it, the PL011 is no terminal.
        ("/soc/serial@7e201000/bluetooth", "the PL011 is the login's terminal"),
    ]
    /// Properties that tie the SD hosts to the firmware's GPIO expander, which QEMU's board has not.
    private static let removed: [(node: String, properties: [String])] = [
        ("/emmc2bus/mmc@7e340000", ["vqmmc-supply", "vmmc-supply"]), ("/soc/mmc@7e300000", ["mmc-pwrseq"]),
    ]

    /// Changes the file in place.
    ///
    /// - Returns: what was changed, for the report.
    static func fit(_ path: FilePath, tools: ToolRunner) async throws -> [String] {
        var reasons: [String: [String]] = [:]
        for (node, reason) in disabled where try await has(node, nil, path, tools) {
            try await tools.run(.fdtput, ["-t", "s", path.string, node, "status", "disabled"], place: path.string)
            reasons[reason, default: []].append(node)
        }
        var notes = reasons.sorted { $0.key < $1.key }.map {
            "device tree: disabled for QEMU (\($0)): \($1.joined(separator: " "))"
        }
        var cut: [String] = []
        for (node, properties) in removed {
            for property in properties where try await has(node, property, path, tools) {
                try await tools.run(.fdtput, ["-d", path.string, node, property], place: path.string)
                cut.append("\(node)/\(property)")
            }
        }
        if !cut.isEmpty {
            notes.append("device tree: removed for QEMU (no GPIO expander): \(cut.joined(separator: " "))")
        }
        return notes
    }

    /// The kernel's name for the PL011 as a terminal: `ttyAMA` and the number of its alias (Linux,
    /// drivers/tty/serial/amba-pl011.c), 0 where it has none.
    static func console(_ path: FilePath, tools: ToolRunner) async throws -> String {
        for number in 0..<8 {
            let alias = try await tools.result(.fdtget, [path.string, "/aliases", "serial\(number)"])
            if alias.status == 0, alias.text.trimmed == "/soc/serial@7e201000" { return "ttyAMA\(number)" }
        }
        return "ttyAMA0"
    }

    private static func has(
        _ node: String, _ property: String?, _ path: FilePath, _ tools: ToolRunner
    ) async throws -> Bool {
        let arguments = property.map { ["-t", "x", path.string, node, $0] } ?? ["-p", path.string, node]
        return try await tools.result(.fdtget, arguments).status == 0
    }
}
