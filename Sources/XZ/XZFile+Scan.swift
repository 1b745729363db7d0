import Diagnostics
import Digests
import Storage
import SystemPackage

/// What one look at the whole of an .xz file found.
package struct XZScan: Sendable {
    /// SHA-256 of what it unpacks to; nil when a block is damaged.
    package var digest: SHA256Digest?
    /// The damaged blocks, in the file's order.
    package var damage: [XZDamage]
}

extension XZFile {
    /// What the blocks that are unpacked but not yet hashed may take together, in bytes.
    private static let scanBudget: UInt64 = 256 << 20
    /// Larger blocks are unpacked piece by piece.
    private static let largestWholeBlock: UInt64 = 32 << 20

    /// Unpacks and checks every block, several at once, and hashes what they unpack to, in one pass. A damaged block ends
    /// nothing: it is told, and located.
    ///
    /// - Parameters:
    ///   - sink: gets what the blocks unpack to, each byte once, from several threads; of a damaged block what its
    ///     decoder makes of it, which counts for nothing from the damage on.
    ///   - workers: how many blocks are unpacked at once.
    ///   - step: the name under which progress is reported, in unpacked bytes.
    /// - Throws: `Failure` when the file cannot be read; what `sink` throws; `CancellationError`.
    package func scan(
        into sink: (any ByteSink)? = nil, workers: Int, progress: any ProgressReporter = SilentProgress(),
        step: String = "verify"
    ) async throws -> XZScan {
        let progress = PackProgress(reporter: progress, step: step, total: uncompressedSize)
        let largest = blocks.lazy.map(\.uncompressedSize).max() ?? 0
        guard largest <= Self.largestWholeBlock else { return try await scanPieces(sink, progress) }

        let workers = max(1, workers)
        let window = max(workers, min(2 * workers, Int(Self.scanBudget / max(1, largest))))
        let pool = Pool((0..<workers).map { _ in ScanningThread(self) })
        let hasher = ScanHasher()
        var scan = XZScan(digest: nil, damage: [])
        try await withThrowingTaskGroup(of: (Int, ScannedBlock).self) { group in
            var ready: [Int: ScannedBlock] = [:]
            var next = 0
            var started = 0
            while next < blocks.count {
                while started < blocks.count, started - next < window {
                    let block = blocks[started]
                    group.addTask { (block.number, try await pool.withMember { try await $0.scan(block, sink) }) }
                    started += 1
                }
                guard let (number, found) = try await group.next() else { break }
                ready[number] = found
                while let found = ready.removeValue(forKey: next) {
                    switch found {
                    case .whole(let bytes): if scan.damage.isEmpty { await hasher.add(bytes) }
                    case .damaged(let damage): scan.damage.append(damage)
                    }
                    progress.advance(blocks[next].uncompressedSize)
                    next += 1
                }
            }
        }
        if scan.damage.isEmpty { scan.digest = await hasher.finalize() }
        return scan
    }

    private func scanPieces(_ sink: (any ByteSink)?, _ progress: PackProgress) async throws -> XZScan {
        let thread = ScanningThread(self)
        var scan = XZScan(digest: nil, damage: [])
        for block in blocks {
            if let damage = try await thread.scanPieces(of: block, sink, progress) { scan.damage.append(damage) }
        }
        if scan.damage.isEmpty { scan.digest = await thread.digest() }
        return scan
    }
}

private enum ScannedBlock: Sendable {
    case whole([UInt8])
    case damaged(XZDamage)
}

/// A block decoder on a thread of its own, for which damage is a result.
private actor ScanningThread {
    private let executor = WorkThread("piforge.xz.decoder")
    private let file: XZFile
    private let decoder: BlockDecoder
    /// Of the pieces.
    private let pieces = PieceHasher()

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ file: XZFile) {
        self.file = file
        decoder = BlockDecoder(file)
    }

    func scan(_ block: XZBlock, _ sink: (any ByteSink)?) throws -> ScannedBlock {
        let bytes: [UInt8]
        do { bytes = try decoder.bytes(of: block) } catch let failure as Failure {
            return .damaged(try BlockDamage.locate(block, in: file, failure, sink))
        }
        if let sink { try bytes.withUnsafeBytes { try sink.write(at: block.uncompressedOffset, $0) } }
        return .whole(bytes)
    }

    /// As ``scan(_:_:)``, for a block that is too large for memory; its pieces are hashed while the next are unpacked.
    func scanPieces(of block: XZBlock, _ sink: (any ByteSink)?, _ progress: PackProgress) throws -> XZDamage? {
        let writer = WriteBehind(HashingSink(sink, pieces), progress)
        do {
            try decoder.decode(block, through: writer)
            try writer.finish()
            return nil
        } catch let error as SinkError {
            throw error.reason
        } catch let failure as Failure {
            writer.stop()
            return try BlockDamage.locate(block, in: file, failure, sink)
        }
    }

    /// Of all pieces so far.
    func digest() -> SHA256Digest { pieces.finalize() }
}

/// Tells what a sink throws from what a decoder throws.
private struct SinkError: Error { var reason: any Error }

/// Hashes pieces. One thread at a time has it: a writer's, or the decoder's once that writer has finished.
private final class PieceHasher: @unchecked Sendable {
    private let hasher = SHA256Hasher()

    func update(_ bytes: UnsafeRawBufferPointer) { hasher.update(bytes) }
    func finalize() -> SHA256Digest { hasher.finalize() }
}

/// Hashes what goes on to a sink.
private struct HashingSink: ByteSink {
    private let sink: (any ByteSink)?
    private let hasher: PieceHasher

    init(_ sink: (any ByteSink)?, _ hasher: PieceHasher) {
        self.sink = sink
        self.hasher = hasher
    }

    func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws {
        hasher.update(bytes)
        do { try sink?.write(at: offset, bytes) } catch { throw SinkError(reason: error) }
    }
}

/// Hashes blocks in order, on a thread of its own.
private actor ScanHasher {
    private let executor = WorkThread("piforge.xz.hasher")
    private let hasher = SHA256Hasher()

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    func add(_ bytes: [UInt8]) { hasher.update(bytes) }
    func finalize() -> SHA256Digest { hasher.finalize() }
}
