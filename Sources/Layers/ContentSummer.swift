import Digests
import Storage

/// Where a content is nothing but zeros for long enough to be left out on a disk: runs of at least 16 blocks of 4096 bytes, counted
/// from the content's beginning. The last block of a content may be shorter.
package struct ZeroRuns: Sendable, Equatable {
    /// Bytes of a block.
    package static let blockSize: UInt64 = 4096
    /// The fewest blocks that count as a run.
    package static let least: UInt64 = 16

    /// Numbers of blocks, ascending; two runs never touch.
    package let blocks: [Range<UInt64>]

    init(_ blocks: [Range<UInt64>]) { self.blocks = blocks }

    /// The runs as they were written down; nil where they cannot be those of a content of `size` bytes.
    init?(blocks: [Range<UInt64>], contentSize size: UInt64) {
        var end: UInt64?
        for run in blocks {
            guard run.count >= Self.least, run.lowerBound > end ?? 0 || end == nil else { return nil }
            end = run.upperBound
        }
        guard (end ?? 0) <= Self.blockCount(size) else { return nil }
        self.blocks = blocks
    }

    /// How many blocks hold `size` bytes.
    package static func blockCount(_ size: UInt64) -> UInt64 { size / blockSize + (size % blockSize == 0 ? 0 : 1) }
}

/// Counts, hashes and looks for zeros while a content goes by. Belongs to one task.
package struct ContentSummer {
    private let hasher = SHA256Hasher()
    /// Bytes so far.
    package private(set) var size: UInt64 = 0
    /// Bytes of the last block, where it is not full; whether they are all zeros.
    private var partial = 0
    private var partialIsZero = true
    /// Blocks that are full, how many of the last of them are zeros, and the runs before those.
    private var blocks: UInt64 = 0
    private var zeroBlocks: UInt64 = 0
    private var runs: [Range<UInt64>] = []

    package init() {}

    /// Takes the next bytes, however many.
    package mutating func add(_ bytes: UnsafeRawBufferPointer) {
        hasher.update(bytes)
        size += UInt64(bytes.count)
        var position = 0
        while position < bytes.count {
            let count = min(Int(ZeroRuns.blockSize) - partial, bytes.count - position)
            if partialIsZero {
                partialIsZero = isZero(UnsafeRawBufferPointer(rebasing: bytes[position..<position + count]))
            }
            partial += count
            position += count
            if partial == ZeroRuns.blockSize { endBlock() }
        }
    }

    /// The content, once all of it has gone by.
    package mutating func content(_ source: ContentSource) -> Content {
        if partial > 0 { endBlock() }
        endRun()
        return Content(size: size, digest: hasher.finalize(), source: source, zeros: ZeroRuns(runs))
    }

    private mutating func endBlock() {
        if partialIsZero { zeroBlocks += 1 } else { endRun() }
        blocks += 1
        (partial, partialIsZero) = (0, true)
    }

    private mutating func endRun() {
        if zeroBlocks >= ZeroRuns.least { runs.append(blocks - zeroBlocks..<blocks) }
        zeroBlocks = 0
    }
}
