import Diagnostics
import Disk
import Storage
import SystemPackage
import Tools

/// What the tests run to make images and to judge what was read of them.
enum Judge {
    static let bash = Tool("bash", package: "bash", purpose: "join programs")
    static let debugfs = Tool("debugfs", package: "e2fsprogs", purpose: "make and look into ext4")

    /// Variables that keep the tools to themselves, and a time for what mke2fs and debugfs make.
    static let runner = ToolRunner(environment: [
        "MTOOLSRC": "/dev/null", "MTOOLS_SKIP_CHECK": "1", "MKE2FS_CONFIG": "/dev/null",
        "E2FSPROGS_FAKE_TIME": "1564000000", "SOURCE_DATE_EPOCH": "1564000000",
    ])

    /// Runs a script of bash with `arguments` as `$1` and on, in a folder; every failure ends it.
    @discardableResult
    static func shell(_ script: String, _ arguments: [String] = [], in folder: FilePath) async throws -> String {
        try await runner.run(
            bash, ["-c", "set -euo pipefail; " + script, "judge"] + arguments, directory: folder, place: "bash"
        ).text
    }

    /// Has debugfs do what it is asked, and fails where it complains.
    static func edit(_ image: FilePath, _ requests: [String]) async throws {
        let script = requests.joined(separator: "\n") + "\n"
        let result = try await runner.run(
            debugfs, ["-w", "-f", "-", image.string], input: Array(script.utf8),
            directory: image.removingLastComponent(),
            place: "debugfs")
        let complaints = result.errors.split(separator: "\n").dropFirst().filter { !$0.hasPrefix("Allocated inode") }
        guard complaints.isEmpty else { throw Failure(at: "debugfs", complaints.joined(separator: "; ")) }
    }

    static func debugfs(_ request: String, _ image: FilePath) async throws -> String {
        try await runner.run(debugfs, ["-R", request, image.string], place: "debugfs").text
    }
}
