import XZ
import Diagnostics
import Digests
import Storage
import SystemPackage
import TestSupport
import Testing

/// xz's filter for ARM64 programs.
@Suite struct FilterTests {
    let folder: TemporaryFolder
    let raw: FilePath
    let packed: FilePath
    static let block = 64 << 10

    /// Code that calls one function from many places: `bl`, each with another distance.
    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-filter")
        raw = folder.path.appending("disk.img")
        packed = folder.path.appending("disk.img.xz")
        var code: [UInt8] = []
        for place in 0..<3 * Self.block / 16 {
            let distance = UInt32(bitPattern: Int32(0x10_0000 - 4 * place)) & 0x03ff_ffff
            for word in [0xd503_201f, 0x9400_0000 | distance, 0xaa00_03e0, 0xd65f_03c0] as [UInt32] {
                code += withUnsafeBytes(of: word.littleEndian) { Array($0) }
            }
        }
        try writeDisk(raw, size: UInt64(5 * Self.block), [(0, code)])
    }

    @Test func xzUnpacksItAndItIsSmaller() async throws {
        var sizes: [UInt64] = []
        for filter in XZSettings.Filter.allCases {
            let settings = try XZSettings(preset: 4, blockSize: Self.block, filter: filter)
            sizes.append(try await XZWriter(settings: settings, workers: 2).write(FileSource(raw), to: packed).size)
            try await Judge.unpacksTo(raw, packed)
            let wanted = filter == .none ? "--lzma2=dict=64KiB" : "--arm64 --lzma2=dict=64KiB"
            #expect(try await Judge.list(packed, "block").allSatisfy { $0.last == wanted })
        }
        #expect(sizes[1] < sizes[0] / 2, "\(sizes)")
    }

    @Test func ourReaderUnpacksItAndNamesADamagedBlock() async throws {
        let settings = try XZSettings(preset: 4, blockSize: Self.block, filter: .arm64)
        _ = try await XZWriter(settings: settings, workers: 2).write(FileSource(raw), to: packed)
        let file = try XZFile(packed)
        let back = folder.path.appending("back")
        try await file.unpack(to: back, limit: file.uncompressedSize, workers: 2)
        #expect(try readFile(back) == readFile(raw))

        var bytes = try readFile(packed)
        bytes[Int(file.blocks[1].offset) + 40] ^= 1
        let damaged = folder.path.appending("damaged.img.xz")
        try writeAtomically(to: damaged, bytes: bytes)
        let broken = try XZFile(damaged)
        let failure = await failure {
            try await broken.unpack(to: back, limit: broken.uncompressedSize, workers: 2)
        }
        #expect(failure?.message == "block 2 of 5 is damaged")
    }

    /// A block that was made without the filter must never stand for one with it.
    @Test func theCacheTellsFiltersApart() async throws {
        let cache = try BlockCache(folder: folder.path.appending("blocks"))
        var files: [[UInt8]] = []
        for filter in [XZSettings.Filter.none, .arm64, .none, .arm64] {
            let settings = try XZSettings(preset: 4, blockSize: Self.block, filter: filter)
            let summary = try await XZWriter(settings: settings, workers: 2, cache: cache)
                .write(FileSource(raw), to: packed)
            #expect(summary.newBlocks == (files.count < 2 ? 3 : 0))
            files.append(try readFile(packed))
        }
        #expect(files[0] == files[2] && files[1] == files[3] && files[0] != files[1])
    }

    @Test func blocksThatTakeTooMuchMemoryAreRefused() {
        let failure = failure {
            try XZSettings(preset: 4, blockSize: 64 << 20, filter: .arm64)
        }
        #expect(failure?.message == "preset 4 with blocks of 64 MiB takes too much memory")
        #expect(failure?.next == "choose smaller blocks or a lower preset")
    }
}
