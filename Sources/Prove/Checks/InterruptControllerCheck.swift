import Diagnostics

extension Check {
    /// The GIC, in use: config.txt's enable_gic and the kernel's driver.
    static let interruptController = Check("interrupt controller", expected: "GICv2") { system in
        let names = try await system.shell.run(
            "grep -o 'GICv[0-9]*\\|ARMCTRL[^ ]*' /proc/interrupts | sort | uniq -c", within: .command)
        let seen = names.output.splitLines().map { line in
            let words = line.split(separator: " ")
            return words.count == 2 ? "\(words[1]) on \(words[0]) lines" : String(line)
        }
        return Observation(
            seen.isEmpty ? "none" : seen.joined(separator: ", "), passed: seen.count == 1 && seen[0].hasPrefix("GICv2 ")
        )
    }
}
