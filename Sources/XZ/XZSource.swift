import Diagnostics
import Storage
import Synchronization

/// An .xz file as a byte source: reads unpack only the blocks that they touch, and keep the last few.
///
/// Made for files of many blocks. A block of more than 32 MiB, as in files that `xz` wrote with a single thread, is unpacked from
/// its start up to what is asked for, and goes on from there: read forwards it costs one pass, each step back one more. A
/// block of zeros is found out by unpacking it once, where its compressed size is that small.
package final class XZSource: ByteSource {
    /// What the kept blocks may take together, in bytes, unless more is asked for.
    package static let memoryLimit: UInt64 = 64 << 20
    /// Larger blocks are unpacked and kept in pieces.
    package static let largestWholeBlock: UInt64 = 32 << 20
    static let pieceSize: UInt64 = 1 << 20

    /// How much has been unpacked so far.
    package struct Work: Sendable, Equatable {
        /// Blocks that unpacking was begun of, each as often as it was.
        package var blocks = 0
        /// Bytes that came of it.
        package var bytes: UInt64 = 0
    }

    package let file: XZFile
    /// Bytes that the file unpacks to.
    package var size: UInt64 { file.uncompressedSize }
    /// Since the source was made. What is read from kept blocks is not counted.
    package var work: Work { state.withLock { $0.work } }
    /// Whether reading backwards may be as slow as reading all of it: it has a block that is not kept whole.
    package let isSequential: Bool
    private let memory: UInt64
    private let state: Mutex<State>

    private struct Piece: Hashable {
        var block: Int
        /// Of a block that is kept whole, 0.
        var index: UInt64
    }

    private struct State: ~Copyable {
        var decoder: BlockDecoder
        /// A large block that is being unpacked.
        var stream: BlockStream?
        /// The pieces at hand, with when they were used last.
        var recent: [Piece: (bytes: [UInt8], use: UInt64)] = [:]
        var recentSize: UInt64 = 0
        var uses: UInt64 = 0
        /// What is known about blocks: whether they are zeros.
        var zeros: [Int: Bool] = [:]
        var work = Work()
    }

    /// - Parameter memory: bytes of blocks that are kept; at least one block of 32 MiB.
    package init(_ file: XZFile, memory: UInt64 = memoryLimit) {
        self.file = file
        self.memory = max(memory, Self.largestWholeBlock)
        isSequential = file.blocks.contains { $0.uncompressedSize > Self.largestWholeBlock }
        state = Mutex(State(decoder: BlockDecoder(file)))
    }

    /// One caller at a time unpacks.
    ///
    /// - Throws: `Failure` where a block is damaged, or the file cannot be read.
    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        var done = 0
        var number = blockNumber(at: offset)
        while done < buffer.count {
            let block = file.blocks[number]
            let start = offset + UInt64(done) - block.uncompressedOffset
            guard start < block.uncompressedSize else {
                number += 1
                continue
            }
            let size = Self.isWhole(block) ? block.uncompressedSize : Self.pieceSize
            let bytes = try bytes(of: Piece(block: number, index: start / size), block)
            let within = Int(start % size)
            let count = min(buffer.count - done, bytes.count - within)
            let part = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<(done + count)])
            bytes.withUnsafeBytes {
                part.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[within..<(within + count)]))
            }
            done += count
        }
    }

    /// Tells blocks of zeros alone; each range lies in one block.
    ///
    /// - Throws: `Failure` where a block that is small enough for zeros is damaged.
    package func nextData(from offset: UInt64) throws -> Range<UInt64>? {
        guard offset < size else { return nil }
        for block in file.blocks[blockNumber(at: offset)...]
        where block.uncompressedOffset + block.uncompressedSize > offset {
            if try !isZeros(block) {
                return max(offset, block.uncompressedOffset)..<(block.uncompressedOffset + block.uncompressedSize)
            }
        }
        return nil
    }

    private static func isWhole(_ block: XZBlock) -> Bool { block.uncompressedSize <= largestWholeBlock }

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
        guard Self.isWhole(block), block.unpaddedSize < 128 + block.uncompressedSize / 1000 else { return false }
        if let known = state.withLock({ $0.zeros[block.number] }) { return known }
        let result = try bytes(of: Piece(block: block.number, index: 0), block).withUnsafeBytes(Storage.isZero)
        state.withLock { $0.zeros[block.number] = result }
        return result
    }

    private func bytes(of piece: Piece, _ block: XZBlock) throws -> [UInt8] {
        try state.withLock { state in
            state.uses += 1
            if let known = state.recent[piece] {
                state.recent[piece]?.use = state.uses
                return known.bytes
            }
            if Self.isWhole(block) {
                makeRoom(for: block.uncompressedSize, &state)
                state.work.blocks += 1
                let bytes = try state.decoder.bytes(of: block)
                keep(bytes, as: piece, &state)
                return bytes
            }
            let start = piece.index * Self.pieceSize
            if state.stream?.block != block || (state.stream?.position ?? 0) > start {
                state.stream = nil
                state.work.blocks += 1
                state.stream = try BlockStream(file, block)
            }
            // A stream that failed is not gone on with.
            guard let stream = state.stream.take() else { return [] }
            while true {
                let index = stream.position / Self.pieceSize
                let bytes = try stream.next(Int(Self.pieceSize))
                makeRoom(for: UInt64(bytes.count), &state)
                keep(bytes, as: Piece(block: block.number, index: index), &state)
                if index == piece.index {
                    state.stream = stream
                    return bytes
                }
            }
        }
    }

    private func keep(_ bytes: [UInt8], as piece: Piece, _ state: inout State) {
        if let old = state.recent.updateValue((bytes, state.uses), forKey: piece) {
            state.recentSize -= UInt64(old.bytes.count)
        }
        state.recentSize += UInt64(bytes.count)
        state.work.bytes += UInt64(bytes.count)
    }

    /// Gives up what was not used for the longest time. There are a few hundred pieces at most.
    private func makeRoom(for size: UInt64, _ state: inout State) {
        while state.recentSize + size > memory, let oldest = state.recent.min(by: { $0.value.use < $1.value.use }) {
            state.recent[oldest.key] = nil
            state.recentSize -= UInt64(oldest.value.bytes.count)
        }
    }
}
