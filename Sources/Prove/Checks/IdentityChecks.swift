import Diagnostics

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

extension Check {
    /// Accounts of people besides the recipe's: on a stock image, those that it brought or that cloud-init made at this boot.
    ///
    /// - Parameter ours: the recipe's accounts.
    static func otherAccounts(ours: [String]) -> Check {
        Check("other accounts", expected: "no password or key opens one") { system in
            // Of every account from uid 1000 on: its name, and what /etc/shadow and its home folder have for it.
            let script =
                "getent passwd | awk -F: '$3 >= 1000 && $3 < 60000 {print $1, $6}' | while read -r n h; do "
                + "p=$(getent shadow \"$n\" | cut -d: -f2 | cut -c1); k=no; [ -s \"$h/.ssh/authorized_keys\" ] && k=keys; "
                + "echo \"$n ${p:-empty} $k\"; done"
            let result = try await system.shell.run(script, within: .command)
            let others = result.output.splitLines().map { $0.split(separator: " ").map(String.init) }
                .filter { $0.count == 3 && !ours.contains($0[0]) }
            let open = others.filter { !["!", "*"].contains($0[1]) || $0[2] == "keys" }.map { $0[0] }
            let names = others.map { $0[0] }.joined(separator: ", ")
            let locked = names.isEmpty ? "there are none" : "locked: \(names)"
            return Observation(
                open.isEmpty ? locked : "open: \(open.joined(separator: ", "))",
                passed: result.status == 0 && open.isEmpty)
        }
    }
}
