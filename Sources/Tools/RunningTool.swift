import Diagnostics
import Subprocess
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// A program that runs beside the caller, for as long as the closure it was handed to.
package struct RunningTool: Sendable {
    /// The process's id.
    package let identifier: Int32

    /// Sends SIGTERM. A program that has ended already is left alone.
    package func terminate() { _ = Glibc.kill(identifier, SIGTERM) }

    /// Sends SIGKILL. A program that has ended already is left alone.
    package func kill() { _ = Glibc.kill(identifier, SIGKILL) }
}

extension ToolRunner {
    /// Runs a tool beside `body`, and ends it when `body` does: SIGTERM, then SIGKILL after two seconds. The kernel
    /// kills it too when this process dies in whatever way (prctl(2), PR_SET_PDEATHSIG, set by setpriv).
    ///
    /// - Parameters:
    ///   - path: the program, as ``locate(_:)`` found it.
    ///   - directory: the folder it works in.
    /// - Returns: what `body` returned, or the error that it threw, and what the program left; standard output is not
    ///   kept.
    /// - Throws: `Failure` when it cannot be started.
    package func withRunning<Value: Sendable>(
        _ path: FilePath, _ arguments: [String], directory: FilePath,
        _ body: @Sendable (RunningTool) async throws -> Value
    ) async throws -> (Result<Value, any Error>, ToolResult) {
        let guardian = Tool.setpriv
        guard let setpriv = Self.locate(guardian) else {
            throw Failure(
                at: guardian.name, "the program is not installed; it is needed to \(guardian.purpose)",
                next: "make setup (or: sudo apt-get install \(guardian.package))")
        }
        let teardown = [TeardownStep.gracefulShutDown(allowedDurationToNextStep: .seconds(2))]
        var options = PlatformOptions()
        // A group of its own: a Ctrl-C at the terminal reaches this process alone, which ends the program in order.
        options.processGroupID = 0
        options.teardownSequence = teardown
        let variables = Dictionary(
            uniqueKeysWithValues: fullEnvironment.map { (Environment.Key(stringLiteral: $0), $1) })
        do {
            let outcome = try await Subprocess.run(
                .path(setpriv), arguments: Arguments(["--pdeathsig=KILL", "--", path.string] + arguments),
                environment: .custom(variables), workingDirectory: directory, platformOptions: options, input: .none,
                output: .discarded, error: .string(limit: 4 << 20)
            ) { execution in
                let result: Result<Value, any Error>
                do {
                    result = .success(try await body(RunningTool(identifier: execution.processIdentifier.value)))
                } catch {
                    result = .failure(error)
                }
                await execution.teardown(using: teardown)
                return result
            }
            let left = ToolResult(
                status: outcome.terminationStatus.exitCode, output: [], errors: outcome.standardError)
            return (outcome.closureResult, left)
        } catch let error as SubprocessError {
            try Task.checkCancellation()
            throw Failure(at: path.string, "the program could not be run: \(error)")
        }
    }
}
