import XZ
import Diagnostics
import Digests
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

@Suite struct XZWriterTests {
    let folder: TemporaryFolder
    let raw: FilePath
    let packed: FilePath
    let settings: XZSettings
    static let block: UInt64 = 64 << 10

    /// A disk of 20 blocks and a bit: data, a hole, a block of written zeros, data that ends in the middle of a block.
    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-pack")
        raw = folder.path.appending("disk.img")
        packed = folder.path.appending("disk.img.xz")
        settings = try XZSettings(preset: 1, blockSize: Int(Self.block))
        try writeDisk(
            raw, size: 20 * Self.block + 1000,
            [
                (0, compressibleBytes(5 * Int(Self.block) + 777, seed: 1)),
                (8 * Self.block, [UInt8](repeating: 0, count: 2 * Int(Self.block))),
                (12 * Self.block + 4096, compressibleBytes(100_000, seed: 2)),
                (20 * Self.block + 990, [1]),
            ])
    }

    @Test func xzUnpacksToTheSameBytes() async throws {
        let summary = try await XZWriter(settings: settings, workers: 2).write(FileSource(raw), to: packed)
        try await Judge.unpacksTo(raw, packed)
        let bytes = try readFile(packed)
        #expect(summary.size == UInt64(bytes.count))
        #expect(summary.digest == SHA256Digest.of(bytes))
        #expect(summary.uncompressedSize == 20 * Self.block + 1000)
        #expect(summary.uncompressedDigest == SHA256Digest.of(try readFile(raw)))
        #expect(summary.counts == [9, 0, 12])
    }

    @Test func xzListsBlocksOfTheFixedSizeWithBothSizesInTheHeaderAndCRC64() async throws {
        _ = try await XZWriter(settings: settings, workers: 2).write(FileSource(raw), to: packed)
        let streams = try await Judge.list(packed, "stream")
        #expect(streams.count == 1)
        let blocks = try await Judge.list(packed, "block")
        #expect(blocks.count == 21)
        // block, stream, number in stream, number, start, uncompressed start, total, uncompressed, ratio, check, value, header, flags…
        #expect(blocks.map { $0[7] } == Array(repeating: "65536", count: 20) + ["1000"])
        #expect(blocks.allSatisfy { $0[9] == "CRC64" })
        #expect(blocks.allSatisfy { $0[12] == "cu" })
    }

    @Test func anyNumberOfWorkersGivesTheSameFile() async throws {
        var files: Set<[UInt8]> = []
        for workers in [1, 2, 5] {
            _ = try await XZWriter(settings: settings, workers: workers).write(FileSource(raw), to: packed)
            files.insert(try readFile(packed))
        }
        #expect(files.count == 1)
    }

    @Test func xzWithTheSameSettingsIsNotSmaller() async throws {
        let summary = try await XZWriter(settings: settings, workers: 2).write(FileSource(raw), to: packed)
        let script = "xz -1 -T1 --block-size=65536 -c \"$1\" | wc -c"
        let result = try await ToolRunner().run(Judge.bash, ["-c", script, "judge", raw.string], place: raw.string)
        let other = Double(result.text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
        #expect(Double(summary.size) <= other * 1.02)
    }

    @Test func emptySourceGivesAnEmptyStream() async throws {
        try writeDisk(
            raw.appending("x").removingLastComponent().removingLastComponent().appending("empty"), size: 0, [])
        let empty = folder.path.appending("empty")
        let summary = try await XZWriter(settings: settings, workers: 2).write(FileSource(empty), to: packed)
        try await Judge.unpacksTo(empty, packed)
        #expect(summary.uncompressedDigest == SHA256Digest.of(""))
    }

    @Test func holesAreNotReadAndCostAlmostNothing() async throws {
        let size: UInt64 = 256 << 20
        try writeDisk(folder.path.appending("sparse"), size: size, [(100 << 20, [1, 2, 3])])
        let source = CountingSource(try FileSource(folder.path.appending("sparse")))
        let settings = try XZSettings(preset: 6, blockSize: 4 << 20)
        let summary = try await XZWriter(settings: settings, workers: 2).write(source, to: packed)
        #expect(source.bytesRead.load(ordering: .relaxed) <= 1 << 20)
        #expect(summary.counts == [1, 0, 63])
        #expect(summary.size < 100_000)
        try await Judge.unpacksTo(folder.path.appending("sparse"), packed)
    }

    @Test func progressEndsAtTheWholeSize() async throws {
        let progress = Recording()
        _ = try await XZWriter(settings: settings, workers: 2)
            .write(FileSource(raw), to: packed, progress: progress, step: "pack disk.img")
        let total = 20 * Self.block + 1000
        #expect(
            progress.all.last
                == .advanced(step: "pack disk.img", completed: total, total: total, unit: .bytes, detail: ""))
    }

    @Test func fullDiskIsNamed() async throws {
        let failure = await failure {
            let full = try OpenFile.updating("/dev/full")
            return try await XZWriter(settings: settings, workers: 2).write(FileSource(raw), into: full)
        }
        #expect(
            failure?.description == """
                /dev/full: could not write the file: no space left on device
                  next:     free space on that file system, or choose another folder with -o and --cache
                """)
    }

    @Test func cancelledWriterLeavesNothing() async throws {
        let settings = try XZSettings(preset: 6, blockSize: 1 << 20)
        try writeDisk(
            folder.path.appending("big"), size: 16 << 20, [(0, compressibleBytes(8 << 20, seed: 3))])
        let source = try FileSource(folder.path.appending("big"))
        let progress = Recording()
        let task = Task {
            try await XZWriter(settings: settings, workers: 2)
                .write(source, to: packed, progress: progress)
        }
        for await _ in progress.stream { break }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path.string).sorted()
        #expect(left == ["big", "disk.img"])
    }

    @Test(
        arguments: [
            (10, 1 << 20, "there is no such preset", "10"), (-1, 1 << 20, "there is no such preset", "-1"),
            (6, 5000, "the block size is out of range", "5000"),
            (6, 128 << 20, "the block size is out of range", "134217728"),
            (9, 64 << 20, "preset 9 with blocks of 64 MiB takes too much memory", "865 MiB"),
        ] as [(Int, Int, String, String)])
    func settingsOutOfRangeAreRefused(preset: Int, blockSize: Int, message: String, found: String) {
        let failure = failure { try XZSettings(preset: preset, blockSize: blockSize) }
        #expect(failure?.exitCode == 2)
        #expect(failure?.message == message)
        #expect(failure?.found == found)
    }

    @Test func manyWorkersStayWithinTheMemory() throws {
        #expect(try XZSettings(preset: 6, blockSize: 8 << 20).workers(wanted: 64) == 3)
        #expect(try XZSettings(preset: 6, blockSize: 1 << 20).workers(wanted: 2) == 2)
        #expect(try XZSettings(preset: 6, blockSize: 1 << 20).workers(wanted: 0) == 1)
    }
}
