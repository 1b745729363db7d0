import Digests
import Storage
import Synchronization
import SystemPackage
import TestSupport
import Tools
import XZ

extension Judge {
    /// Runs `xz -t` and compares `xz -dc` with the raw file.
    static func unpacksTo(_ raw: FilePath, _ packed: FilePath) async throws {
        let runner = ToolRunner()
        try await runner.run(xz, ["-t", packed.string], place: packed.string)
        let script = "set -o pipefail; xz -dc \"$1\" | cmp - \"$2\""
        try await runner.run(bash, ["-c", script, "judge", packed.string, raw.string], place: packed.string)
    }

    /// The rows of `xz -l -vv --robot` of one kind, as fields.
    static func list(_ packed: FilePath, _ kind: String) async throws -> [[String]] {
        let result = try await ToolRunner().run(xz, ["-lvv", "--robot", packed.string], place: packed.string)
        return result.text.split(separator: "\n").map { $0.split(separator: "\t").map(String.init) }
            .filter { $0.first == kind }
    }
}

/// A byte source that counts what is read of it.
final class CountingSource: ByteSource {
    let base: any ByteSource
    let bytesRead = Atomic<UInt64>(0)
    var size: UInt64 { base.size }

    init(_ base: any ByteSource) { self.base = base }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        bytesRead.add(UInt64(buffer.count), ordering: .relaxed)
        try base.read(at: offset, into: buffer)
    }

    func nextData(from offset: UInt64) throws -> Range<UInt64>? { try base.nextData(from: offset) }
}

extension XZSummary {
    /// New, reused and zero blocks.
    var counts: [Int] { [newBlocks, reusedBlocks, zeroBlocks] }
}
