import Diagnostics
import Storage

extension XZFile {
    /// Where two files unpack to the same bytes because a block at the same place is packed the same, byte for byte: in
    /// order, in unpacked bytes, joined where they touch. Nothing is unpacked for it.
    ///
    /// - Throws: `Failure` when a file cannot be read; `CancellationError`.
    package func sameRanges(as other: XZFile) throws -> [Range<UInt64>] {
        var ranges: [Range<UInt64>] = []
        var index = 0
        for block in blocks where block.uncompressedSize > 0 {
            while index < other.blocks.count,
                other.blocks[index].uncompressedOffset < block.uncompressedOffset
                    || other.blocks[index].uncompressedSize == 0
            { index += 1 }
            guard index < other.blocks.count else { break }
            guard try isSame(block, other, other.blocks[index]) else { continue }
            let range = block.uncompressedOffset..<block.uncompressedOffset + block.uncompressedSize
            if let last = ranges.last, last.upperBound == range.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<range.upperBound
            } else {
                ranges.append(range)
            }
        }
        return ranges
    }

    private func isSame(_ block: XZBlock, _ other: XZFile, _ twin: XZBlock) throws -> Bool {
        guard
            (block.uncompressedOffset, block.uncompressedSize, block.unpaddedSize, block.check)
                == (twin.uncompressedOffset, twin.uncompressedSize, twin.unpaddedSize, twin.check)
        else { return false }
        var done: UInt64 = 0
        while done < block.unpaddedSize {
            try Task.checkCancellation()
            let count = Int(min(1 << 20, block.unpaddedSize - done))
            let mine = try file.bytes(at: block.offset + done, count: count)
            guard mine == (try other.file.bytes(at: twin.offset + done, count: count)) else { return false }
            done += UInt64(count)
        }
        return true
    }
}
