import CLZMA
import Diagnostics
import Storage

/// One block as it stands in an .xz file.
///
///     block header | compressed data | padding to 4 | check       (xz file format 1.2.0, section 3)
struct EncodedBlock: Sendable, Equatable {
    /// The whole block; a multiple of 4 bytes.
    var bytes: [UInt8]
    /// Its bytes without the padding, as the index counts them.
    var unpaddedSize: UInt64
    /// What it unpacks to, in bytes.
    var uncompressedSize: UInt64
}

/// A block as it stands in a file of the cache.
struct StoredBlock: Sendable {
    /// Begins with the block.
    let file: OpenFile
    /// The block's bytes; a multiple of 4.
    let length: UInt64
    /// As ``EncodedBlock/unpaddedSize``.
    let unpaddedSize: UInt64
    /// As ``EncodedBlock/uncompressedSize``.
    let uncompressedSize: UInt64
    /// The CRC64 of what it unpacks to, as it stands at its end (xz file format 1.2.0, section 3.4).
    let check: UInt64
}

/// A block that is ready to be written.
enum PackedBlock: Sendable {
    case encoded(EncodedBlock)
    case stored(StoredBlock)

    var unpaddedSize: UInt64 {
        switch self {
        case .encoded(let block): block.unpaddedSize
        case .stored(let block): block.unpaddedSize
        }
    }

    var uncompressedSize: UInt64 {
        switch self {
        case .encoded(let block): block.uncompressedSize
        case .stored(let block): block.uncompressedSize
        }
    }

    /// The CRC64 of what it unpacks to, as it stands at its end (xz file format 1.2.0, section 3.4).
    var check: UInt64 {
        switch self {
        case .encoded(let block):
            block.bytes.suffix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
        case .stored(let block): block.check
        }
    }
}

/// CRC-64 as .xz files have it (ECMA-182, reflected).
///
/// - Parameter sum: that of the bytes before.
func crc64(_ bytes: UnsafeRawBufferPointer, after sum: UInt64 = 0) -> UInt64 {
    lzma_crc64(bytes.bindMemory(to: UInt8.self).baseAddress, bytes.count, sum)
}

extension EncodedBlock {
    /// Whether this is a whole block, with a check that fits, of exactly these bytes, and one that `xz` needs no more memory for
    /// than for any other.
    func unpacks(to data: [UInt8]) -> Bool {
        let filters = UnsafeMutablePointer<lzma_filter>.allocate(capacity: Int(LZMA_FILTERS_MAX) + 1)
        filters.initialize(repeating: lzma_filter(id: unknownSize, options: nil), count: Int(LZMA_FILTERS_MAX) + 1)
        defer { filters.deallocate() }
        guard let first = bytes.first, first != 0, (Int(first) + 1) * 4 < bytes.count else { return false }
        var block = lzma_block()
        block.version = 1
        block.check = LZMA_CHECK_CRC64
        block.header_size = (UInt32(first) + 1) * 4
        block.filters = filters
        guard lzma_block_header_decode(&block, nil, bytes) == LZMA_OK else { return false }
        defer { lzma_filters_free(filters, nil) }
        guard lzma_raw_decoder_memusage(filters) <= BlockDecoder.memoryLimit,
            lzma_block_compressed_size(&block, unpaddedSize) == LZMA_OK, block.uncompressed_size == uncompressedSize
        else { return false }
        var position = Int(block.header_size)
        let unpacked = [UInt8](unsafeUninitializedCapacity: data.count) { output, count in
            count = 0
            let code = lzma_block_buffer_decode(
                &block, nil, bytes, &position, bytes.count, output.baseAddress, &count, output.count)
            if code != LZMA_OK { count = 0 }
        }
        return position == bytes.count && unpacked == data
    }
}

/// Compresses blocks, one at a time, on a thread of its own. Its memory is taken once and used again for every block.
actor BlockEncoder {
    private let executor = WorkThread("piforge.xz.encoder")
    private let coder: BlockCoder

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ settings: XZSettings) { coder = BlockCoder(settings) }

    /// - Throws: `Failure` when memory is short; `CancellationError`.
    func encode(_ data: [UInt8]) throws -> EncodedBlock { try coder.encode(data) }
}

/// liblzma's block encoder with the filter chain that it points to.
private final class BlockCoder {
    private static let outputStep = 64 << 10

    private let stream: UnsafeMutablePointer<lzma_stream>
    private let filters: UnsafeMutablePointer<lzma_filter>
    private let options: UnsafeMutablePointer<lzma_options_lzma>
    /// liblzma writes the sizes here when a block is done.
    private let block: UnsafeMutablePointer<lzma_block>

    init(_ settings: XZSettings) {
        stream = .allocate(capacity: 1)
        stream.initialize(to: lzma_stream())
        options = .allocate(capacity: 1)
        options.initialize(to: settings.options)
        let chain = settings.chain(options)
        filters = .allocate(capacity: chain.count)
        filters.initialize(from: chain, count: chain.count)
        block = .allocate(capacity: 1)
        block.initialize(to: lzma_block())
    }

    deinit {
        lzma_end(stream)
        stream.deallocate()
        filters.deallocate()
        options.deallocate()
        block.deallocate()
    }

    func encode(_ data: [UInt8]) throws -> EncodedBlock {
        block.pointee = lzma_block()
        block.pointee.check = LZMA_CHECK_CRC64
        block.pointee.filters = filters
        try check(lzma_block_encoder(stream, block))

        // The encoder sees all of its input from the first call on, so that its output cannot depend on how the work is cut.
        let bound = lzma_block_buffer_bound(data.count)
        let body = try data.withUnsafeBytes { input in
            try [UInt8](unsafeUninitializedCapacity: bound) { output, count in
                stream.pointee.next_in = input.bindMemory(to: UInt8.self).baseAddress
                stream.pointee.avail_in = input.count
                count = try run(into: output)
            }
        }

        // Both sizes are in the header, as `xz -T` writes it, so that decoders can work on several blocks at once.
        try check(lzma_block_header_size(block))
        var bytes = [UInt8](repeating: 0, count: Int(block.pointee.header_size))
        try check(lzma_block_header_encode(block, &bytes))
        bytes.append(contentsOf: body)
        return EncodedBlock(
            bytes: bytes, unpaddedSize: lzma_block_unpadded_size(block), uncompressedSize: UInt64(data.count))
    }

    private func run(into output: UnsafeMutableBufferPointer<UInt8>) throws -> Int {
        var done = 0
        while true {
            try Task.checkCancellation()
            let step = min(Self.outputStep, output.count - done)
            stream.pointee.next_out = output.baseAddress.map { $0 + done }
            stream.pointee.avail_out = step
            let code = lzma_code(stream, LZMA_FINISH)
            done += step - stream.pointee.avail_out
            if code == LZMA_STREAM_END { return done }
            try check(code)
        }
    }

    private func check(_ code: lzma_ret) throws {
        guard code == LZMA_OK else {
            throw Failure(at: "xz", "a block could not be compressed", found: words(for: code))
        }
    }
}
