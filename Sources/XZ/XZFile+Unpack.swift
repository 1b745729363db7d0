import Diagnostics
import Digests
import Storage
import SystemPackage

extension XZFile {
    /// What the decoders of one file may take together, in bytes.
    private static let memoryBudget: UInt64 = 256 << 20
    /// Blocks up to this size are unpacked in memory, several at once, when their bytes are needed in order.
    private static let blockLimit: UInt64 = 32 << 20

    /// Unpacks into a sparse file, several blocks at once, and checks every block. Zeros become holes.
    ///
    /// - Parameters:
    ///   - limit: the most bytes that it may unpack to.
    ///   - step: the name under which progress is reported, in unpacked bytes.
    /// - Throws: `Failure` that names the block when one is damaged; nothing is left then. `CancellationError`.
    package func unpack(
        to path: FilePath, limit: UInt64, workers: Int, progress: any ProgressReporter = SilentProgress(),
        step: String = "unpack"
    ) async throws {
        guard uncompressedSize <= limit else {
            throw Failure(
                at: self.path.string, "the file unpacks to more than is allowed", expected: "at most \(limit) bytes",
                found: "\(uncompressedSize)")
        }
        try await writeAtomically(to: path) { file in
            try file.truncate(to: uncompressedSize)
            try await unpack(into: SparseFile(file), workers: workers, progress: progress, step: step)
        }
    }

    /// Unpacks piece by piece, several blocks at once, and checks every block. Memory does not grow with the file.
    ///
    /// - Parameters:
    ///   - sink: gets every byte once, in pieces of at most 1 MiB; those of one block in order. What it got counts for
    ///     nothing until this returns: a block's check comes last.
    ///   - step: the name under which progress is reported, in unpacked bytes.
    /// - Throws: `Failure` that names the block when one is damaged; what `sink` throws; `CancellationError`.
    package func unpack(
        into sink: some ByteSink, workers: Int, progress: any ProgressReporter = SilentProgress(),
        step: String = "unpack"
    ) async throws {
        let pool = try decoders(workers)
        let progress = PackProgress(reporter: progress, step: step, total: uncompressedSize)
        // A single block, as in files that `xz` wrote with one thread, is unpacked by one thread: another writes.
        let isSingle = blocks.count == 1
        try await withThrowingTaskGroup(of: Void.self) { group in
            var running = 0
            for block in blocks {
                if running == 2 * max(1, workers) {
                    try await group.next()
                    running -= 1
                }
                running += 1
                group.addTask {
                    try await pool.withMember {
                        try await $0.unpack(block, into: sink, behind: isSingle, progress: progress)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    /// The first bytes of what the file unpacks to; fewer where it is shorter. The check of their block comes after them
    /// and has not been made.
    ///
    /// - Throws: `Failure` that names the block when it is damaged.
    package func unpackStart(_ count: Int) throws -> [UInt8] {
        let decoder = BlockDecoder(self)
        var start: [UInt8] = []
        for block in blocks where start.count < count {
            start += try decoder.start(of: block, count: count - start.count)
        }
        return start
    }

    /// Unpacks in memory, checks every block, and hashes what it unpacks to.
    ///
    /// - Throws: `Failure` that names the block when one is damaged; `CancellationError`.
    package func digest(
        workers: Int, progress: any ProgressReporter = SilentProgress(), step: String = "verify"
    ) async throws -> SHA256Digest {
        let largest = blocks.lazy.map(\.uncompressedSize).max() ?? 0
        let hasher = StreamHasher(self)
        let progress = PackProgress(reporter: progress, step: step, total: uncompressedSize)
        guard largest <= Self.blockLimit else {
            for block in blocks {
                try await hasher.add(block)
                progress.advance(block.uncompressedSize)
            }
            return await hasher.finalize()
        }
        let window = max(1, min(2 * workers, Int(Self.memoryBudget / max(1, largest))))
        let pool = try decoders(workers)
        try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
            var ready: [Int: [UInt8]] = [:]
            var next = 0
            var started = 0
            while next < blocks.count {
                while started < blocks.count, started - next < window {
                    let block = blocks[started]
                    group.addTask { (block.number, try await pool.withMember { try await $0.bytes(of: block) }) }
                    started += 1
                }
                guard let (number, bytes) = try await group.next() else { break }
                ready[number] = bytes
                while let bytes = ready.removeValue(forKey: next) {
                    await hasher.add(bytes)
                    progress.advance(UInt64(bytes.count))
                    next += 1
                }
            }
        }
        return await hasher.finalize()
    }

    /// As many decoders as are wanted and fit into the budget, at least one.
    private func decoders(_ wanted: Int) throws -> Pool<DecodingThread> {
        let header = BlockDecoder(self)
        let most = try blocks.reduce(1) { max($0, try header.memory(for: $1)) }
        return Pool((0..<max(1, min(wanted, Int(Self.memoryBudget / most)))).map { _ in DecodingThread(self) })
    }
}

/// A block decoder on a thread of its own.
private actor DecodingThread {
    private let executor = WorkThread("piforge.xz.decoder")
    private let decoder: BlockDecoder
    private var buffer = [UInt8](repeating: 0, count: 1 << 20)

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ file: XZFile) { decoder = BlockDecoder(file) }

    /// - Parameter behind: whether the sink works on a thread of its own.
    func unpack(_ block: XZBlock, into sink: any ByteSink, behind: Bool, progress: PackProgress) throws {
        guard behind else {
            try buffer.withUnsafeMutableBytes { buffer in
                try decoder.decode(block, through: buffer) {
                    try sink.write(at: $0, $1)
                    progress.advance(UInt64($1.count))
                }
            }
            return
        }
        let writer = WriteBehind(sink, progress)
        do { try decoder.decode(block, through: writer) } catch {
            writer.stop()
            throw error
        }
        try writer.finish()
    }

    func bytes(of block: XZBlock) throws -> [UInt8] { try decoder.bytes(of: block) }
}

/// Hashes a file's unpacked bytes in order, on a thread of its own.
private actor StreamHasher {
    private let executor = WorkThread("piforge.xz.hasher")
    private let decoder: BlockDecoder
    private let hasher = SHA256Hasher()
    private var buffer = [UInt8](repeating: 0, count: 1 << 20)

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ file: XZFile) { decoder = BlockDecoder(file) }

    func add(_ bytes: [UInt8]) { hasher.update(bytes) }

    /// Unpacks a block that is too large for memory.
    func add(_ block: XZBlock) throws {
        try buffer.withUnsafeMutableBytes { buffer in
            try decoder.decode(block, through: buffer) { hasher.update($1) }
        }
    }

    func finalize() -> SHA256Digest { hasher.finalize() }
}
