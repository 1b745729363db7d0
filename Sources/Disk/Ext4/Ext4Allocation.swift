import Diagnostics
import Storage

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
