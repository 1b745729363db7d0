import Guest

/// A terminal line to a booted system: what ``SerialConsole`` is, and what a test's made-up board can be.
package protocol Console: Sendable {
    /// Sends text as it is.
    func send(_ text: String)
    /// Waits for the earliest of several texts and uses up what came until its end.
    ///
    /// - Returns: which text it was, counted from 0, and what came before it.
    /// - Throws: `ConsoleTimeout`, `ConsoleEnded`, `CancellationError`.
    func wait(for texts: [String], within limit: Duration) async throws -> (index: Int, before: String)
    /// The last lines that came.
    func lastLines(_ count: Int) -> [String]
}

extension SerialConsole: Console {
    /// As ``expect(_:within:silence:)-([String],_,_)``; the guest may be silent for all of `limit`.
    package func wait(for texts: [String], within limit: Duration) async throws -> (index: Int, before: String) {
        let match = try await expect(texts, within: limit)
        return (match.index, match.before)
    }
}

/// What a command on the booted system left.
package struct CommandResult: Sendable, Equatable {
    /// The shell's `$?`: 128 and the signal's number for a program that a signal ended.
    package var status: Int32
    /// Standard output and standard error together, without white space at either end.
    package var output: String

    package init(status: Int32, output: String) {
        self.status = status
        self.output = output
    }

    /// The output's first line.
    package var firstLine: String { output.split(whereSeparator: \.isNewline).first.map(String.init) ?? "" }
}

/// Runs commands on a booted system as root.
package protocol RootShell: Sendable {
    /// Runs a command of the POSIX shell to its end, whatever its exit status.
    ///
    /// - Throws: `ConsoleTimeout` or a `Failure` when it does not end in time; `CancellationError`.
    func run(_ command: String, within limit: Duration) async throws -> CommandResult
    /// Puts bytes into a file of the booted system, mode 0755.
    func upload(_ bytes: [UInt8], to path: String, within limit: Duration) async throws
}
