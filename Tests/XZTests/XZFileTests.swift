import XZ
import Diagnostics
import Digests
import Foundation
import Storage
import Synchronization
import SystemPackage
import TestSupport
import Testing
import Tools

/// A disk of 9 blocks packed by piforge and by xz in other ways.
@Suite struct XZFileTests {
    let folder: TemporaryFolder
    let raw: FilePath
    let out: FilePath
    static let block: UInt64 = 64 << 10

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-pack")
        raw = folder.path.appending("disk.img")
        out = folder.path.appending("out.img")
        try writeDisk(
            raw, size: 8 * Self.block + 100,
            [
                (0, compressibleBytes(3 * Int(Self.block), seed: 1)),
                (6 * Self.block, compressibleBytes(50_000, seed: 2)),
            ])
    }

    private func shell(_ script: String, to name: String) async throws -> FilePath {
        let path = folder.path.appending(name)
        try await ToolRunner().run(
            Judge.bash, ["-c", "set -eo pipefail; \(script) > \"$2\"", "judge", raw.string, path.string], place: name)
        return path
    }

    private func pack() async throws -> FilePath {
        let path = folder.path.appending("disk.img.xz")
        let settings = try XZSettings(preset: 1, blockSize: Int(Self.block))
        _ = try await XZWriter(settings: settings, workers: 2).write(FileSource(raw), to: path)
        return path
    }

    private func expectSameAsRaw(_ path: FilePath, blocks: Int, streams: Int) async throws {
        let file = try XZFile(path)
        #expect(file.blocks.count == blocks)
        #expect(file.streams == streams)
        try await file.unpack(to: out, limit: file.uncompressedSize, workers: 2)
        let same = try await ToolRunner().result(Judge.cmp, [raw.string, out.string])
        #expect(same.status == 0)
        #expect(try await file.digest(workers: 2) == SHA256Digest.of(try readFile(raw)))
        let source = XZSource(file)
        let whole = try readFile(raw)
        for (offset, count) in [(0, 10), (65_530, 20), (100_000, 300_000), (whole.count - 7, 7), (0, whole.count)] {
            var bytes = [UInt8](repeating: 0xff, count: count)
            try bytes.withUnsafeMutableBytes { try source.read(at: UInt64(offset), into: $0) }
            #expect(bytes == Array(whole[offset..<(offset + count)]))
        }
    }

    @Test func fileOfOurBlocksUnpacks() async throws {
        try await expectSameAsRaw(try await pack(), blocks: 9, streams: 1)
    }

    @Test func fileOfOneBlockWithoutSizesUnpacks() async throws {
        try await expectSameAsRaw(try await shell("xz -T1 -6 -c \"$1\"", to: "single.xz"), blocks: 1, streams: 1)
    }

    @Test func streamsWithPaddingBetweenThemUnpackAsOne() async throws {
        let script =
            "(head -c 100000 \"$1\" | xz -T2 --block-size=65536 -0 --check=sha256; head -c 8 /dev/zero; "
            + "tail -c +100001 \"$1\" | xz -1 --check=crc32; head -c 400 /dev/zero)"
        try await expectSameAsRaw(try await shell(script, to: "streams.xz"), blocks: 3, streams: 2)
    }

    @Test func branchFilterUnpacks() async throws {
        try await expectSameAsRaw(
            try await shell("xz --armthumb --lzma2=preset=2 -c \"$1\"", to: "bcj.xz"), blocks: 1, streams: 1)
    }

    @Test func zerosUnpackToHolesAndAreKnownAsSuch() async throws {
        try writeDisk(folder.path.appending("sparse"), size: 64 << 20, [(5 << 20, [1]), (40 << 20, [2])])
        let packed = folder.path.appending("sparse.xz")
        let settings = try XZSettings(preset: 0, blockSize: 1 << 20)
        _ = try await XZWriter(settings: settings, workers: 2).write(
            FileSource(folder.path.appending("sparse")), to: packed)
        let file = try XZFile(packed)
        try await file.unpack(to: out, limit: 64 << 20, workers: 2)
        #expect(
            try await ToolRunner().run(Judge.bash, ["-c", "du -k \"$1\" | cut -f1", "x", out.string], place: "du").text
                == "128\n")
        let source = XZSource(file)
        #expect(try source.nextData(from: 0) == Range(uncheckedBounds: (5 << 20, 6 << 20)))
        #expect(try source.nextData(from: 6 << 20) == Range(uncheckedBounds: (40 << 20, 41 << 20)))
        #expect(try source.nextData(from: 41 << 20) == nil)
        #expect(try source.nextData(from: 64 << 20) == nil)
    }

    @Test(arguments: ["xz -T1 -1", "xz -T2 -1 --block-size=65536"])
    func aSinkGetsEveryByteOnce(pack: String) async throws {
        let file = try XZFile(try await shell("\(pack) -c \"$1\"", to: "sink.xz"))
        let whole = try readFile(raw)
        let sink = GatheringSink(count: whole.count)
        let progress = Recording()
        try await file.unpack(into: sink, workers: 2, progress: progress, step: "step")
        #expect(sink.bytes == whole)
        #expect(sink.writes.allSatisfy { $0 == 1 })
        let last = ProgressEvent.advanced(
            step: "step", completed: UInt64(whole.count), total: UInt64(whole.count), unit: .bytes, detail: "")
        #expect(progress.all.last == last)
        for count in [0, 1, 512, 70_000, whole.count, whole.count + 5] {
            #expect(try file.unpackStart(count) == Array(whole.prefix(count)))
        }
    }

    @Test(arguments: ["xz -T1 -1", "xz -T2 -1 --block-size=65536"])
    func aSinksErrorEndsTheUnpacking(pack: String) async throws {
        let file = try XZFile(try await shell("\(pack) -c \"$1\"", to: "sink.xz"))
        await #expect(throws: Failure(at: "sink", "full")) { try await file.unpack(into: FullSink(), workers: 2) }
    }

    @Test func moreThanIsAllowedIsNotUnpacked() async throws {
        let file = try XZFile(try await pack())
        let failure = await failure { try await file.unpack(to: out, limit: 1000, workers: 2) }
        #expect(
            failure?.description == """
                \(file.path): the file unpacks to more than is allowed
                  expected: at most 1000 bytes
                  found:    524388
                """)
        #expect(!exists(out))
    }

    @Test func everyFlippedBitIsFound() async throws {
        let packed = try await pack()
        let bytes = try readFile(packed)
        let file = try OpenFile.updating(packed)
        var generator = SplitMix64(seed: 7)
        let ends = Array(0..<80) + Array((bytes.count - 120)..<bytes.count)
        for position in ends + (0..<400).map({ _ in Int.random(in: 0..<bytes.count, using: &generator) }) {
            let flipped = bytes[position] ^ (1 << UInt8.random(in: 0...7, using: &generator))
            try file.write(at: UInt64(position), [flipped])
            let failure = await failure { try await XZFile(packed).digest(workers: 2) }
            #expect(failure?.place == packed.string, "byte \(position): \(failure?.description ?? "")")
            try file.write(at: UInt64(position), [bytes[position]])
        }
        #expect(try await XZFile(packed).digest(workers: 2) == SHA256Digest.of(try readFile(raw)))
    }

    @Test func everyTruncationIsFound() async throws {
        let packed = try await pack()
        let bytes = try readFile(packed)
        let cut = folder.path.appending("cut.xz")
        for length in [6, 11, 12, 13, 40, 10_000, bytes.count - 40, bytes.count - 12, bytes.count - 4, bytes.count - 1]
        {
            try writeAtomically(to: cut, bytes: Array(bytes.prefix(length)))
            let failure = failure { try XZFile(cut) }
            #expect(failure?.message == "the .xz file is truncated")
            #expect(failure?.found == "the end of the file after \(length) bytes")
        }
    }

    @Test(arguments: [([0, 0, 0], 3), ([1], 1), ([0, 0, 0, 0, 9], 5), (Array("more".utf8), 4)] as [([UInt8], Int)])
    func trailingGarbageIsFound(tail: [UInt8], count: Int) async throws {
        let bytes = try readFile(try await pack())
        let long = folder.path.appending("long.xz")
        try writeAtomically(to: long, bytes: bytes + tail)
        #expect(
            failure { try XZFile(long) }?.description == """
                \(long): the .xz file has trailing garbage
                  expected: its end after \(bytes.count) bytes
                  found:    \(count) more bytes
                """)
    }

    @Test func damagedBlockIsNamedWithItsPlaces() async throws {
        let packed = try await pack()
        let block = try XZFile(packed).blocks[2]
        try OpenFile.updating(packed).write(at: block.offset + block.unpaddedSize - 3, [0xff, 0xff])
        let file = try XZFile(packed)
        let failure = await failure { try await file.unpack(to: out, limit: 1 << 20, workers: 2) }
        #expect(
            failure?.description == """
                \(packed): block 3 of 9 is damaged
                  expected: a block whose check fits, at byte \(block.offset) of the file
                  found:    damaged data, 131072 bytes into the unpacked file
                  next:     fetch or write the file again
                """)
        #expect(!exists(out))
    }

    @Test func damagedIndexIsNamed() async throws {
        let packed = try await pack()
        let size = try readFile(packed).count
        try OpenFile.updating(packed).write(at: UInt64(size - 14), [0x55])
        #expect(failure { try XZFile(packed) }?.message == "the index is damaged")
    }

    @Test(arguments: [
        ("", "found:    an empty file"), ("PK\u{3}\u{4}and more of it", "found:    50 4b 03 04 61 6e"),
    ])
    func otherFilesAreRefused(content: String, found: String) throws {
        let path = folder.path.appending("other")
        try writeAtomically(to: path, bytes: Array(content.utf8))
        #expect(
            failure { try XZFile(path) }?.description
                == "\(path): this is not an .xz file\n  expected: fd 37 7a 58 5a 00 at its start\n  \(found)")
    }

    @Test func unknownCheckIsRefused() async throws {
        // Check 5 in header and footer, with the CRC32 of their flags put right (section 2.1.1).
        var bytes = try readFile(try await shell("xz -1 --check=crc64 -c \"$1\"", to: "check.xz"))
        bytes[7] = 5
        bytes.replaceSubrange(8..<12, with: crc32(bytes[6..<8]))
        let footer = bytes.count - 12
        bytes[footer + 9] = 5
        bytes.replaceSubrange(footer..<(footer + 4), with: crc32(bytes[(footer + 4)..<(footer + 10)]))
        let path = folder.path.appending("check.xz")
        try writeAtomically(to: path, bytes: bytes)
        let failure = failure { try XZFile(path) }
        #expect(failure?.message == "the .xz file has a check that liblzma \(liblzmaVersion()) does not support")
        #expect(failure?.found == "check 5")
    }

    @Test func hugeDictionaryIsRefused() async throws {
        let path = try await shell("xz --lzma2=preset=0,dict=256MiB -c \"$1\"", to: "dict.xz")
        let file = try XZFile(path)
        let failure = await failure { try await file.digest(workers: 2) }
        #expect(
            failure?.description == """
                \(path): block 1 of 1 needs too much memory to unpack
                  expected: at most 128 MiB
                  found:    256 MiB
                """)
    }

    @Test func blocksThatAreReadAreUnpackedOnce() async throws {
        let file = try XZFile(try await pack())
        let source = XZSource(file)
        let whole = try readFile(raw)
        for offset in [0, 10, 70_000, 5, 65_535] {
            var bytes = [UInt8](repeating: 0, count: 1)
            try bytes.withUnsafeMutableBytes { try source.read(at: UInt64(offset), into: $0) }
            #expect(bytes[0] == whole[offset])
        }
        #expect(source.work.blocks == 2)
        #expect(source.work.bytes == 131_072)
        #expect(!source.isSequential)
    }

    @Test func largeBlockIsReadInPieces() async throws {
        let packed = try await shell("(head -c 40000000 /dev/zero; cat \"$1\") | xz -T1 -0", to: "large.xz")
        let file = try XZFile(packed)
        let source = XZSource(file)
        #expect(source.isSequential)
        let whole = try readFile(raw)
        func read(_ offset: UInt64) throws -> [UInt8] {
            var bytes = [UInt8](repeating: 0xff, count: 100)
            try bytes.withUnsafeMutableBytes { try source.read(at: offset, into: $0) }
            return bytes
        }
        #expect(try read(40_000_000) == Array(whole[..<100]))
        #expect(try read(100) == [UInt8](repeating: 0, count: 100), "what was passed is at hand")
        #expect(source.work.blocks == 1)
        #expect(try read(40_000_000 + UInt64(whole.count) - 100) == Array(whole[(whole.count - 100)...]))
        #expect(source.work.blocks == 1)
        #expect(source.work.bytes == file.uncompressedSize)
    }

    @Test func blocksPackedTheSameAreKnownWithoutUnpacking() async throws {
        let one = try XZFile(try await pack())
        var bytes = try readFile(raw)
        bytes[200_000] ^= 1
        let changed = folder.path.appending("changed")
        try writeAtomically(to: changed, bytes: bytes)
        let packed = folder.path.appending("changed.xz")
        _ = try await XZWriter(settings: try XZSettings(preset: 1, blockSize: 64 << 10), workers: 2)
            .write(FileSource(changed), to: packed)
        let other = try XZFile(packed)
        #expect(other.blocks.count == one.blocks.count)
        #expect(try one.sameRanges(as: one) == [0..<one.uncompressedSize])
        #expect(try one.sameRanges(as: other) == [0..<196_608, 262_144..<one.uncompressedSize])
    }
}

/// Keeps what it gets, and counts how often each byte came.
private final class GatheringSink: ByteSink {
    private let state: Mutex<(bytes: [UInt8], writes: [UInt8])>
    var bytes: [UInt8] { state.withLock { $0.bytes } }
    var writes: [UInt8] { state.withLock { $0.writes } }

    init(count: Int) {
        state = Mutex(([UInt8](repeating: 0xff, count: count), [UInt8](repeating: 0, count: count)))
    }

    func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws {
        let bytes = Array(bytes)
        state.withLock { state in
            for (index, byte) in zip(Int(offset)..., bytes) {
                state.bytes[index] = byte
                state.writes[index] += 1
            }
        }
    }
}

/// Takes nothing.
private struct FullSink: ByteSink {
    func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws { throw Failure(at: "sink", "full") }
}

/// CRC-32 as in the .xz format (section 6), four bytes, little endian.
private func crc32(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
    var crc: UInt32 = .max
    for byte in bytes {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
    }
    return withUnsafeBytes(of: (~crc).littleEndian) { Array($0) }
}
