extension Check {
    /// systemd has finished starting, and nothing failed.
    static let units = Check("systemd units", expected: "running, no failed unit") { system in
        let state = try await system.shell.run("timeout 300 systemctl is-system-running --wait", within: .longCommand)
        let failed = try await system.shell.run("systemctl --failed --plain --no-legend", within: .command)
        let names = failed.output.split(separator: "\n").compactMap { $0.split(separator: " ").first }
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
}
