import Firmware

extension Check {
    /// The daemon answers; what it warns of is told.
    static let dockerInfo = Check("docker info", expected: "the daemon answers") { system in
        let result = try await system.shell.run("docker info", within: .longCommand)
        let lines = result.output.split(whereSeparator: \.isNewline).map(\.trimmed)
        func value(_ key: String) -> String? {
            lines.first { $0.hasPrefix(key + ": ") }.map { String($0.dropFirst(key.count + 2)) }
        }
        guard result.status == 0, let version = value("Server Version") else {
            return Observation(lines.suffix(3).joined(separator: "\n"), passed: false)
        }
        let facts = [value("Storage Driver"), value("Cgroup Version").map { "cgroup v\($0)" }].compactMap { $0 }
        let warnings = lines.filter { $0.hasPrefix("WARNING:") }
        return Observation(
            (["\(version), \(facts.joined(separator: ", "))"] + warnings).joined(separator: "\n"), passed: true)
    }

    /// An image of one file, made on the spot, runs with Docker's own network and prints what it should.
    static let dockerRun = Check("docker run", expected: "hello from process 1 on aarch64") { system in
        let probe = BootedSystem.probePath
        let made = try await system.shell.run(
            "tar -C /var/tmp -c kvm-probe | docker import - piforge-proof:hello", within: .longCommand)
        guard made.status == 0 else { return Observation("docker import: \(made.output)", passed: false) }
        let result = try await system.shell.run(
            "docker run --rm piforge-proof:hello /kvm-probe hello", within: .longCommand)
        _ = try await system.shell.run("docker image rm -f piforge-proof:hello; rm -f \(probe)", within: .longCommand)
        return Observation(
            result.output.isEmpty ? "nothing, status \(result.status)" : result.output,
            passed: result.status == 0 && result.output == "hello from process 1 on aarch64")
    }
}
