import Records

/// A runtime that the manifest names, as it is looked at in a booted system. One that is not there fails its rows: none
/// is left out.
package struct RuntimeProof: Sendable {
    package let runtime: Manifest.Runtime

    package init(_ runtime: Manifest.Runtime) { self.runtime = runtime }

    /// Whether Docker knows the runtime's name.
    ///
    /// The program behind a name is not looked for until a container starts.
    ///
    /// - Throws: as `RootShell.run`.
    package func registered(on shell: any RootShell) async throws -> Observation {
        guard let name = runtime.docker else { return Observation("Docker does not run it", passed: true) }
        let info = try await shell.run(
            "docker info -f '{{range $name, $_ := .Runtimes}}{{println $name}}{{end}}'", within: .longCommand)
        let names = info.output.split(whereSeparator: \.isNewline).map(String.init)
        guard info.status == 0 else { return Observation(info.lastLines(2), passed: false) }
        if names.contains(name) { return Observation(name, passed: true) }
        let others = names.filter { !$0.hasPrefix("io.containerd.") }.joined(separator: ", ")
        return Observation("Docker knows \(others)", passed: false)
    }

    /// Runs one of the runtime's checks: setup, the command, cleanup.
    ///
    /// - Parameter line: what root's shell runs for the command of a user who may use Docker.
    /// - Throws: as `RootShell.run`; cleanup has then been tried unless the shell is gone.
    package func observe(
        _ check: Manifest.RuntimeCheck, on shell: any RootShell, asUser line: (String) -> String = { $0 }
    ) async throws -> Observation {
        var observation: Observation?
        for line in check.setup where observation == nil {
            let result = try await shell.run(line, within: .runtime)
            if result.status != 0 {
                observation = Observation("\(line): \(result.lastLines(3))", passed: false)
            }
        }
        var lost: (any Error)?
        if observation == nil {
            do {
                let run = check.user == "root" ? check.run : line(check.run)
                let result = try await shell.run(run, within: .runtime)
                let printed = result.status == 0 && result.output.contains(check.expect)
                observation = Observation(
                    printed ? result.line(with: check.expect) : result.lastLines(5), passed: printed)
                if result.status != 0, !result.output.isEmpty { observation?.seen += "\nstatus \(result.status)" }
            } catch { lost = error }
        }
        for line in check.cleanup {
            let result = try await shell.run(line, within: .runtime)
            if result.status != 0, let seen = observation?.seen {
                observation = Observation("\(seen)\n\(line): \(result.lastLines(2))", passed: false)
            }
        }
        if let lost { throw lost }
        return observation ?? Observation("nothing", passed: false)
    }
}

extension Check {
    /// A runtime's rows: that Docker knows it, where it should, and each of its checks.
    static func runtime(_ runtime: Manifest.Runtime) -> [Check] {
        let proof = RuntimeProof(runtime)
        var checks: [Check] = []
        if let name = runtime.docker {
            checks.append(
                Check("runtime \(name)", expected: "registered with Docker") {
                    try await proof.registered(on: $0.shell)
                })
        }
        let label = runtime.docker ?? runtime.name
        checks += runtime.checks.map { check in
            Check("runtime \(label): \(check.name)", expected: check.expect) {
                try await proof.observe(check, on: $0.shell, asUser: $0.asUser)
            }
        }
        if let name = runtime.docker, let promised = runtime.proof { checks += ContainerProof(name, promised).checks }
        if checks.isEmpty {
            checks.append(
                Check("runtime \(label)", expected: "a check that shows it at work") { _ in
                    Observation("its file has none", passed: false)
                })
        }
        return checks
    }
}

extension CommandResult {
    /// The line that holds a text, or all of the output when the text is of several lines.
    func line(with text: String) -> String {
        output.split(whereSeparator: \.isNewline).first { $0.contains(text) }.map(String.init) ?? output
    }
}

extension Duration {
    /// How long a container or a guest may take under emulation, inside a machine that is emulated itself.
    static let runtime = Duration.seconds(900)
}
