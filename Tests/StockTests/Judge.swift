import Diagnostics
import Disk
import Layers
import Storage
import SystemPackage
import Testing
import Tools

/// What the tests run to make images and to judge what was read of them.
enum Judge {
    static let bash = Tool("bash", package: "bash", purpose: "join programs")
    static let python = Tool("python3", package: "python3", purpose: "compare file systems")
    static let e2fsck = Tool("e2fsck", package: "e2fsprogs", purpose: "check ext4")
    static let debugfs = Tool("debugfs", package: "e2fsprogs", purpose: "make and look into ext4")
    static let sha256sum = Tool("sha256sum", package: "coreutils", purpose: "judge content")

    /// Variables that keep the tools to themselves, and a time for what mke2fs makes.
    static let runner = ToolRunner(environment: [
        "MTOOLSRC": "/dev/null", "MTOOLS_SKIP_CHECK": "1", "MKE2FS_CONFIG": "/dev/null",
        "E2FSPROGS_FAKE_TIME": "1564000000",
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
            debugfs, ["-w", "-f", "-", image.string], input: Array(script.utf8), place: "debugfs")
        let complaints = result.errors.split(separator: "\n").dropFirst()
        guard complaints.isEmpty else {
            throw Failure(at: "debugfs", complaints.joined(separator: "; "))
        }
    }

    /// Two file systems compared by debugfs and Python alone: the differences, then how many names there are.
    static func compare(_ one: FilePath, _ other: FilePath, in folder: FilePath) async throws -> String {
        let script = folder.appending("compare.py")
        try writeAtomically(to: script, bytes: PackageResources.compare_py)
        let result = try await runner.result(python, [script.string, one.string, other.string])
        return result.text + result.errors
    }

    /// The first line of what e2fsck finds, and its status.
    static func expectSound(_ image: FilePath) async throws {
        let result = try await runner.result(e2fsck, ["-fn", image.string])
        #expect(result.status == 0, "\(result.text)\(result.errors)")
    }
}

extension Ext4Options {
    static func test(size: UInt64 = 32 << 20) -> Ext4Options {
        Ext4Options(
            size: size, label: "again", uuid: "11111111-2222-8333-8444-555555555555",
            hashSeed: "66666666-7777-8888-9999-aaaaaaaaaaaa", epoch: 1_700_000_000)
    }
}

/// The names in a folder of the host.
func names(in folder: FilePath) async throws -> [String] {
    try await Judge.shell("ls -A", in: folder).split(separator: "\n").map(String.init)
}
