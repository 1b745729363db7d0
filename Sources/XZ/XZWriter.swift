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

    /// How many blocks wait for an earlier one at most; each of them may be an open file.
    private static let mostReady = 256
    /// Up to how many blocks are packed before all that are known.
    private static let mostAhead = 32

    /// Refuses a block whose bytes are not those that they should be.
    package typealias BlockProof = @Sendable (_ range: Range<UInt64>) throws -> Void

    /// As ``write(_:to:progress:step:prove:finish:)``, into an open, empty file.
    package func write(
        _ source: any ByteSource, into file: OpenFile, progress: any ProgressReporter = SilentProgress(),
        step: String = "pack", prove: @escaping BlockProof = { _ in }
    ) async throws -> XZSummary {
        let plan = try PackPlan(source, blockSize: settings.blockSize, index: cache?.index)
        let packer = BlockPacker(
            source: source, settings: settings, cache: cache,
            encoders: Pool((0..<workers).map { _ in BlockEncoder(settings) }), prove: prove, step: step)
        let reporter = progress
        let stream = try StreamAssembler(file)
        let progress = PackProgress(reporter: progress, step: step, total: source.size)
        async let hashing = Self.hash(source, plan, reporter, step)
        var counts: [NumberedBlock.Origin: Int] = [:]
        var checks: [UInt64] = []

        try await withThrowingTaskGroup(of: NumberedBlock.self) { group in
            // Blocks come back in any order and are written in the source's. Those that no cache keeps are held in memory: with those that
            // are worked on, at most twice as many as there are workers, so that a slow block does not leave the other workers idle.
            var ready: [Int: NumberedBlock] = [:]
            var running = 0
            var held = 0
            func takeOne() async throws {
                guard let finished = try await group.next() else { return }
                running -= 1
                if finished.isHeld { held += 1 }
                ready[finished.number] = finished
                while let next = ready.removeValue(forKey: checks.count) {
                    try stream.append(next.block)
                    checks.append(next.block.check)
                    counts[next.origin, default: 0] += 1
                    if next.isHeld { held -= 1 }
                    progress.advance(next.block.uncompressedSize)
                }
            }
            for number in order(plan) {
                while running + held >= 2 * workers || ready.count >= Self.mostReady { try await takeOne() }
                running += 1
                group.addTask {
                    let from = ContinuousClock.now
                    let block = try await packer.pack(plan.blocks[number], number: number)
                    reporter.report(
                        .worked(step: step, part: "block \(number): \(block.origin.rawValue)", from: from, to: .now))
                    return block
                }
            }
            while checks.count < plan.blocks.count { try await takeOne() }
        }

        let hashed = try await hashing
        for (number, check) in hashed.checks where checks[number] != check {
            try prove(plan.blocks[number].range)
            throw Failure.changedMeanwhile(at: step)
        }
        plan.remember(hashed.states, in: cache?.index)
        // Index and footer count, too.
        let digest = try stream.finish()
        return XZSummary(
            size: stream.size, digest: digest, uncompressedSize: source.size,
            uncompressedDigest: hashed.digest, newBlocks: counts[.new] ?? 0, reusedBlocks: counts[.cache] ?? 0,
            zeroBlocks: counts[.zeros] ?? 0)
    }

    private static func hash(
        _ source: any ByteSource, _ plan: PackPlan, _ progress: any ProgressReporter, _ step: String
    ) async throws -> SourceHasher.Result {
        let from = ContinuousClock.now
        let result = try await SourceHasher().hash(source, plan)
        progress.report(
            .worked(step: step, part: "hash from block \(plan.first) of \(plan.blocks.count)", from: from, to: .now))
        return result
    }

    /// The numbers of the blocks in the order in which they are packed: the source's, but where few have to be compressed those come first.
    private func order(_ plan: PackPlan) -> [Int] {
        let numbers = Array(plan.blocks.indices)
        let unknown = numbers.filter { !plan.blocks[$0].isKnown }
        guard cache != nil, unknown.count <= Self.mostAhead else { return numbers }
        return unknown + numbers.filter { plan.blocks[$0].isKnown }
    }
}

/// Makes, or finds, one block at a time for each of its callers.
private struct BlockPacker: Sendable {
    let source: any ByteSource
    let settings: XZSettings
    let cache: BlockCache?
    let encoders: Pool<BlockEncoder>
    let prove: XZWriter.BlockProof
    /// For errors.
    let step: String
    /// Blocks of zeros by their size.
    let zeros = SharedZeros()

    func pack(_ block: PackPlan.Block, number: Int) async throws -> NumberedBlock {
        let size = block.range.count
        if block.isHole { return NumberedBlock(number: number, block: try await zeroBlock(size), origin: .zeros) }
        if let digest = block.digest, let known = cache?.block(of: digest, size: size, settings) {
            return NumberedBlock(number: number, block: .stored(known), origin: .cache)
        }
        let data = try read(block.range)
        // The hash of the whole may go on from where these bytes were others.
        if let digest = block.digest, .of(data) != digest {
            try prove(block.range)
            throw Failure.changedMeanwhile(at: step)
        }
        if data.withUnsafeBytes(isZero) {
            return NumberedBlock(number: number, block: try await zeroBlock(size), origin: .zeros)
        }
        let prove = { @Sendable [prove] in try prove(block.range) }
        return try await encoders.withMember { encoder in
            guard let cache else {
                try prove()
                return NumberedBlock(number: number, block: .encoded(try await encoder.encode(data)), origin: .new)
            }
            let (stored, isNew) = try await encoder.encode(
                data, block.composition, cache: cache, settings, prove: prove)
            return NumberedBlock(number: number, block: .stored(stored), origin: isNew ? .new : .cache)
        }
    }

    private func zeroBlock(_ size: Int) async throws -> PackedBlock {
        if let known = zeros.blocks.withLock({ $0[size] }) { return known }
        let made = try await encoders.withMember { encoder -> PackedBlock in
            // Somebody may have made it meanwhile.
            if let known = zeros.blocks.withLock({ $0[size] }) { return known }
            let data = [UInt8](repeating: 0, count: size)
            guard let cache else { return .encoded(try await encoder.encode(data)) }
            return .stored(try await encoder.encode(data, nil, cache: cache, settings) {}.0)
        }
        zeros.blocks.withLock { $0[size] = made }
        return made
    }

    private func read(_ range: Range<UInt64>) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            try source.readData(
                at: range.lowerBound, into: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: range.count)
            )
            count = range.count
        }
    }
}

extension Failure {
    fileprivate static func changedMeanwhile(at step: String) -> Failure {
        Failure(
            at: step, "what was packed has changed while it was read", next: "leave the files alone, and try again")
    }
}

private final class SharedZeros: Sendable {
    let blocks = Mutex<[Int: PackedBlock]>([:])
}

private struct NumberedBlock: Sendable {
    enum Origin: String {
        case new
        case cache = "reused"
        case zeros
    }
    var number: Int
    var block: PackedBlock
    var origin: Origin

    /// Whether its bytes are in memory, and its alone.
    var isHeld: Bool { if case .encoded = block { origin != .zeros } else { false } }
}

extension BlockEncoder {
    /// The block from the cache, or else compressed and put there, once `prove` has nothing against it.
    func encode(
        _ data: [UInt8], _ composition: SHA256Digest?, cache: BlockCache, _ settings: XZSettings,
        prove: @Sendable () throws -> Void
    ) throws -> (StoredBlock, isNew: Bool) {
        try cache.block(of: data, composition: composition, settings) {
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
