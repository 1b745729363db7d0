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

    static let rootChecked = Check("root file system check", expected: "before anything writes on it") { system in
        try await RootCheckProof.observe(on: system.shell)
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

/// Whether the root file system was checked in this boot before anything wrote on it: by the initramfs, which leaves a mark
/// (initramfs-tools, scripts/functions, `_checkfs_once`), or by systemd, which does so where the kernel mounts it read-only
/// (systemd-fsck-root.service) and /etc/fstab asks for it (fstab(5), the sixth field). A stock image's publisher may have it otherwise.
package enum RootCheckProof {
    /// Asks the booted system.
    ///
    /// - Returns: not run where /etc/fstab asks for no check.
    /// - Throws: as `RootShell.run`.
    package static func observe(on shell: any RootShell) async throws -> Observation {
        let marked = try await shell.run("test -e /run/initramfs/fsck-root", within: .command)
        if marked.status == 0 { return Observation("by the initramfs", passed: true) }
        let unit = try await shell.run(
            "systemctl show --property=ActiveState,Result,ConditionResult,ConditionTimestampMonotonic systemd-fsck-root.service",
            within: .command)
        let properties = Set(unit.output.splitLines().map { String($0).trimmed })
        if properties.isSuperset(of: ["ActiveState=active", "Result=success", "ConditionResult=yes"]) {
            return Observation("by systemd", passed: true)
        }
        // Never asked for.
        if properties.contains("ConditionTimestampMonotonic=0") {
            let order = try await shell.run(
                "awk '$1 !~ /^#/ && $2 == \"/\" { print $6 }' /etc/fstab", within: .command)
            if order.status == 0, ["", "0"].contains(order.firstLine.trimmed) {
                return Observation(notRun: "/etc/fstab asks for no check of the root")
            }
        }
        let isWritable = properties.isSuperset(of: ["Result=success", "ConditionResult=no"])
        return Observation(
            isWritable
                ? "not checked: the kernel has mounted it writable"
                : "systemd-fsck-root.service: \(properties.sorted().joined(separator: ", "))", passed: false)
    }
}
