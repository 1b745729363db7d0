import Firmware
import Prove
import Storage
import SystemPackage
import TestSupport
import Tools

/// Runs a proof's commands with this machine's own shell, where programs of the test stand in for the board's, and folders of the
/// test for its folders.
final class LocalShell: RootShell {
    let folder: TemporaryFolder
    private let replaced: [String]
    /// - Parameters:
    ///   - programs: shell scripts by the name of the program they stand for.
    ///   - replaced: folders of the board, such as `/run`, that are the test's own.
    init(programs: [String: String] = [:], replacing replaced: [String] = []) throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-shell")
        self.replaced = replaced
        try createFolder(folder.path.appending("bin"))
        for (name, text) in programs {
            try writeAtomically(
                to: folder.path.appending("bin").appending(name), mode: 0o755, bytes: Array("#!/bin/sh\n\(text)\n".utf8)
            )
        }
    }

    func run(_ command: String, within limit: Duration) async throws -> CommandResult {
        var text = command
        for place in replaced { text = text.replacing("\(place)/", with: "\(folder.path)\(place)/") }
        let result = try await ToolRunner().result(
            Judge.sh, ["-c", "exec 2>&1; PATH=\(folder.path)/bin:$PATH\n\(text)"], limit: 1 << 20)
        return CommandResult(status: result.status, output: result.text.trimmed)
    }

    func upload(_ bytes: [UInt8], to path: String, within limit: Duration) async throws {}
}
