import Diagnostics

extension Check {
    /// systemd has finished starting, and nothing failed.
    static let units = Check("systemd units", expected: "running, no failed unit") { system in
        let state = try await system.shell.run("timeout 300 systemctl is-system-running --wait", within: .longCommand)
        let failed = try await system.shell.run("systemctl --failed --plain --no-legend", within: .command)
        let names = failed.output.splitLines().compactMap { $0.split(separator: " ").first }
        let seen = names.isEmpty ? state.firstLine : "\(state.firstLine): \(names.joined(separator: " "))"
        return Observation(seen, passed: state.firstLine == "running" && failed.status == 0 && names.isEmpty)
    }

    static let packageDatabase = Check("dpkg --audit", expected: "finds nothing") { system in
        let result = try await system.shell.run("dpkg --audit", within: .longCommand)
        let clean = result.status == 0 && result.output.isEmpty
        return Observation(clean ? "nothing" : "status \(result.status): \(result.output)", passed: clean)
    }

    /// No file of the image is dated after now.
    static let timeStamps = Check("time stamps", expected: "no file from the future") { system in
        let found = try await system.shell.run(
            "find / -xdev -newermt '1 hour' -print 2>/dev/null | head -n 5", within: .longCommand)
        return Observation(found.output.isEmpty ? "none" : found.output, passed: found.output.isEmpty)
    }

    /// Where ping is installed, people may use it.
    static func ping(_ user: String) -> Check {
        Check("ping without sudo", expected: "an answer") { system in
            let result = try await system.shell.run(
                "command -v ping >/dev/null || { echo none; exit 0; }; runuser -u '\(user)' -- ping -n -c 1 -W 10 127.0.0.1",
                within: .command)
            if result.output == "none" { return Observation(notRun: "ping is not installed") }
            let answer = result.output.split(whereSeparator: \.isNewline).first { $0.contains("received") }
            return Observation(
                result.status == 0 ? answer.map(String.init) ?? "an answer" : result.lastLines(2),
                passed: result.status == 0)
        }
    }
}
