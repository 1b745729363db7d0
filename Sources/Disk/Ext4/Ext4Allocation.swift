import Diagnostics
import Layers
import Storage

#if canImport(Glibc)
    import Glibc
#endif

/// Hands out free blocks in disk order, each once: content written one after the other lies one after the other.
/// Belongs to one task.
final class BlockCursor {
    private let ranges: [Range<UInt64>]
    private var index = 0
    private var position: UInt64
    private let end: () -> Failure

    /// - Parameter exhausted: the error when no block is left.
    init(_ ranges: [Range<UInt64>], exhausted: @escaping () -> Failure) {
        self.ranges = ranges
        position = ranges.first?.lowerBound ?? 0
        end = exhausted
    }

    /// The next `count` free blocks, in as few runs as the disk allows.
    func take(_ count: UInt64) throws -> [Range<UInt64>] {
        var runs: [Range<UInt64>] = []
        var rest = count
        while rest > 0 {
            guard index < ranges.count else { throw end() }
            let length = min(rest, ranges[index].upperBound - position)
            if length > 0 { runs.append(position..<position + length) }
            rest -= length
            position += length
            if position == ranges[index].upperBound { advance() }
        }
        return runs
    }

    /// Skips free blocks up to the next whose number is a multiple of `alignment`.
    func align(to alignment: UInt64) {
        let target = (position + alignment - 1) / alignment * alignment
        while index < ranges.count, target >= ranges[index].upperBound { advance() }
        if index < ranges.count { position = max(position, target) }
    }

    private func advance() {
        index += 1
        if index < ranges.count { position = ranges[index].lowerBound }
    }
}

/// Writes blocks to the image, gathering those that follow each other into large writes. Belongs to one task.
final class BlockOutput {
    private let file: OpenFile
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 4 << 20, alignment: 4096)
    private var start: UInt64 = 0
    private var count = 0

    init(file: OpenFile) { self.file = file }

    deinit { buffer.deallocate() }

    /// Writes `bytes` from the beginning of `block` on, and zeros up to the end of its last block.
    func write(_ bytes: UnsafeRawBufferPointer, at block: UInt64) throws {
        var rest = bytes
        var offset = block * ext4BlockSize
        while !rest.isEmpty {
            if count == buffer.count || offset != start + UInt64(count) { try flush() }
            if count == 0 { start = offset }
            let length = min(rest.count, buffer.count - count)
            UnsafeMutableRawBufferPointer(rebasing: buffer[count..<count + length])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: rest[..<length]))
            count += length
            offset += UInt64(length)
            rest = UnsafeRawBufferPointer(rebasing: rest[length...])
        }
        let partial = count % Int(ext4BlockSize)
        if partial > 0 {
            // The buffer's size is a whole number of blocks, so the padding fits.
            let padding = Int(ext4BlockSize) - partial
            UnsafeMutableRawBufferPointer(rebasing: buffer[count..<count + padding]).initializeMemory(
                as: UInt8.self, repeating: 0)
            count += padding
        }
    }

    func flush() throws {
        if count > 0 { try file.write(at: start, UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
        count = 0
    }
}

/// Places one file's content: data in the next free blocks, runs of zeros of at least 64 KiB as holes.
struct ContentPlacement {
    private(set) var extents: [Ext4Extent] = []
    private var logical: UInt64 = 0
    private var pendingZeros: UInt64 = 0
    private static let holeBlocks: UInt64 = 16
    private static let zeros = [UInt8](repeating: 0, count: Int(holeBlocks * ext4BlockSize))

    /// Blocks of content, holes not counted.
    var blockCount: UInt64 { extents.reduce(0) { $0 + $1.count } }

    /// Takes the next piece: whole blocks, but for the last piece of the file.
    mutating func add(_ bytes: UnsafeRawBufferPointer, _ cursor: BlockCursor, _ output: BlockOutput) throws {
        let size = Int(ext4BlockSize)
        var position = 0
        while position < bytes.count {
            var end = position
            while end < bytes.count, isZero(bytes, end, min(size, bytes.count - end)) {
                pendingZeros += 1
                end += size
            }
            position = min(end, bytes.count)
            end = position
            while end < bytes.count, !isZero(bytes, end, min(size, bytes.count - end)) { end += size }
            end = min(end, bytes.count)
            guard end > position else { continue }
            try settleZeros(cursor, output)
            try place(UnsafeRawBufferPointer(rebasing: bytes[position..<end]), cursor, output)
            position = end
        }
    }

    /// Called once all pieces are in.
    mutating func finish(_ cursor: BlockCursor, _ output: BlockOutput) throws { try settleZeros(cursor, output) }

    private mutating func settleZeros(_ cursor: BlockCursor, _ output: BlockOutput) throws {
        let count = pendingZeros
        pendingZeros = 0
        if count >= Self.holeBlocks {
            logical += count
        } else if count > 0 {
            try Self.zeros.withUnsafeBytes {
                try place(UnsafeRawBufferPointer(rebasing: $0[..<Int(count * ext4BlockSize)]), cursor, output)
            }
        }
    }

    private mutating func place(
        _ bytes: UnsafeRawBufferPointer, _ cursor: BlockCursor, _ output: BlockOutput
    ) throws {
        let blocks = (UInt64(bytes.count) + ext4BlockSize - 1) / ext4BlockSize
        var offset = 0
        for run in try cursor.take(blocks) {
            let length = min(bytes.count - offset, run.count * Int(ext4BlockSize))
            try output.write(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length]), at: run.lowerBound)
            offset += length
            let count = UInt64(run.count)
            if let last = extents.last, last.logical + last.count == logical,
                last.physical + last.count == run.lowerBound
            {
                extents[extents.count - 1].count += count
            } else {
                extents.append(Ext4Extent(logical: logical, physical: run.lowerBound, count: count))
            }
            logical += count
        }
    }

    /// The first eight bytes settle most blocks; memcmp of a block with itself, one byte on, settles the rest.
    private func isZero(_ bytes: UnsafeRawBufferPointer, _ offset: Int, _ count: Int) -> Bool {
        guard let base = bytes.baseAddress?.advanced(by: offset) else { return true }
        if count >= 8, base.loadUnaligned(as: UInt64.self) != 0 { return false }
        return base.load(as: UInt8.self) == 0 && memcmp(base, base + 1, count - 1) == 0
    }
}
