extension Check {
    static func kernelRelease(_ expected: String) -> Check {
        Check("kernel", expected: expected) { system in
            let seen = try await system.shell.run("uname -r", within: .command).firstLine
            return Observation(seen, passed: seen == expected)
        }
    }

    static func hostname(_ expected: String) -> Check {
        Check("host name", expected: expected) { system in
            let seen = try await system.shell.run("hostname", within: .command).firstLine
            return Observation(seen, passed: seen == expected)
        }
    }

    static func rootDevice(_ prefix: String) -> Check {
        Check("root device", expected: "\(prefix)…") { system in
            let seen = try await system.shell.run("findmnt -no SOURCE /", within: .command).firstLine
            return Observation(seen, passed: seen.hasPrefix(prefix))
        }
    }

    /// The machine id belongs to this board alone: made on its first boot, and another one on every other board.
    static func machineID(other: String?) -> Check {
        let expected = other == nil ? "made on the first boot" : "made on the first boot, other than raspi4b's"
        return Check("machine id", expected: expected) { system in
            let seen = try await system.shell.run("cat /etc/machine-id", within: .command).firstLine
            let isID = seen.count == 32 && seen.allSatisfy(\.isHexDigit)
            return Observation(seen, passed: isID && seen != other)
        }
    }

    /// Every SSH host key was made after this boot began (/proc/stat, btime).
    static let hostKeys = Check("SSH host keys", expected: "made on this boot") { system in
        let script =
            "b=$(awk '/^btime/{print $2}' /proc/stat); cd /etc/ssh && "
            + "echo $(ls ssh_host_*_key | wc -l) $(find . -name 'ssh_host_*_key' -newermt @$((b-60)) | wc -l)"
        let line = try await system.shell.run(script, within: .command).firstLine
        let numbers = line.split(separator: " ").compactMap { Int($0) }
        guard numbers.count == 2 else { return Observation(line, passed: false) }
        return Observation(
            "\(numbers[1]) of \(numbers[0]) keys made on this boot", passed: numbers[0] > 0 && numbers[0] == numbers[1])
    }
}
