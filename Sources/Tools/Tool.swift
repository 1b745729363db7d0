import Diagnostics
import Subprocess
import SystemPackage

/// An external program that piforge runs: its name on the PATH, the Debian package it comes from, and why it is needed.
package struct Tool: Sendable, Hashable {
    /// The file's name in one of the folders of ``ToolRunner/searchPath``.
    package let name: String
    /// The Debian package's name, as apt-get takes it.
    package let package: String
    /// To stand behind "to" in messages: `create ext4 file systems`.
    package let purpose: String

    package init(_ name: String, package: String, purpose: String) {
        self.name = name
        self.package = package
        self.purpose = purpose
    }
}

/// What a finished program left: its exit status and what it printed.
package struct ToolResult: Sendable {
    /// The exit code, or 128 plus the signal that ended it.
    package let status: Int32
    /// Standard output.
    package let output: [UInt8]
    /// Standard error, as text.
    package let errors: String

    /// Standard output as text; what is not UTF-8 becomes U+FFFD.
    package var text: String { String(decoding: output, as: UTF8.self) }
}

/// Runs external programs in an environment of piforge's own making: a fixed PATH, the C.UTF-8 locale, UTC, and
/// nothing else of the caller's. A cancelled task ends the program: SIGTERM, then SIGKILL after two seconds.
package struct ToolRunner: Sendable {
    /// Where programs are looked for; sbin folders are in it because ordinary users' PATHs lack them.
    package static let searchPath = [
        "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin",
    ]

    /// Variables added to, or put in place of, the fixed ones.
    package var environment: [String: String]

    package init(environment: [String: String] = [:]) { self.environment = environment }

    /// The whole environment a program sees.
    package var fullEnvironment: [String: String] {
        let fixed = [
            "PATH": Self.searchPath.joined(separator: ":"), "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": "/nonexistent",
        ]
        return fixed.merging(environment) { $1 }
    }

    /// Where the tool is on this machine; nil when it is not installed.
    package static func locate(_ tool: Tool) -> FilePath? {
        for folder in searchPath {
            let path = FilePath(folder).appending(tool.name)
            if isExecutable(path) { return path }
        }
        return nil
    }

    /// Runs a tool to its end, whatever its exit status.
    ///
    /// - Parameters:
    ///   - input: bytes for its standard input; none closes it.
    ///   - limit: the most bytes of standard output that are kept; more is an error.
    /// - Throws: `Failure` when the tool is missing or cannot be started; `CancellationError`.
    package func result(
        _ tool: Tool, _ arguments: [String], input: [UInt8] = [], directory: FilePath? = nil,
        limit: Int = 256 << 20
    ) async throws -> ToolResult {
        guard let path = Self.locate(tool) else {
            throw Failure(
                at: tool.name, "the program is not installed; it is needed to \(tool.purpose)",
                next: "make setup (or: sudo apt-get install \(tool.package))")
        }
        var options = PlatformOptions()
        // A group of its own: a Ctrl-C at the terminal reaches this process alone, which ends the program in order.
        options.processGroupID = 0
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(2))]
        let variables = Dictionary(
            uniqueKeysWithValues: fullEnvironment.map { (Environment.Key(stringLiteral: $0), $1) })
        do {
            let outcome = try await Subprocess.run(
                .path(path), arguments: Arguments(arguments), environment: .custom(variables),
                workingDirectory: directory, platformOptions: options, input: .array(input),
                output: .bytes(limit: limit), error: .string(limit: 4 << 20))
            try Task.checkCancellation()
            return ToolResult(
                status: outcome.terminationStatus.exitCode, output: outcome.standardOutput,
                errors: outcome.standardError)
        } catch let error as SubprocessError {
            try Task.checkCancellation()
            throw Failure(at: tool.name, "the program could not be run: \(error)")
        }
    }

    /// Runs a tool that must succeed.
    ///
    /// - Parameter place: what the tool works on, for the error's first words.
    /// - Throws: `Failure` with the exit status and the last lines of standard error (or output, where that is empty).
    @discardableResult
    package func run(
        _ tool: Tool, _ arguments: [String], input: [UInt8] = [], directory: FilePath? = nil, place: String
    ) async throws -> ToolResult {
        let result = try await result(tool, arguments, input: input, directory: directory)
        guard result.status == 0 else {
            let said = result.errors.isEmpty ? result.text : result.errors
            let lines = said.splitLines().suffix(8).joined(separator: "\n            ")
            throw Failure(
                at: place, "\(tool.name) ended with status \(result.status)", expected: "status 0",
                found: lines.isEmpty ? "no message" : lines)
        }
        return result
    }
}

extension TerminationStatus {
    /// The exit code as a shell reports it: 128 plus the signal's number when a signal ended the program.
    var exitCode: Int32 {
        switch self {
        case .exited(let code): Int32(code)
        case .signaled(let signal): 128 + Int32(signal)
        }
    }
}
