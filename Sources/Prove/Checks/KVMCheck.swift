extension Check {
    static let kvmDevice = Check("/dev/kvm", expected: "opens for reading and writing") { system in
        let result = try await system.shell.run("test -c /dev/kvm && exec 3<>/dev/kvm && echo opens", within: .command)
        let seen = result.output.isEmpty ? "there is no /dev/kvm" : result.firstLine
        return Observation(seen, passed: result.status == 0 && result.output == "opens")
    }

    /// Our own guest, run by our own program (Resources/kvm-probe.c).
    static let kvmGuest = Check("KVM guest", expected: ProbeProgram.success) { system in
        try await system.shell.upload(system.probe, to: BootedSystem.probePath, within: .command)
        let result = try await system.shell.run(BootedSystem.probePath, within: .command)
        return Observation(
            result.output.isEmpty ? "nothing, status \(result.status)" : result.output,
            passed: result.status == 0 && result.output == ProbeProgram.success)
    }

    /// Those whom the recipe put into the group kvm start guests without sudo. ``kvmGuest`` has brought the program.
    static func kvmGroup(_ users: [String]) -> Check {
        Check("KVM without sudo", expected: users.joined(separator: ", ")) { system in
            var seen: [String] = []
            for user in users {
                let result = try await system.shell.run(
                    "runuser -u '\(user)' -- \(BootedSystem.probePath)", within: .command)
                let ran = result.status == 0 && result.output == ProbeProgram.success
                seen.append(ran ? user : "not \(user): \(result.lastLines(1))")
            }
            return Observation(seen.joined(separator: ", "), passed: seen == users)
        }
    }
}
