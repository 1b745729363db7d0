import Diagnostics

/// What the board makes of an initramfs by itself: the image's first one is piforge's, and the next kernel's is initramfs-tools'.
package enum InitramfsProof {
    /// What a root on USB needs of a Pi 4's initramfs: the firmware's reset of the USB chip, PCIe, the chip's driver, the disk's (Linux,
    /// arch/arm64/boot/dts/broadcom/bcm2711-rpi-4-b.dts: pcie0 and its usb, resets = <&reset RASPBERRYPI_FIRMWARE_RESET_ID_USB>).
    package static let modules = [
        "reset_raspberrypi", "pcie_brcmstb", "xhci_pci", "xhci_pci_renesas", "usb_storage", "uas", "sd_mod",
    ]

    /// Has the board make its initramfs anew, as the installation of a kernel does, and looks whether it is the one that starts next.
    ///
    /// - Parameter file: the initramfs that config.txt names; nil where the kernel boots without one.
    /// - Throws: as `RootShell.run`.
    package static func make(_ file: String?, on shell: any RootShell) async throws -> Observation {
        guard let file else { return Observation(notRun: "this kernel boots without an initramfs") }
        let path = "/boot/firmware/\(file)".shellQuoted
        let there = try await shell.run(
            "command -v update-initramfs >/dev/null && sha256sum < \(path)", within: .command)
        guard there.status == 0 else {
            return Observation(
                notRun: there.output.isEmpty ? "the image has no initramfs-tools" : there.lastLines(2))
        }
        let made = try await shell.run("update-initramfs -u -k $(uname -r)", within: .initramfs)
        guard made.status == 0 else { return Observation(made.lastLines(5), passed: false) }
        let after = try await shell.run(
            "sync; sha256sum < \(path); sha256sum < /boot/initrd.img-$(uname -r); stat -c %s \(path)",
            within: .longCommand)
        let lines = after.output.split(whereSeparator: \.isNewline).map(String.init)
        guard after.status == 0, lines.count == 3, let size = Double(lines[2]) else {
            return Observation(after.lastLines(3), passed: false)
        }
        if lines[0] == there.firstLine { return Observation("\(file) is still the image's own", passed: false) }
        guard lines[0] == lines[1] else {
            return Observation("\(file) is not what /boot/initrd.img-… is", passed: false)
        }
        return Observation("\(file), \((size / 100_000).rounded() / 10) MB", passed: true)
    }

    /// Looks for the modules of a root on USB in it. What the kernel has built in needs none.
    ///
    /// - Throws: as `RootShell.run`.
    package static func modules(on shell: any RootShell) async throws -> Observation {
        let names = modules.joined(separator: " ")
        let script = """
            command -v lsinitramfs >/dev/null || { echo none; exit 0; }
            lsinitramfs /boot/initrd.img-$(uname -r) > /run/piforge-initramfs || exit 1
            for m in \(names); do f=$(modinfo -n $m 2>/dev/null) || { echo "$m absent"; continue; }
            case $f in *builtin*) echo "$m builtin"; continue;; esac; f=${f##*/}; f=${f%%.ko*}
            if grep -q "/$f[.]ko" /run/piforge-initramfs; then echo "$m inside"; else echo "$m missing"; fi; done
            rm /run/piforge-initramfs
            """
        let result = try await shell.run("(\(script))", within: .initramfs)
        if result.output == "none" { return Observation(notRun: "the image has no initramfs-tools") }
        var found: [String: [String]] = [:]
        for line in result.output.split(whereSeparator: \.isNewline) {
            let words = line.split(separator: " ").map(String.init)
            if words.count == 2, modules.contains(words[0]) { found[words[1], default: []].append(words[0]) }
        }
        guard result.status == 0, found.values.reduce(0, { $0 + $1.count }) == modules.count else {
            return Observation(result.lastLines(4), passed: false)
        }
        let words = ["missing": "lacks", "inside": "has", "builtin": "built in", "absent": "not in this kernel"]
        let parts = ["missing", "inside", "builtin", "absent"].compactMap { state in
            found[state].map { "\(words[state] ?? state): \($0.joined(separator: ", "))" }
        }
        return Observation(parts.joined(separator: "\n"), passed: found["missing"] == nil)
    }
}

extension Check {
    static func initramfsMade(_ file: String?) -> Check {
        Check("initramfs made on the board", expected: "what the firmware starts next") {
            try await InitramfsProof.make(file, on: $0.shell)
        }
    }

    static let initramfsModules = Check("initramfs: modules of a USB root", expected: "none is missing") {
        try await InitramfsProof.modules(on: $0.shell)
    }
}

extension Duration {
    /// How long mkinitramfs may take on two emulated cores; 330 s and more were seen (docs/decisions/005).
    static let initramfs = Duration.seconds(3600)
}
