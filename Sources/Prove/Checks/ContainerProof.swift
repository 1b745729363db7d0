import Records
import Diagnostics
import Digests

/// What containers of a runtime show: that it refuses what it must, and, by the image that its proof brings, that it starts, answers,
/// keeps to its limits, isolates as it says and leaves nothing.
struct ContainerProof: Sendable {
    /// The name that Docker knows the runtime by.
    let runtime: String
    let promised: Manifest.RuntimeProof

    init(_ runtime: String, _ promised: Manifest.RuntimeProof) {
        self.runtime = runtime
        self.promised = promised
    }

    /// The container that is looked at while it runs: its limits, in MiB and processes.
    private static let memory = 128
    private static let processes = 64

    /// What the proof's image and its container are called in the booted system.
    private var tag: String { "piforge-proof:\(runtime)" }
    private var container: String { "piforge-proof-\(runtime)" }

    var checks: [Check] {
        (promised.refusal.map { [refusal($0)] } ?? [])
            + [
                imageCheck("starts and prints", expected: promised.image?.expect ?? "what the image prints", starts),
                imageCheck("exit status", expected: promised.image?.status.map { "\($0)" } ?? "the image's own", ends),
                runningCheck(
                    "network", expected: promised.image?.answers == "none" ? "none" : "an address, and an answer",
                    answers),
                runningCheck("guest memory", expected: "what its tender leaves of \(Self.memory) MiB", guestMemory),
                runningCheck("isolation", expected: isolationExpected, isolation),
                runningCheck("privileges", expected: "an ordinary user, no capability, none to be gained", privileges),
                runningCheck(
                    "control group", expected: "its own: \(Self.memory) MiB, \(Self.processes) processes", controlGroup),
                runningCheck("stop", expected: "exited", stop),
                imageCheck("nothing left", expected: "no process, control group, mount or folder", nothingLeft),
            ]
    }

    // MARK: Rows

    private typealias Look = @Sendable (BootedSystem, Manifest.ProofImage) async throws -> Observation

    /// A row that needs the proof's image.
    private func imageCheck(_ name: String, expected: String, _ look: @escaping Look) -> Check {
        Check("runtime \(runtime): \(name)", expected: expected) { system in
            guard let image = promised.image else {
                return Observation(notRun: "no proof image: name one in the recipe (docs/runtimes.md)")
            }
            guard system.proofImages[image.sha256] != nil else {
                return Observation(
                    notRun: "the proof image \(image.name) is not in the cache: give it with --runtime-image FILE")
            }
            return try await look(system, image)
        }
    }

    /// A row that looks at a container while it runs.
    private func runningCheck(_ name: String, expected: String, _ look: @escaping Look) -> Check {
        imageCheck(name, expected: expected) { system, image in
            guard image.serve != nil else {
                return Observation(notRun: "the proof image ends by itself: say what makes it run on (proof.serve)")
            }
            return try await look(system, image)
        }
    }

    /// - Parameter words: what must stand in it.
    private func refusal(_ words: String) -> Check {
        Check("runtime \(runtime): an ordinary image", expected: "refused: \(words)") { system in
            let result = try await system.runAsUser(
                "docker run --rm --runtime \(runtime) \(Check.image) /kvm-probe hello", within: .runtime)
            let refused = result.status != 0 && !result.output.contains("hello from process")
            return Observation(result.lastLines(3), passed: refused && result.output.contains(words))
        }
    }

    // MARK: The image

    private func starts(_ system: BootedSystem, _ image: Manifest.ProofImage) async throws -> Observation {
        guard let place = system.proofImages[image.sha256] else { return Observation("no image", passed: false) }
        let loaded = try await system.shell.run(
            "head -c \(image.size) \(place) | docker load -q", within: .runtime)
        // `Loaded image: NAME:TAG`, or `Loaded image ID: sha256:HEX`.
        guard loaded.status == 0, let line = loaded.output.split(whereSeparator: \.isNewline).last,
            let name = line.split(separator: " ").last, name.allSatisfy(Self.isPlain)
        else { return Observation("docker load: \(loaded.lastLines(3))", passed: false) }
        let tagged = try await system.shell.run("docker tag \(name) \(tag)", within: .longCommand)
        guard tagged.status == 0 else { return Observation("docker tag: \(tagged.lastLines(3))", passed: false) }

        if let serve = image.serve {
            let limits = "-m \(Self.memory)m --pids-limit \(Self.processes)"
            let started = try await system.runAsUser(
                "docker run -d --name \(container) \(limits) \(network(image))--runtime \(runtime) \(tag)\(words(serve))",
                within: .runtime)
            guard started.status == 0 else { return Observation(started.lastLines(4), passed: false) }
            if image.status == nil { return try await printed(system, image) }
        }
        let result = try await once(system, image)
        let printed = result.output.contains(image.expect)
        return Observation(printed ? result.line(with: image.expect) : result.lastLines(5), passed: printed)
    }

    /// Waits for what a container that runs on prints.
    private func printed(_ system: BootedSystem, _ image: Manifest.ProofImage) async throws -> Observation {
        var log = CommandResult(status: 0, output: "")
        for _ in 0..<60 {
            log = try await system.shell.run("docker logs \(container) 2>&1", within: .longCommand)
            if log.output.contains(image.expect) { return Observation(log.line(with: image.expect), passed: true) }
            let state = try await system.shell.run(
                "sleep 2; docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' \(container)", within: .longCommand)
            if !state.output.hasPrefix("running") {
                return Observation("\(log.lastLines(4)); \(state.output)", passed: false)
            }
        }
        return Observation(log.lastLines(5), passed: false)
    }

    /// Runs it to its end.
    private func once(_ system: BootedSystem, _ image: Manifest.ProofImage) async throws -> CommandResult {
        try await system.runAsUser(
            "docker run --rm \(network(image))--runtime \(runtime) \(tag)\(words(image.arguments))", within: .runtime)
    }

    private func ends(_ system: BootedSystem, _ image: Manifest.ProofImage) async throws -> Observation {
        guard let status = image.status else {
            return Observation(notRun: "the proof image runs until it is stopped")
        }
        let result = try await once(system, image)
        return Observation("\(result.status)", passed: Int(result.status) == status)
    }

    // MARK: The running container

    private func answers(_ system: BootedSystem, _ image: Manifest.ProofImage) async throws -> Observation {
        let format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
        let found = try await system.runAsUser("docker inspect -f '\(format)' \(container)", within: .longCommand)
        let address = found.firstLine.split(separator: " ").first.map(String.init) ?? ""
        if image.answers == "none" {
            return Observation(address.isEmpty ? "none" : address, passed: found.status == 0 && address.isEmpty)
        }
        guard address.split(separator: ".").count == 4, address.allSatisfy({ $0.isNumber || $0 == "." }) else {
            return Observation("no address: \(found.lastLines(2))", passed: false)
        }
        let tcp = image.answers.split(separator: " ").last.flatMap { Int($0) }
        let ask =
            tcp.map { "timeout 30 bash -c 'exec 3<>/dev/tcp/\(address)/\($0)' && echo connected" }
            ?? "ping -n -c 3 -W 10 \(address)"
        // A guest may still be setting itself up.
        var result = CommandResult(status: 1, output: "")
        for _ in 0..<10 where result.status != 0 {
            result = try await system.runAsUser(ask, within: .longCommand)
            if result.status != 0 { _ = try await system.shell.run("sleep 3", within: .command) }
        }
        let seen = tcp == nil ? result.output.split(whereSeparator: \.isNewline).first { $0.contains("received") } : nil
        return Observation("\(address): \(seen.map(String.init) ?? result.lastLines(2))", passed: result.status == 0)
    }

    /// The process of the container, as root's shell finds it.
    private var process: String { "p=$(docker inspect -f '{{.State.Pid}}' \(container)) && [ \"$p\" -gt 1 ]" }

    private func guestMemory(_ system: BootedSystem, _ image: Manifest.ProofImage) async throws -> Observation {
        let result = try await system.shell.run(
            "\(process) && tr '\\0' '\\n' < /proc/$p/cmdline | grep '^--mem='", within: .longCommand)
        // solo5-hvt(1), solo5-spt(1): MiB.
        guard result.status == 0, let size = Int(result.firstLine.dropFirst("--mem=".count)) else {
            return Observation(result.lastLines(2), passed: false)
        }
        return Observation("\(size) MiB", passed: size < Self.memory && size >= Self.memory / 2)
    }

    private var isolationExpected: String {
        switch promised.isolation {
        case "kvm": "a virtual machine on KVM"
        case "seccomp": "seccomp mode 2"
        default: "nothing is promised"
        }
    }

    private func isolation(_ system: BootedSystem, _ image: Manifest.ProofImage) async throws -> Observation {
        let result = try await system.shell.run(
            "\(process) && grep '^Seccomp:' /proc/$p/status && ls -l /proc/$p/fd | sed -n 's/.* -> //p' | grep kvm | sort -u",
            within: .longCommand)
        let lines = result.output.split(whereSeparator: \.isNewline).map(String.init)
        let filtered = lines.contains { $0.hasPrefix("Seccomp:") && $0.hasSuffix("2") }
        let machine = lines.contains { $0 == "anon_inode:kvm-vm" }
        let seen = (filtered ? ["seccomp mode 2"] : ["no filter of system calls"]) + lines.filter { $0.contains("kvm") }
        switch promised.isolation {
        case "kvm": return Observation(seen.joined(separator: ", "), passed: machine)
        case "seccomp": return Observation(seen.joined(separator: ", "), passed: filtered)
        default: return Observation(notRun: "the runtime's file promises no isolation")
        }
    }

    private func privileges(_ system: BootedSystem, _ image: Manifest.ProofImage) async throws -> Observation {
        let result = try await system.shell.run(
            "\(process) && sed -n 's/^\\(Uid\\|CapEff\\|CapPrm\\|NoNewPrivs\\):[[:space:]]*//p' /proc/$p/status",
            within: .longCommand)
        let lines = result.output.split(whereSeparator: \.isNewline).map { $0.split(whereSeparator: \.isWhitespace) }
        guard result.status == 0, lines.count == 4 else { return Observation(result.lastLines(4), passed: false) }
        let isNothing = { (digits: Substring) in digits.allSatisfy { $0 == "0" } }
        let ordinary = !lines[0].contains("0")
        let powerless = isNothing(lines[1][0]) && isNothing(lines[2][0])
        let fixed = lines[3] == ["1"]
        let seen = [
            "user \(lines[0][0])", powerless ? "no capability" : "capabilities \(lines[2][0])",
            fixed ? "no new ones" : "may gain some",
        ]
        return Observation(seen.joined(separator: ", "), passed: ordinary && powerless && fixed)
    }

    private func controlGroup(_ system: BootedSystem, _ image: Manifest.ProofImage) async throws -> Observation {
        // cgroup v2, or the hierarchies of memory and pids of v1.
        let script =
            "\(process) && id=$(docker inspect -f '{{.Id}}' \(container)) && r=/sys/fs/cgroup; "
            + "if [ -e $r/cgroup.controllers ]; then g=$(sed -n 's/^0:://p' /proc/$p/cgroup); "
            + "case $g in *$id*) echo own ;; *) echo \"in $g\" ;; esac; cat $r$g/memory.max $r$g/pids.max; "
            + "else m=$(sed -n 's/^[0-9]*:memory://p' /proc/$p/cgroup); n=$(sed -n 's/^[0-9]*:pids://p' /proc/$p/cgroup); "
            + "case $m in *$id*) echo own ;; *) echo \"in $m\" ;; esac; "
            + "cat $r/memory$m/memory.limit_in_bytes $r/pids$n/pids.max; fi"
        let result = try await system.shell.run(script, within: .longCommand)
        let lines = result.output.split(whereSeparator: \.isNewline).map(String.init)
        let wanted = ["own", "\(Self.memory << 20)", "\(Self.processes)"]
        guard lines.count == 3 else { return Observation(result.lastLines(4), passed: false) }
        let size = Int(lines[1]).map { "\($0 >> 20) MiB" } ?? lines[1]
        return Observation("\(lines[0]): \(size), \(lines[2]) processes", passed: lines == wanted)
    }

    private func stop(_ system: BootedSystem, _ image: Manifest.ProofImage) async throws -> Observation {
        // Its identity, for what may be left of it.
        let id = try await system.shell.run(
            "docker inspect -f '{{.Id}}' \(container) | tee \(Self.note)", within: .longCommand)
        guard id.status == 0 else { return Observation(id.lastLines(2), passed: false) }
        let stopped = try await system.runAsUser("docker stop -t 20 \(container)", within: .runtime)
        guard stopped.status == 0 else { return Observation(stopped.lastLines(3), passed: false) }
        let state = try await system.runAsUser(
            "docker inspect -f '{{.State.Status}} {{.State.ExitCode}}' \(container)", within: .longCommand)
        return Observation(state.output, passed: state.output.hasPrefix("exited "))
    }

    private static let note = "/run/piforge-proof-container"

    /// Removes the container and the image, and looks for what is left of both.
    private func nothingLeft(_ system: BootedSystem, _ image: Manifest.ProofImage) async throws -> Observation {
        // The pattern is not its own match: grep's command line has the name in another form.
        let script =
            "docker rm -f \(container) >/dev/null 2>&1; docker image rm -f \(tag) >/dev/null; id=$(cat \(Self.note) 2>/dev/null); "
            + "rm -f \(Self.note); [ -n \"$id\" ] || exit 0; other=\"[${id%\"${id#?}\"}]${id#?}\"; "
            + "for i in 1 2 3 4 5 6 7 8 9 10; do left=$({ grep -la \"$other\" /proc/[0-9]*/cmdline 2>/dev/null; "
            + "grep \"$other\" /proc/self/mountinfo; find /sys/fs/cgroup /run -name \"*$other*\" 2>/dev/null; } | head -n 5); "
            + "[ -n \"$left\" ] || break; sleep 2; done; echo \"$left\""
        let result = try await system.shell.run(script, within: .runtime)
        return Observation(
            result.output.isEmpty ? "nothing" : result.output, passed: result.status == 0 && result.output.isEmpty)
    }

    // MARK: Words

    private func network(_ image: Manifest.ProofImage) -> String { image.answers == "none" ? "--network none " : "" }

    /// Arguments, each in quotes.
    private func words(_ arguments: [String]) -> String { arguments.map { " \($0.shellQuoted)" }.joined() }

    /// Whether a character needs no quotes in a name of an image.
    private static func isPlain(_ character: Character) -> Bool {
        character.isASCII && (character.isLetter || character.isNumber || "._:/@-".contains(character))
    }
}
