import Diagnostics
import Digests
import Storage
import Synchronization
import SystemPackage

/// What a written .xz file holds.
package struct XZSummary: Sendable, Hashable {
    /// Bytes of the .xz file.
    package var size: UInt64
    /// SHA-256 of the .xz file.
    package var digest: SHA256Digest
    /// Bytes that it unpacks to.
    package var uncompressedSize: UInt64
    /// SHA-256 of what it unpacks to.
    package var uncompressedDigest: SHA256Digest
    /// Blocks compressed in this run.
    package var newBlocks: Int
    /// Blocks taken from the cache.
    package var reusedBlocks: Int
    /// Blocks of zeros.
    package var zeroBlocks: Int
}

/// Packs a byte source into one .xz stream of blocks that are compressed independently of each other (xz file format 1.2.0).
///
/// The same bytes and settings give the same file, whatever the number of workers and whatever the cache holds.
package struct XZWriter: Sendable {
    /// The same for every block of the file.
    package let settings: XZSettings
    /// How many blocks are compressed at once.
    package let workers: Int
    /// Where blocks are looked for and kept; nil compresses every one.
    package let cache: BlockCache?

    /// - Parameters:
    ///   - workers: how many blocks to compress at once; cut to what fits into 400 MiB of encoder memory, and never below one.
    ///   - cache: where compressed blocks are looked for and kept; none compresses every block.
    package init(settings: XZSettings, workers: Int, cache: BlockCache? = nil) {
        self.settings = settings
        self.workers = settings.workers(wanted: workers)
        self.cache = cache
    }

    /// Writes the file whole or not at all.
    ///
    /// - Parameters:
    ///   - step: the name under which progress is reported, in bytes of the source.
    ///   - prove: called with the range of a block, in bytes of the source, that no cache has: what is proven here is compressed and kept.
    ///   - finish: called before the file gets its name.
    /// - Throws: `Failure` when the source cannot be read or the file not be written; what `prove` and `finish` throw;
    ///   `CancellationError`.
    package func write(
        _ source: any ByteSource, to path: FilePath, progress: any ProgressReporter = SilentProgress(),
        step: String = "pack", prove: @escaping BlockProof = { _ in }, finish: () throws -> Void = {}
    ) async throws -> XZSummary {
        try await writeAtomically(to: path) { file in
            let summary = try await write(source, into: file, progress: progress, step: step, prove: prove)
            try finish()
            return summary
        }
    }

    /// Refuses a block whose bytes are not those that they should be.
    package typealias BlockProof = @Sendable (_ range: Range<UInt64>) throws -> Void

    /// As ``write(_:to:progress:step:prove:finish:)``, into an open, empty file.
    package func write(
        _ source: any ByteSource, into file: OpenFile, progress: any ProgressReporter = SilentProgress(),
        step: String = "pack", prove: @escaping BlockProof = { _ in }
    ) async throws -> XZSummary {
        let encoders = Pool((0..<workers).map { _ in BlockEncoder(settings) })
        let reader = BlockReader(source, blockSize: settings.blockSize)
        let stream = try StreamAssembler(file)
        let progress = PackProgress(reporter: progress, step: step, total: source.size)
        var counts = (new: 0, reused: 0, zero: 0)

        try await withThrowingTaskGroup(of: NumberedBlock.self) { group in
            // Blocks come back in any order and are written in the source's. Twice as many as there are workers are on
            // their way, so that a slow block does not leave the other workers idle.
            var ready: [Int: NumberedBlock] = [:]
            var submitted = 0
            var running = 0
            var written = 0
            var zeroBlocks: [Int: EncodedBlock] = [:]

            func writeReady() throws {
                while let next = ready.removeValue(forKey: written) {
                    try stream.append(next.block)
                    written += 1
                    switch next.origin {
                    case .new: counts.new += 1
                    case .cache: counts.reused += 1
                    case .zeros: counts.zero += 1
                    }
                    if next.origin != .zeros { running -= 1 }
                    progress.advance(next.block.uncompressedSize)
                }
            }
            func takeOne() async throws {
                guard let finished = try await group.next() else { return }
                ready[finished.number] = finished
                try writeReady()
            }

            while let block = try await reader.next() {
                try Task.checkCancellation()
                let number = submitted
                submitted += 1
                switch block {
                case .zeros(let count):
                    let known = zeroBlocks[count]
                    let encoded =
                        if let known { known } else {
                            try await encoders.withMember { try await $0.encode([UInt8](repeating: 0, count: count)) }
                        }
                    zeroBlocks[count] = encoded
                    ready[number] = NumberedBlock(number: number, block: encoded, origin: .zeros)
                    try writeReady()
                case .data(let data):
                    while running >= 2 * workers { try await takeOne() }
                    running += 1
                    group.addTask { try await pack(data, number: number, encoders, prove) }
                }
            }
            while written < submitted { try await takeOne() }
        }

        let digest = try stream.finish()
        return XZSummary(
            size: stream.size, digest: digest, uncompressedSize: source.size,
            uncompressedDigest: await reader.finalize(),
            newBlocks: counts.new, reusedBlocks: counts.reused, zeroBlocks: counts.zero)
    }

    private func pack(
        _ data: [UInt8], number: Int, _ encoders: Pool<BlockEncoder>, _ prove: @escaping BlockProof
    ) async throws -> NumberedBlock {
        let start = UInt64(number) * UInt64(settings.blockSize)
        let range = start..<start + UInt64(data.count)
        return try await encoders.withMember { encoder in
            guard let cache else {
                try prove(range)
                return NumberedBlock(number: number, block: try await encoder.encode(data), origin: .new)
            }
            let (block, isNew) = try await encoder.encode(data, cache: cache, settings) { try prove(range) }
            return NumberedBlock(number: number, block: block, origin: isNew ? .new : .cache)
        }
    }
}

private struct NumberedBlock: Sendable {
    enum Origin { case new, cache, zeros }
    var number: Int
    var block: EncodedBlock
    var origin: Origin
}

extension BlockEncoder {
    /// The block from the cache, or else compressed and put there, once `prove` has nothing against it.
    func encode(
        _ data: [UInt8], cache: BlockCache, _ settings: XZSettings, prove: @Sendable () throws -> Void
    ) throws -> (EncodedBlock, isNew: Bool) {
        try cache.block(of: data, settings) {
            try prove()
            return try encode(data)
        }
    }
}

/// Counts bytes and reports them at every percent.
final class PackProgress: Sendable {
    private let reporter: any ProgressReporter
    private let step: String
    private let total: UInt64
    /// Bytes done, and of these the bytes that were reported.
    private let state = Mutex((completed: UInt64(0), reported: UInt64(0)))

    init(reporter: any ProgressReporter, step: String, total: UInt64) {
        self.reporter = reporter
        self.step = step
        self.total = total
    }

    func advance(_ bytes: UInt64) {
        state.withLock { state in
            state.completed += bytes
            guard state.completed == total || state.completed - state.reported >= max(1, total / 100) else { return }
            state.reported = state.completed
            reporter.report(
                .advanced(step: step, completed: state.completed, total: total, unit: .bytes, detail: ""))
        }
    }
}
