import Digests
import Storage

/// What is known of a source's blocks before any is read.
struct PackPlan: Sendable {
    struct Block: Sendable {
        /// Bytes of the source.
        var range: Range<UInt64>
        /// What it is made of, where the source knows.
        var composition: SHA256Digest?
        /// The SHA-256 of its bytes, where that is known of the composition.
        var digest: SHA256Digest?
        /// Whether it lies in a hole of the source.
        var isHole: Bool

        /// Whether it need not be compressed, unless the cache has lost it.
        var isKnown: Bool { isHole || digest != nil }
    }

    let blocks: [Block]
    /// Of the blocks before each block, and of all of them: what they are made of; empty where the source does not know.
    private let prefixes: [SHA256Digest]
    /// The first block that has to be hashed as a part of the whole, and the hash of those before it.
    let first: Int
    let hasher: ResumableSHA256

    /// The hash is kept before each so many blocks.
    private static let interval = 8

    /// - Throws: what the source throws.
    init(_ source: any ByteSource, blockSize: Int, index: DigestIndex?) throws {
        var blocks: [Block] = []
        var data: Range<UInt64> = 0..<0
        var start: UInt64 = 0
        while start < source.size {
            let range = start..<min(start + UInt64(blockSize), source.size)
            if data.upperBound <= start {
                data = try source.nextData(from: start) ?? source.size..<source.size
            }
            let isHole = data.lowerBound >= range.upperBound
            let composition = index == nil ? nil : try source.composition(of: range)
            let digest = isHole ? nil : composition.flatMap { index?.digest(of: $0) }
            blocks.append(Block(range: range, composition: composition, digest: digest, isHole: isHole))
            start = range.upperBound
        }
        self.blocks = blocks
        guard let index, source.isComposed else {
            (prefixes, first, hasher) = ([], 0, ResumableSHA256())
            return
        }
        var prefixes = [KeyHasher(purpose: "disk up to a block").finalize()]
        for block in blocks {
            let hasher = KeyHasher(purpose: "disk up to a block")
            hasher.add(prefixes[prefixes.count - 1])
            if let composition = block.composition { hasher.add(composition) }
            prefixes.append(hasher.finalize())
        }
        self.prefixes = prefixes
        let known = blocks.firstIndex { !$0.isKnown } ?? blocks.count
        let kept = Self.kept(0...blocks.count).reversed().lazy.filter { $0 > 0 && $0 <= known }
            .compactMap { number -> (Int, ResumableSHA256)? in
                guard let state = index.digest(of: prefixes[number]) else { return nil }
                return ResumableSHA256(state: state, count: blocks[number - 1].range.upperBound).map { (number, $0) }
            }
        (first, hasher) = kept.first ?? (0, ResumableSHA256())
    }

    /// The numbers of blocks before which the hash is kept; the last is that of all blocks.
    static func kept(_ range: ClosedRange<Int>) -> [Int] {
        range.filter { $0 % interval == 0 || $0 == range.upperBound }
    }

    /// Keeps what the whole hashes to up to some blocks. Not before all of them are proven.
    func remember(_ states: [Int: SHA256Digest], in index: DigestIndex?) {
        guard !prefixes.isEmpty else { return }
        for (number, state) in states { index?.remember(state, of: prefixes[number]) }
    }
}

/// Hashes a source as a whole, in its order, on a thread of its own. Holes are not read.
actor SourceHasher {
    private let executor = WorkThread("piforge.xz.hasher")
    private static let zeros = [UInt8](repeating: 0, count: 256 << 10)

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    struct Result: Sendable {
        var digest: SHA256Digest
        /// CRC64 of each block that was read, by its number.
        var checks: [Int: UInt64] = [:]
        /// The hash before some blocks, by their numbers.
        var states: [Int: SHA256Digest] = [:]
    }

    /// - Throws: what the source throws; `CancellationError`.
    func hash(_ source: any ByteSource, _ plan: PackPlan) throws -> Result {
        var hasher = plan.hasher
        var result = Result(digest: hasher.finalized())
        let kept = Set(PackPlan.kept(0...plan.blocks.count))
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        for number in plan.first..<plan.blocks.count {
            let block = plan.blocks[number]
            if block.isHole {
                Self.addZeros(block.range.count, to: &hasher)
            } else {
                var check: UInt64 = 0
                var position = block.range.lowerBound
                while position < block.range.upperBound {
                    try Task.checkCancellation()
                    let count = Int(min(UInt64(buffer.count), block.range.upperBound - position))
                    try buffer.withUnsafeMutableBytes {
                        let piece = UnsafeMutableRawBufferPointer(rebasing: $0[..<count])
                        try source.readData(at: position, into: piece)
                        hasher.update(UnsafeRawBufferPointer(piece))
                        check = crc64(UnsafeRawBufferPointer(piece), after: check)
                    }
                    position += UInt64(count)
                }
                result.checks[number] = check
            }
            if kept.contains(number + 1), let state = hasher.state { result.states[number + 1] = state }
        }
        result.digest = hasher.finalized()
        return result
    }

    private static func addZeros(_ count: Int, to hasher: inout ResumableSHA256) {
        var rest = count
        zeros.withUnsafeBytes { zeros in
            while rest > 0 {
                let piece = min(rest, zeros.count)
                hasher.update(UnsafeRawBufferPointer(rebasing: zeros[..<piece]))
                rest -= piece
            }
        }
    }
}
