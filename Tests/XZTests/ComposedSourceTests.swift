import XZ
import Diagnostics
import Digests
import Storage
import Synchronization
import SystemPackage
import TestSupport
import Testing

/// A source of pieces that know their digests, and that counts what is read of it.
private final class Patchwork: ByteSource {
    static let piece = 64 << 10
    let pieces: [[UInt8]]
    /// Bytes that reading gives in a piece's place, for one that has changed under its digest.
    let lies: [Int: [UInt8]]
    let readPieces = Mutex<Set<Int>>([])

    init(_ pieces: [[UInt8]], lies: [Int: [UInt8]] = [:]) {
        self.pieces = pieces
        self.lies = lies
    }

    var size: UInt64 { UInt64(pieces.count * Self.piece) }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        for position in 0..<buffer.count {
            let (number, place) = (Int(offset) + position).quotientAndRemainder(dividingBy: Self.piece)
            if position == 0 || place == 0 { _ = readPieces.withLock { $0.insert(number) } }
            buffer[position] = (lies[number] ?? pieces[number])[place]
        }
    }

    func nextData(from offset: UInt64) throws -> Range<UInt64>? { offset < size ? offset..<size : nil }

    let isComposed = true

    func compose(_ range: Range<UInt64>, at position: UInt64, into composition: Composition) throws {
        for number in pieces.indices {
            let whole = UInt64(number * Self.piece)..<UInt64((number + 1) * Self.piece)
            let part = range.clamped(to: whole)
            guard !part.isEmpty else { continue }
            composition.add(
                content: .of(pieces[number]), from: part.lowerBound - whole.lowerBound,
                at: position + part.lowerBound - range.lowerBound, count: UInt64(part.count))
        }
    }
}

@Suite struct ComposedSourceTests {
    let folder: TemporaryFolder
    let packed: FilePath
    let cache: BlockCache
    let index: DigestIndex
    let settings: XZSettings
    private let pieces: [[UInt8]]

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-pack")
        packed = folder.path.appending("disk.img.xz")
        index = try DigestIndex(folder: folder.path.appending("digests"))
        cache = try BlockCache(folder: folder.path.appending("blocks"), index: index)
        settings = try XZSettings(preset: 1, blockSize: Patchwork.piece)
        pieces = (0..<40).map { compressibleBytes(Patchwork.piece, seed: UInt64($0 + 1)) }
    }

    private func pack(
        _ source: Patchwork, _ cache: BlockCache?, prove: @escaping XZWriter.BlockProof = { _ in }
    ) async throws -> XZSummary {
        try await XZWriter(settings: settings, workers: 2, cache: cache).write(source, to: packed, prove: prove)
    }

    /// The image is that of a writer who knows nothing.
    private func isRight(_ summary: XZSummary, _ pieces: [[UInt8]]) async throws {
        let (digest, file) = (summary.digest, try readFile(packed))
        #expect(digest == .of(file))
        #expect(summary.uncompressedDigest == .of(pieces.flatMap { $0 }))
        #expect(try await pack(Patchwork(pieces), nil).digest == digest)
        #expect(try readFile(packed) == file)
    }

    @Test func nothingIsReadOfWhatIsKnown() async throws {
        #expect(try await pack(Patchwork(pieces), cache).counts == [40, 0, 0])
        let source = Patchwork(pieces)
        let again = try await pack(source, cache)
        #expect(again.counts == [0, 40, 0])
        #expect(source.readPieces.withLock { $0.isEmpty })
        try await isRight(again, pieces)
    }

    @Test func whatFollowsAChangeIsHashedAndNotCompressed() async throws {
        _ = try await pack(Patchwork(pieces), cache)
        var changed = pieces
        changed[21] = compressibleBytes(Patchwork.piece, seed: 99)
        let source = Patchwork(changed)
        let again = try await pack(source, cache)
        #expect(again.counts == [1, 39, 0])
        // The hash is kept before every eighth block.
        #expect(source.readPieces.withLock { $0 } == Set(16..<40))
        try await isRight(again, changed)
        let third = Patchwork(changed)
        _ = try await pack(third, cache)
        #expect(third.readPieces.withLock { $0.isEmpty })
    }

    @Test func damageInTheCacheIsMended() async throws {
        _ = try await pack(Patchwork(pieces), cache)
        for name in fileNames(in: index.folder) where !name.hasPrefix(".") {
            let file = try OpenFile.updating(index.folder.appending(name))
            if name.utf8.reduce(0, { $0 &+ Int($1) }) % 3 == 0 { try file.write(at: 40, [0xff, 0xfe]) }
        }
        for (number, name) in fileNames(in: cache.folder).enumerated() where number % 4 == 0 && !name.hasPrefix(".") {
            try OpenFile.updating(cache.folder.appending(name)).write(at: 100, [0xde, 0xad])
        }
        try await isRight(try await pack(Patchwork(pieces), cache), pieces)
        let source = Patchwork(pieces)
        #expect(try await pack(source, cache).counts == [0, 40, 0])
        #expect(source.readPieces.withLock { $0.isEmpty })
    }

    /// What is hashed as a part of the whole must be what the blocks unpack to.
    @Test func bytesThatAreNotTheirDigestsAreFound() async throws {
        _ = try await pack(Patchwork(pieces), cache)
        var changed = pieces
        changed[3] = compressibleBytes(Patchwork.piece, seed: 99)
        var bad = pieces[30]
        bad[1000] ^= 1
        let before = try readFile(packed)
        let said = await refusal { try await pack(Patchwork(changed, lies: [30: bad]), cache) }
        #expect(
            said
                == "pack: what was packed has changed while it was read\n  next:     leave the files alone, and try again"
        )
        #expect(try readFile(packed) == before)
        let proven = await refusal {
            try await pack(Patchwork(changed, lies: [30: bad]), cache) { range in
                if range.contains(30 * UInt64(Patchwork.piece)) { throw Failure(at: "layer", "damaged") }
            }
        }
        #expect(proven == "layer: damaged")
        try await isRight(try await pack(Patchwork(changed), cache), changed)
    }

    @Test func aBlockIsProvenBeforeItIsKept() async throws {
        let said = await refusal {
            try await pack(Patchwork(pieces), cache) { range in
                if range.lowerBound == 7 * UInt64(Patchwork.piece) { throw Failure(at: "layer", "damaged") }
            }
        }
        #expect(said == "layer: damaged")
        let source = Patchwork(pieces)
        let composition = try #require(
            try source.composition(of: 7 * UInt64(Patchwork.piece)..<8 * UInt64(Patchwork.piece)))
        #expect(index.digest(of: composition) == nil)
        try await isRight(try await pack(source, cache), pieces)
    }
}
