import XZ
import Digests
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite struct BlockCacheTests {
    let folder: TemporaryFolder
    let raw: FilePath
    let packed: FilePath
    let cache: BlockCache
    let settings: XZSettings

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-pack")
        raw = folder.path.appending("disk.img")
        packed = folder.path.appending("disk.img.xz")
        cache = try BlockCache(folder: folder.path.appending("blocks"))
        settings = try XZSettings(preset: 1, blockSize: 64 << 10)
        try writeDisk(raw, size: 1 << 20, [(0, compressibleBytes(640 << 10, seed: 1))])
    }

    private func pack(_ cache: BlockCache?) async throws -> XZSummary {
        try await XZWriter(settings: settings, workers: 2, cache: cache).write(FileSource(raw), to: packed)
    }

    private func cacheFiles() -> [FilePath] {
        fileNames(in: cache.folder).filter { $0.hasSuffix(".xzblock") }.map { cache.folder.appending($0) }
    }

    @Test func changedByteCompressesOneBlockAgain() async throws {
        let first = try await pack(cache)
        #expect(first.counts == [10, 0, 6])
        try OpenFile.updating(raw).write(at: 200_000, [0xaa, 0xbb])
        let second = try await pack(cache)
        #expect(second.counts == [1, 9, 6])
        #expect(try await pack(nil).digest == second.digest)
        try await Judge.unpacksTo(raw, packed)
    }

    @Test func otherSettingsDoNotShareBlocks() async throws {
        _ = try await pack(cache)
        let other = try XZSettings(preset: 2, blockSize: 64 << 10)
        let summary = try await XZWriter(settings: other, workers: 2, cache: cache).write(FileSource(raw), to: packed)
        #expect(summary.reusedBlocks == 0)
    }

    @Test func damagedBlockIsDroppedAndMadeAgain() async throws {
        let first = try await pack(cache)
        let files = cacheFiles()
        // Ten of data, and the block of zeros.
        #expect(files.count == 11)
        var generator = SplitMix64(seed: 5)
        for path in files {
            let file = try OpenFile.updating(path)
            let size = try file.size()
            switch generator.next() % 3 {
            case 0: try file.truncate(to: UInt64.random(in: 0..<size, using: &generator))
            case 1: try file.write(at: size, [0])
            default:
                let position = UInt64.random(in: 0..<size, using: &generator)
                try file.write(at: position, [try file.bytes(at: position, count: 1)[0] ^ 0x10])
            }
        }
        let second = try await pack(cache)
        #expect(second.newBlocks == 10)
        #expect(second.digest == first.digest)
        #expect(try await pack(cache).reusedBlocks == 10)
    }
}
