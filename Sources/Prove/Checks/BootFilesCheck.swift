import Diagnostics
import Firmware

extension Check {
    /// The board's own hook, which writes the boot partition anew when a kernel is installed, keeps what the recipe
    /// asked for: the settings of config.txt, the words of cmdline.txt, and files that can be booted.
    static let bootFiles = Check("boot files after a kernel upgrade", expected: "the same settings") { system in
        let hook = "/etc/kernel/postinst.d/z50-raspi-firmware"
        let present = try await system.shell.run("test -x \(hook) && echo there", within: .command)
        guard present.output == "there" else { return Observation("there is no such hook", passed: true) }
        let before = try await settings(system)
        // Without any initramfs the hook does nothing. Where another kernel brings one, this kernel must still boot without.
        let script =
            "i=/boot/initrd.img-$(uname -r); ls /boot/initrd.img-* >/dev/null 2>&1 && i= || echo none > $i; "
            + "DEB_MAINT_PARAMS=configure \(hook) $(uname -r) /boot/vmlinuz-$(uname -r); s=$?; rm -f $i; (exit $s)"
        let result = try await system.shell.run(script, within: .longCommand)
        guard result.status == 0 else { return Observation("the hook failed: \(result.output)", passed: false) }
        let after = try await settings(system)
        let lost = before.filter { after[$0.key] != $0.value }.map { key, value in
            "\(key) was \(value), is \(after[key] ?? "gone")"
        }
        return Observation(lost.isEmpty ? "the same" : lost.sorted().joined(separator: "\n"), passed: lost.isEmpty)
    }

    /// What must not change, by a name for it.
    private static func settings(_ system: BootedSystem) async throws -> [String: String] {
        func text(_ name: String) async throws -> String {
            let result = try await system.shell.run("cat /boot/firmware/\(name)", within: .command)
            guard result.status == 0 else {
                throw Failure(
                    at: "/boot/firmware/\(name)", "the file cannot be read; is the boot partition mounted there?",
                    found: result.output)
            }
            return result.output
        }
        let configText = try await text("config.txt")
        let config = try FirmwareConfig { $0 == "config.txt" ? configText : nil }
        var values: [String: String] = [:]
        // The kernel's and the initramfs's names may change with the version; that they exist is what counts.
        for (key, value) in config.settings where key != "kernel" { values[key] = value }
        for line in config.deviceTreeLines { values[line] = "set" }
        let commandLine = CommandLine(try await text(config.settings["cmdline"] ?? "cmdline.txt"))
        for word in commandLine.words where !word.hasPrefix("root=") { values["cmdline \(word)"] = "set" }
        values["cmdline root="] = commandLine.values(of: "root").isEmpty ? "missing" : "set"
        values["initramfs"] = "none"
        let names = [config.settings["kernel"] ?? "kernel8.img", config.initramfs?.file].compactMap { $0 }
        for (index, name) in names.enumerated() {
            let size = try await system.shell.run("stat -c %s '/boot/firmware/\(name)'", within: .command)
            values[index == 0 ? "kernel" : "initramfs"] = size.status == 0 && size.output != "0" ? "there" : "missing"
        }
        return values
    }
}
