import Diagnostics
import Subprocess
import SystemPackage

extension ToolRunner {
    /// Runs a tool whose output, both kinds in the order in which they are written, goes to an open file. A tool that starts others
    /// (make) must end them when it gets SIGTERM: it does when the task is cancelled, and when this process dies in whatever way
    /// (prctl(2), PR_SET_PDEATHSIG, set by setpriv).
    ///
    /// - Parameter log: a descriptor of a file that can be written; it stays open.
    /// - Returns: the exit code, or 128 plus the signal that ended it.
    /// - Throws: `Failure` when the tool is missing or cannot be started; `CancellationError`.
    package func logged(
        _ tool: Tool, _ arguments: [String], directory: FilePath, log: Int32
    ) async throws -> Int32 {
        let guardian = Tool.setpriv
        for needed in [guardian, tool] where Self.locate(needed) == nil {
            throw Failure(
                at: needed.name, "the program is not installed; it is needed to \(needed.purpose)",
                next: "make setup (or: sudo apt-get install \(needed.package))")
        }
        guard let setpriv = Self.locate(guardian), let path = Self.locate(tool) else { return 127 }
        var options = PlatformOptions()
        // A group of its own: a Ctrl-C at the terminal reaches this process alone, which ends the program in order.
        options.processGroupID = 0
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(20))]
        let variables = Dictionary(
            uniqueKeysWithValues: fullEnvironment.map { (Environment.Key(stringLiteral: $0), $1) })
        do {
            let outcome = try await Subprocess.run(
                .path(setpriv), arguments: Arguments(["--pdeathsig=TERM", "--", path.string] + arguments),
                environment: .custom(variables), workingDirectory: directory, platformOptions: options, input: .none,
                output: .fileDescriptor(FileDescriptor(rawValue: log), closeAfterSpawningProcess: false),
                error: .combinedWithOutput)
            try Task.checkCancellation()
            return outcome.terminationStatus.exitCode
        } catch let error as SubprocessError {
            try Task.checkCancellation()
            throw Failure(at: tool.name, "the program could not be run: \(error)")
        }
    }

    /// Ends, with SIGKILL, the processes of this user whose environment has a variable of that value, and waits until they are gone:
    /// what a process that was killed has left running.
    package static func endLeftovers(variable: String, value: String) async throws {
        let wanted = Array("\(variable)=\(value)".utf8)
        while true {
            let found = processes(having: wanted)
            if found.isEmpty { return }
            for process in found { signalKill(process) }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
