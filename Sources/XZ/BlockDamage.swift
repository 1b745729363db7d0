import CLZMA
import Diagnostics
import Storage

/// A block of an .xz file that does not unpack, and what is known of where it is damaged.
package struct XZDamage: Sendable {
    /// As the file's index describes it.
    package let block: XZBlock
    /// What the decoder said, for a person.
    package let failure: Failure
    /// The part of the block that is not as it must be, in words: `header`, `data`, `padding`, `check`.
    package let part: String
    /// Where the first bad byte is, in bytes of the .xz file.
    package let range: Range<UInt64>
    /// Where it may be instead: bytes are stored from here on that nothing but the block's check guards; nil for none.
    package let earliest: UInt64?
    /// Where the first byte that it spoils is, in bytes of the unpacked file; empty when the damage is beside the data.
    package let unpacked: Range<UInt64>
    /// What of the unpacked file is lost.
    package let lost: Range<UInt64>
}

/// Finds out where a damaged block is damaged, as narrowly as its format allows.
///
/// LZMA2 data is a row of chunks, each coded or stored (liblzma, lzma2_decoder.c):
///
///     00                                                                   the end
///     01 or 02   size - 1, u16 big-endian                                  that many bytes as they are
///     80 … ff    size - 1, u16 (upper 5 bits in the first byte)
///                coded size - 1, u16 · properties u8 from c0 on            at most 64 KiB of coded bytes
///
/// A coded chunk must end with its decoder in one state of 2^32, so the decoder that stumbles stands in the chunk that is
/// damaged; or, which is less likely, in one that refers to damage in an earlier stored one. Where all chunks decode, the
/// damage is in a stored one, and the block's CRC64 tells the place of one or two bad bytes (``CRC64Difference``).
struct BlockDamage {
    /// The bytes that a chunk takes at most.
    static let longestChunk: UInt64 = 6 + 65536

    private let file: XZFile
    private let block: XZBlock
    /// Where the block's header, its data with padding, and its check end.
    private let headerEnd: UInt64
    private let dataEnd: UInt64
    private let end: UInt64
    private let failure: Failure
    private var whole: Range<UInt64> {
        block.uncompressedOffset..<block.uncompressedOffset + block.uncompressedSize
    }

    /// - Parameters:
    ///   - failure: what the decoder said.
    ///   - sink: gets what the block unpacks to, up to where its decoder stumbles.
    /// - Throws: `Failure` when the file cannot be read; what `sink` throws; `CancellationError`.
    static func locate(
        _ block: XZBlock, in file: XZFile, _ failure: Failure, _ sink: (any ByteSink)?
    ) throws -> XZDamage {
        let start = try file.file.bytes(at: block.offset, count: 1)[0]
        let headerEnd = block.offset + min((UInt64(start) + 1) * 4, block.unpaddedSize)
        let check = UInt64(lzma_check_size(lzma_check(UInt32(block.check))))
        let end = block.offset + (block.unpaddedSize + 3) / 4 * 4
        let damage = BlockDamage(
            file: file, block: block, headerEnd: headerEnd, dataEnd: max(headerEnd, end - min(end, check)), end: end,
            failure: failure)
        return try damage.find(sink)
    }

    private func find(_ sink: (any ByteSink)?) throws -> XZDamage {
        guard let stop = try DecoderStop(of: block, in: file, headerEnd: headerEnd, sink) else {
            return damage("header", block.offset..<headerEnd, whole)
        }
        guard stop.isLZMA2 else { return damage("data", headerEnd..<end, whole) }
        let chunks = try chunks(before: stop.position)
        let stored = chunks.list.first { $0.isStored }
        if let marker = chunks.end, stop.position > marker.upperBound || stop.isEnd {
            return try behindTheData(marker, chunks.list, stored, stop)
        }
        guard let last = chunks.list.last else { return damage("data", headerEnd..<end, whole) }
        // A decoder writes at most one match, of 273 bytes, from what is bad to where it stumbles.
        let limit = min(whole.upperBound, block.uncompressedOffset + stop.unpacked + 273)
        let upper = min(max(stop.position, last.range.lowerBound + 1), end)
        let earlier = stored.flatMap { $0.range.lowerBound < last.range.lowerBound ? $0.range.lowerBound : nil }
        return damage("data", last.range.lowerBound..<upper, unpacked(from: last, to: limit), earliest: earlier)
    }

    /// All chunks decode: what is wrong lies behind them, or in bytes that are stored.
    private func behindTheData(
        _ marker: Range<UInt64>, _ chunks: [Chunk], _ stored: Chunk?, _ stop: DecoderStop
    ) throws -> XZDamage {
        let none = whole.upperBound..<whole.upperBound
        let padding = marker.upperBound..<max(marker.upperBound, dataEnd)
        if try isAnythingSet(in: padding) { return damage("padding", padding, none) }
        if block.check == 4, stop.unpacked == block.uncompressedSize, end - dataEnd == 8 {
            let check = try file.file.bytes(at: dataEnd, count: 8)
            let written = check.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            let difference = CRC64Difference(found: stop.crc64, written: written)
            if let byte = difference.byteOfCheck {
                return damage("check", dataEnd + byte..<dataEnd + byte + 1, none)
            }
            let places = chunks.filter(\.isStored)
            if let found = difference.badBytes(among: block.uncompressedSize),
                let chunk = places.last(where: { $0.unpackedOffset <= found.lowerBound }),
                found.lowerBound - chunk.unpackedOffset + 3 < UInt64(chunk.range.count)
            {
                let start = chunk.range.lowerBound + 3 + (found.lowerBound - chunk.unpackedOffset)
                let spoiled = whole.lowerBound + found.lowerBound..<whole.lowerBound + found.upperBound
                return XZDamage(
                    block: block, failure: failure, part: "data", range: start..<start + UInt64(found.count),
                    earliest: nil, unpacked: spoiled, lost: spoiled)
            }
        }
        guard let stored else { return damage("check", dataEnd..<end, none) }
        return damage("data", stored.range.lowerBound..<end, unpacked(from: stored, to: whole.upperBound))
    }

    private func damage(
        _ part: String, _ range: Range<UInt64>, _ unpacked: Range<UInt64>, earliest: UInt64? = nil
    ) -> XZDamage {
        XZDamage(
            block: block, failure: failure, part: part, range: range, earliest: earliest, unpacked: unpacked,
            lost: unpacked.lowerBound..<whole.upperBound)
    }

    private func unpacked(from chunk: Chunk, to end: UInt64) -> Range<UInt64> {
        let start = min(block.uncompressedOffset + chunk.unpackedOffset, end)
        return start..<end
    }

    private struct Chunk {
        /// In the .xz file.
        var range: Range<UInt64>
        /// From the block's first unpacked byte.
        var unpackedOffset: UInt64
        var isStored: Bool
    }

    /// The chunks that begin before a position of the file, and the end marker when it does.
    private func chunks(before position: UInt64) throws -> (list: [Chunk], end: Range<UInt64>?) {
        var list: [Chunk] = []
        var offset = headerEnd
        var unpacked: UInt64 = 0
        while offset < min(position, dataEnd) {
            try Task.checkCancellation()
            let head = try file.file.bytes(at: offset, count: Int(min(6, end - offset)))
            if head[0] == 0 { return (list, offset..<offset + 1) }
            guard head.count == 6 else { break }
            let size = UInt64(head[1]) << 8 | UInt64(head[2])
            let isStored = head[0] < 0x80
            let coded = UInt64(head[3]) << 8 | UInt64(head[4])
            let length = isStored ? 3 + size + 1 : (head[0] >= 0xc0 ? 6 : 5) + coded + 1
            list.append(Chunk(range: offset..<offset + length, unpackedOffset: unpacked, isStored: isStored))
            unpacked += isStored ? size + 1 : (UInt64(head[0] & 0x1f) << 16 | size) + 1
            offset += length
        }
        return (list, nil)
    }

    private func isAnythingSet(in range: Range<UInt64>) throws -> Bool {
        guard range.count <= 3 else { return !range.isEmpty }
        return try file.file.bytes(at: range.lowerBound, count: range.count).contains { $0 != 0 }
    }
}

/// Where liblzma's decoder of a block stops.
private struct DecoderStop {
    /// Behind the last byte of the file that it took.
    var position: UInt64
    /// Bytes that it unpacked.
    var unpacked: UInt64
    /// Of these bytes.
    var crc64: UInt64
    /// Whether it came to the block's end.
    var isEnd: Bool
    var isLZMA2: Bool

    /// - Returns: nil when the block's header cannot be read.
    init?(of block: XZBlock, in file: XZFile, headerEnd: UInt64, _ sink: (any ByteSink)?) throws {
        let memory = DecoderMemory()
        let size = Int(headerEnd - block.offset)
        let bytes = try file.file.bytes(at: block.offset, count: size)
        memory.header.pointee.version = 1
        memory.header.pointee.check = lzma_check(UInt32(block.check))
        memory.header.pointee.header_size = UInt32(size)
        memory.header.pointee.filters = memory.filters
        guard bytes[0] != 0, size >= 8, lzma_block_header_decode(memory.header, nil, bytes) == LZMA_OK else {
            return nil
        }
        memory.ownsFilters = true
        guard lzma_raw_decoder_memusage(memory.filters) <= BlockDecoder.memoryLimit,
            lzma_block_compressed_size(memory.header, block.unpaddedSize) == LZMA_OK,
            lzma_block_decoder(memory.stream, memory.header) == LZMA_OK
        else { return nil }
        isLZMA2 = memory.filters[0].id == lzma2FilterID && memory.filters[1].id == unknownSize
        let end = block.offset + (block.unpaddedSize + 3) / 4 * 4
        var taken = headerEnd
        var input = [UInt8](repeating: 0, count: 256 << 10)
        var output = [UInt8](repeating: 0, count: 256 << 10)
        var sum: UInt64 = 0
        var done: UInt64 = 0
        var code = LZMA_OK
        while code == LZMA_OK, taken < end {
            try Task.checkCancellation()
            let count = Int(min(UInt64(input.count), end - taken))
            try input.withUnsafeMutableBytes {
                try file.file.readExactly(at: taken, into: UnsafeMutableRawBufferPointer(rebasing: $0[..<count]))
            }
            taken += UInt64(count)
            code = try input.withUnsafeBufferPointer { input in
                memory.stream.pointee.next_in = input.baseAddress
                memory.stream.pointee.avail_in = count
                defer { memory.stream.pointee.next_in = nil }
                var code = LZMA_OK
                repeat {
                    code = try output.withUnsafeMutableBytes { output in
                        memory.stream.pointee.next_out = output.bindMemory(to: UInt8.self).baseAddress
                        memory.stream.pointee.avail_out = output.count
                        let code = lzma_code(memory.stream, LZMA_RUN)
                        let piece = output[..<(output.count - memory.stream.pointee.avail_out)]
                        if !piece.isEmpty {
                            let bytes = UnsafeRawBufferPointer(rebasing: piece)
                            sum = lzma_crc64(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, sum)
                            try sink?.write(at: block.uncompressedOffset + done, bytes)
                            done += UInt64(bytes.count)
                        }
                        return code
                    }
                } while code == LZMA_OK
                    && (memory.stream.pointee.avail_in > 0 || memory.stream.pointee.avail_out == 0)
                return code
            }
        }
        position = headerEnd + memory.stream.pointee.total_in
        unpacked = done
        crc64 = sum
        isEnd = code == LZMA_STREAM_END
    }
}

/// liblzma's structures for one block.
private final class DecoderMemory {
    let stream: UnsafeMutablePointer<lzma_stream>
    let filters: UnsafeMutablePointer<lzma_filter>
    let header: UnsafeMutablePointer<lzma_block>
    var ownsFilters = false

    init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: lzma_stream())
        filters = .allocate(capacity: Int(LZMA_FILTERS_MAX) + 1)
        filters.initialize(repeating: lzma_filter(id: unknownSize, options: nil), count: Int(LZMA_FILTERS_MAX) + 1)
        header = .allocate(capacity: 1)
        header.initialize(to: lzma_block())
    }

    deinit {
        lzma_end(stream)
        if ownsFilters { lzma_filters_free(filters, nil) }
        stream.deallocate()
        filters.deallocate()
        header.deallocate()
    }
}
