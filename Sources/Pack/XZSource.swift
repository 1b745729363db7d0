import Diagnostics
import Storage
import Synchronization

/// An .xz file as a byte source: reads unpack only the blocks that they touch, and keep the last few.
///
/// Made for files of many blocks. A block of zeros is found out by unpacking it once, where its compressed size is that small.
public final class XZSource: ByteSource {
    /// What the kept blocks may take together, in bytes; also the largest block that can be read at random.
    public static let memoryLimit: UInt64 = 64 << 20

    public let file: XZFile
    public var size: UInt64 { file.uncompressedSize }
    private let state: Mutex<State>

    private struct State: ~Copyable {
        var decoder: BlockDecoder
        /// The blocks at hand, the one used last at the end.
        var recent: [(number: Int, bytes: [UInt8])] = []
        var recentSize: UInt64 = 0
        /// What is known about blocks: whether they are zeros.
        var zeros: [Int: Bool] = [:]
    }

    /// - Throws: `Failure` when a block is larger than 64 MiB, as in files that `xz` wrote with a single thread.
    public init(_ file: XZFile) throws {
        let largest = file.blocks.lazy.map(\.uncompressedSize).max() ?? 0
        guard largest <= Self.memoryLimit else {
            throw Failure(
                at: file.path.string, "the .xz file has too large a block to be read at random",
                expected: "blocks of at most \(Self.memoryLimit >> 20) MiB", found: "\(largest) bytes",
                next: "unpack it first: xz -dk \(file.path.string)")
        }
        self.file = file
        state = Mutex(State(decoder: BlockDecoder(file)))
    }

    public func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        var done = 0
        var number = blockNumber(at: offset)
        while done < buffer.count {
            let block = file.blocks[number]
            number += 1
            guard block.uncompressedSize > 0 else { continue }
            let start = Int(offset + UInt64(done) - block.uncompressedOffset)
            let count = min(buffer.count - done, Int(block.uncompressedSize) - start)
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<(done + count)])
            let bytes = try bytes(of: block)
            bytes.withUnsafeBytes {
                part.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<(start + count)]))
            }
            done += count
        }
    }

    public func nextData(from offset: UInt64) throws -> Range<UInt64>? {
        guard offset < size else { return nil }
        for block in file.blocks[blockNumber(at: offset)...] where block.uncompressedSize > 0 {
            if try !isZeros(block) {
                return max(offset, block.uncompressedOffset)..<(block.uncompressedOffset + block.uncompressedSize)
            }
        }
        return nil
    }

    /// The last block that starts at or before `offset`.
    private func blockNumber(at offset: UInt64) -> Int {
        var low = 0
        var high = file.blocks.count
        while low < high {
            let middle = (low + high) / 2
            if file.blocks[middle].uncompressedOffset <= offset { low = middle + 1 } else { high = middle }
        }
        return max(0, low - 1)
    }

    /// LZMA packs zeros about 6000 to one; what is packed less than 1000 to one is not worth a look.
    private func isZeros(_ block: XZBlock) throws -> Bool {
        guard block.unpaddedSize < 128 + block.uncompressedSize / 1000 else { return false }
        if let known = state.withLock({ $0.zeros[block.number] }) { return known }
        let result = try bytes(of: block).withUnsafeBytes(Pack.isZero)
        state.withLock { $0.zeros[block.number] = result }
        return result
    }

    private func bytes(of block: XZBlock) throws -> [UInt8] {
        try state.withLock { state in
            if let index = state.recent.lastIndex(where: { $0.number == block.number }) {
                let entry = state.recent.remove(at: index)
                state.recent.append(entry)
                return entry.bytes
            }
            while !state.recent.isEmpty, state.recentSize + block.uncompressedSize > Self.memoryLimit {
                state.recentSize -= UInt64(state.recent.removeFirst().bytes.count)
            }
            let bytes = try state.decoder.bytes(of: block)
            state.recent.append((block.number, bytes))
            state.recentSize += block.uncompressedSize
            return bytes
        }
    }
}
