import Diagnostics

extension Check {
    /// The image of one file that the rows of Docker and its runtimes may run; it holds the proof's program.
    static let image = "piforge-proof:hello"

    /// The daemon answers, keeps layers with overlay2, and warns of nothing that a kernel or a command line could mend.
    static let dockerInfo = Check("docker info", expected: "overlay2, no warning of the kernel") { system in
        let result = try await system.shell.run("docker info", within: .longCommand)
        guard result.status == 0, let info = DockerInfo(result.output) else {
            return Observation(result.lastLines(3), passed: false)
        }
        let facts = "\(info.version), \(info.storageDriver), cgroup v\(info.cgroupVersion)"
        return Observation(
            ([facts] + info.warnings.map { "WARNING: \($0)" }).joined(separator: "\n"),
            passed: info.storageDriver == "overlay2" && info.removableWarnings.isEmpty)
    }

    /// The program that the alternatives choose sees the chains that Docker has made.
    static let dockerRules = Check("docker's rules", expected: "iptables shows the chain DOCKER") { system in
        let result = try await system.shell.run(
            "iptables --version; iptables -t nat -S DOCKER && iptables -S DOCKER", within: .longCommand)
        return Observation(
            result.status == 0 ? result.firstLine : result.lastLines(3), passed: result.status == 0)
    }

    /// Those whom the recipe put into the group docker may talk to the daemon.
    static func dockerGroup(_ users: [String]) -> Check {
        Check("docker without sudo", expected: users.joined(separator: ", ")) { system in
            var seen: [String] = []
            for user in users {
                let result = try await system.shell.run(
                    "runuser -u '\(user)' -- docker version -f '{{.Server.Version}}'", within: .longCommand)
                seen.append(result.status == 0 ? user : "not \(user): \(result.lastLines(1))")
            }
            return Observation(seen.joined(separator: ", "), passed: seen == users)
        }
    }

    /// An image of one file, made on the spot, runs with Docker's own network and prints what it should.
    static let dockerRun = Check("docker run", expected: "hello from process 1 on aarch64") { system in
        let made = try await system.shell.run(
            "tar -C /var/tmp -c kvm-probe | docker import - \(image)", within: .longCommand)
        guard made.status == 0 else { return Observation("docker import: \(made.output)", passed: false) }
        let result = try await system.runAsUser("docker run --rm \(image) /kvm-probe hello", within: .longCommand)
        return Observation(
            result.output.isEmpty ? "nothing, status \(result.status)" : result.output,
            passed: result.status == 0 && result.output == "hello from process 1 on aarch64")
    }

    /// A container that takes more memory than it may is ended, and nothing else is: the control group is active. The kernel ends it
    /// with SIGKILL; Docker asks containerd why, and now and then hears too late that it was for memory.
    static let dockerMemory = Check("docker run -m 32m", expected: "ended below 32 MiB") { system in
        let name = "piforge-proof-memory"
        let run = try await system.runAsUser(
            "docker run --name \(name) -m 32m --memory-swap 32m \(image) /kvm-probe fill", within: .longCommand)
        let state = try await system.shell.run(
            "docker inspect -f '{{.State.ExitCode}} {{.State.OOMKilled}}' \(name)", within: .longCommand)
        _ = try await system.shell.run("docker rm -f \(name)", within: .longCommand)
        let had = run.output.splitLines().compactMap { Int($0.prefix { $0.isNumber }) }.max() ?? 0
        let words = ["137 true": "ended, out of memory", "137 false": "ended with SIGKILL at \(had) to 32 MiB"]
        guard had < 32, let seen = words[state.output] else {
            return Observation("\(run.lastLines(3)); status and out of memory: \(state.output)", passed: false)
        }
        return Observation(seen, passed: true)
    }

    /// A container's log is turned over as /etc/docker/daemon.json says.
    static let dockerLogs = Check("docker's log files", expected: "a largest size") { system in
        let name = "piforge-proof-log"
        let result = try await system.shell.run(
            "docker create --name \(name) \(image) /kvm-probe hello >/dev/null && "
                + "docker inspect -f '{{json .HostConfig.LogConfig}}' \(name); docker rm -f \(name) >/dev/null",
            within: .longCommand)
        // `local` turns its files over unasked; journald and none write no files.
        let bounded = ["\"max-size\"", "\"Type\":\"local\"", "\"Type\":\"journald\"", "\"Type\":\"none\""]
        return Observation(result.output, passed: bounded.contains(where: result.output.contains))
    }

    /// What the rows of Docker and its runtimes left is taken away.
    static let dockerCleared = Check("docker, cleared", expected: "no container is left") { system in
        _ = try await system.shell.run(
            "docker image rm -f \(image); rm -f \(BootedSystem.probePath)", within: .longCommand)
        let left = try await system.shell.run("docker ps -a --format '{{.Names}} {{.Image}}'", within: .longCommand)
        return Observation(
            left.output.isEmpty ? "none" : left.output, passed: left.status == 0 && left.output.isEmpty)
    }

    /// The rows of Docker itself, in order; those of the runtimes come before ``dockerCleared``.
    static func docker(_ system: BootedSystem) -> [Check] {
        let users = system.image.manifest?.accounts.filter { $0.groups.contains("docker") }.map(\.name) ?? []
        return [.dockerInfo, .dockerRules] + (users.isEmpty ? [] : [.dockerGroup(users)])
            + [.dockerRun, .dockerMemory]
            // Without a manifest it is nobody's promise.
            + (system.expectations == nil ? [] : [.dockerLogs])
    }
}

extension CommandResult {
    /// The last lines of the output, or the status when there was none.
    func lastLines(_ count: Int) -> String {
        let lines = output.split(whereSeparator: \.isNewline).suffix(count)
        return lines.isEmpty ? "nothing, status \(status)" : lines.joined(separator: "\n")
    }
}
