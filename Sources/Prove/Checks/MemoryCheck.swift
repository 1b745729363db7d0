extension Check {
    /// MemTotal lacks what the kernel and the firmware keep for themselves, hence the room below.
    ///
    /// - Parameters:
    ///   - limit: the recipe's, in bytes; nil when it sets none.
    ///   - machine: what the machine has, in bytes.
    static func memory(limit: UInt64?, machine: UInt64) -> Check {
        let most = min(limit ?? machine, machine)
        let expected =
            limit.map { "at most \($0 >> 20) MiB (the recipe's limit)" } ?? "all of the machine's \(machine >> 20) MiB"
        return Check("memory", expected: expected) { system in
            let line = try await system.shell.run("grep MemTotal /proc/meminfo", within: .command).firstLine
            guard let kibibytes = line.split(separator: " ").dropFirst().first.flatMap({ UInt64($0) }) else {
                return Observation(line, passed: false)
            }
            let total = kibibytes << 10
            return Observation("\(total >> 20) MiB", passed: total <= most && total >= most / 4 * 3)
        }
    }
}
