import Disk
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing

extension Judge {
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
