import Digests
import Pack
import Storage
import Synchronization
import SystemPackage
import TestSupport
import Tools

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

/// Bytes that compress about as programs do: words of a small vocabulary, with noise between them.
func compressibleBytes(_ count: Int, seed: UInt64) -> [UInt8] {
    var generator = SplitMix64(seed: seed)
    let words = (0..<64).map { _ in
        (0..<Int.random(in: 2...20, using: &generator)).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 32)
    while bytes.count < count {
        let draw = generator.next()
        bytes += words[Int(draw & 63)]
        if draw >> 60 == 0 { bytes.append(UInt8(truncatingIfNeeded: draw >> 8)) }
    }
    return Array(bytes.prefix(count))
}

/// Writes a raw disk: pieces of data at offsets, holes elsewhere.
func writeDisk(_ path: FilePath, size: UInt64, _ pieces: [(offset: UInt64, bytes: [UInt8])]) throws {
    try writeAtomically(to: path) { file in
        try file.truncate(to: size)
        for piece in pieces { try file.write(at: piece.offset, piece.bytes) }
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
