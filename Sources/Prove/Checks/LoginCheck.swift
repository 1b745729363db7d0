import Diagnostics

/// What a booted system's logins wait for: a board without a cable, or out of reach of its wifi, must be one that can be logged in to.
package enum LoginProof {
    /// The longest wait for a network that a login may be behind, in seconds.
    package static let limit = 30

    /// Finds the units of this boot that wait for a network, and whether a login is ordered behind one of them, over however many
    /// others (systemd.unit(5), Before=). Prints a line for each: unit|logins behind it|its time limit|its command.
    private static let script = """
        for u in $(systemctl list-units --all --plain --no-legend '*wait-online*' | awk '$3 != "inactive" {print $1}'); do
        t=$u; s=" "; while [ -n "$t" ]; do n=; for b in $(systemctl show -p Before --value $t); do
        case "$s" in *" $b "*) ;; *) s="$s$b "; n="$n $b";; esac; done; t=$n; done
        l=; for b in $s; do case $b in ssh.s*|sshd.s*|getty@*|serial-getty@*|systemd-user-sessions.service) l="$l $b";; esac; done
        echo "$u|$l|$(systemctl show -p TimeoutStartUSec --value $u)|$(systemctl show -p ExecStart --value $u)"; done
        """

    /// - Throws: as `RootShell.run`.
    package static func observe(on shell: any RootShell) async throws -> Observation {
        let result = try await shell.run(script, within: .longCommand)
        guard result.status == 0 else { return Observation(result.lastLines(3), passed: false) }
        var seen: [String] = []
        var passed = true
        for line in result.output.split(whereSeparator: \.isNewline) {
            let fields = line.split(separator: "|", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
            guard fields.count == 4 else { return Observation(result.lastLines(3), passed: false) }
            let logins = fields[1].split(separator: " ")
            guard !logins.isEmpty else { continue }
            let longest = seconds(option: fields[3]) ?? seconds(span: fields[2])
            let wait = longest.map { "for up to \($0) s" } ?? "without a limit of its own"
            seen.append("\(logins.joined(separator: ", ")) behind \(fields[0]), \(wait)")
            if longest.map({ $0 > limit }) ?? true { passed = false }
        }
        return Observation(seen.isEmpty ? "nothing" : seen.joined(separator: "\n"), passed: passed)
    }

    /// The value of `--timeout=` in a command.
    private static func seconds(option command: String) -> Int? {
        command.firstMatch(of: /--timeout=(\d{1,6})\b/).flatMap { Int($0.1) }
    }

    /// A time span as systemd prints it (systemd.time(7)), in full seconds: `1min 30s`. nil for `infinity`.
    private static func seconds(span: String) -> Int? {
        let units = ["h": 3600, "min": 60, "s": 1, "ms": 0, "us": 0]
        var total: Int?
        for word in span.split(separator: " ") {
            guard let match = word.wholeMatch(of: /(\d{1,6})([a-z]+)/), let count = Int(match.1),
                let unit = units[String(match.2)]
            else { return nil }
            total = (total ?? 0) + count * unit
        }
        return total
    }
}

extension Check {
    /// No login waits long for a network; on QEMU's raspi4b there is none, on virt there is one.
    static let login = Check(
        "login without a network", expected: "waits for none, or for at most \(LoginProof.limit) s"
    ) { try await LoginProof.observe(on: $0.shell) }
}
