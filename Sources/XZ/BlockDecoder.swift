import CLZMA
import Diagnostics
import Storage

/// Unpacks single blocks of an .xz file and checks them. Belongs to one task.
final class BlockDecoder {
    /// What the decoder of one block may take; the largest preset of xz needs 65 MiB.
    static let memoryLimit: UInt64 = 128 << 20
    private static let inputSize = 256 << 10

    private let file: XZFile
    private let stream: UnsafeMutablePointer<lzma_stream>
    private let filters: UnsafeMutablePointer<lzma_filter>
    /// liblzma keeps a pointer to this while it decodes.
    private let header: UnsafeMutablePointer<lzma_block>
    private let input = UnsafeMutableRawBufferPointer.allocate(byteCount: inputSize, alignment: 16)

    init(_ file: XZFile) {
        self.file = file
        stream = .allocate(capacity: 1)
        stream.initialize(to: lzma_stream())
        filters = .allocate(capacity: Int(LZMA_FILTERS_MAX) + 1)
        filters.initialize(repeating: lzma_filter(id: unknownSize, options: nil), count: Int(LZMA_FILTERS_MAX) + 1)
        header = .allocate(capacity: 1)
        header.initialize(to: lzma_block())
    }

    deinit {
        lzma_end(stream)
        input.deallocate()
        stream.deallocate()
        filters.deallocate()
        header.deallocate()
    }

    /// Unpacks a block into a buffer of its uncompressed size.
    ///
    /// - Throws: `Failure` that names the block; `CancellationError`.
    private func decode(_ block: XZBlock, into output: UnsafeMutableRawBufferPointer) throws {
        try withDecoder(of: block) { decoder in
            try decoder.read(into: output)
            try decoder.finish()
        }
    }

    /// Unpacks a whole block; the caller has checked its size.
    func bytes(of block: XZBlock) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: Int(block.uncompressedSize)) { buffer, count in
            let raw = UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: Int(block.uncompressedSize))
            try decode(block, into: raw)
            count = raw.count
        }
    }

    /// Unpacks a block piece by piece.
    ///
    /// - Parameter buffer: where a piece is unpacked to; `body` gets what is filled, and its offset in the unpacked file.
    func decode(
        _ block: XZBlock, through buffer: UnsafeMutableRawBufferPointer,
        _ body: (UInt64, UnsafeRawBufferPointer) throws -> Void
    ) throws {
        try withDecoder(of: block) { decoder in
            var done: UInt64 = 0
            while done < block.uncompressedSize {
                let count = Int(min(UInt64(buffer.count), block.uncompressedSize - done))
                let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<count])
                try decoder.read(into: piece)
                try body(block.uncompressedOffset + done, UnsafeRawBufferPointer(piece))
                done += UInt64(count)
            }
            try decoder.finish()
        }
    }

    /// Unpacks a block piece by piece into a writer's memory.
    func decode(_ block: XZBlock, through writer: WriteBehind) throws {
        try withDecoder(of: block) { decoder in
            var done: UInt64 = 0
            while done < block.uncompressedSize {
                let count = Int(min(1 << 20, block.uncompressedSize - done))
                try writer.write(at: block.uncompressedOffset + done, count: count) { try decoder.read(into: $0) }
                done += UInt64(count)
            }
            try decoder.finish()
        }
    }

    /// The first bytes of a block, at most `count`; its check is not made.
    func start(of block: XZBlock, count: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(min(UInt64(count), block.uncompressedSize)))
        try withDecoder(of: block) { decoder in try bytes.withUnsafeMutableBytes { try decoder.read(into: $0) } }
        return bytes
    }

    /// What unpacking the block takes, in bytes.
    ///
    /// - Throws: `Failure` that names the block when its header is damaged or asks for more than 128 MiB.
    func memory(for block: XZBlock) throws -> UInt64 {
        try readHeader(of: block)
        defer { lzma_filters_free(filters, nil) }
        return lzma_raw_decoder_memusage(filters)
    }

    /// Decodes a block's header into `header` and `filters`, whose options the caller frees.
    private func readHeader(of block: XZBlock) throws {
        let start = try file.file.bytes(at: block.offset, count: 1)
        // A block header starts with its size in words of four bytes, less one; zero is the index (section 3.1.1).
        guard start[0] != 0 else { throw damaged(block, "no block header") }
        let size = (Int(start[0]) + 1) * 4
        guard UInt64(size) < block.unpaddedSize else { throw damaged(block, "a header longer than the block") }
        let bytes = try file.file.bytes(at: block.offset, count: size)

        header.pointee = lzma_block()
        header.pointee.version = 1
        header.pointee.check = lzma_check(UInt32(block.check))
        header.pointee.header_size = UInt32(size)
        header.pointee.filters = filters
        let code = lzma_block_header_decode(header, nil, bytes)
        guard code == LZMA_OK else { throw damaged(block, "a block header with \(words(for: code))") }
        do { try checkHeader(of: block) } catch {
            lzma_filters_free(filters, nil)
            throw error
        }
    }

    private func checkHeader(of block: XZBlock) throws {
        let memory = lzma_raw_decoder_memusage(filters)
        guard memory <= Self.memoryLimit else {
            throw Failure(
                at: file.path.string,
                "block \(block.number + 1) of \(file.blocks.count) needs too much memory to unpack",
                expected: "at most \(Self.memoryLimit >> 20) MiB",
                found: memory == .max ? "unsupported filters" : "\(memory >> 20) MiB")
        }
        guard lzma_block_compressed_size(header, block.unpaddedSize) == LZMA_OK else {
            throw damaged(block, "another size in its header than in the index")
        }
        let size = header.pointee.uncompressed_size
        guard size == unknownSize || size == block.uncompressedSize else {
            throw damaged(block, "another unpacked size in its header than in the index")
        }
        header.pointee.uncompressed_size = block.uncompressedSize
    }

    private func withDecoder(of block: XZBlock, _ body: (RunningDecoder) throws -> Void) throws {
        let running = try start(block)
        defer { lzma_filters_free(filters, nil) }
        try body(running)
    }

    /// Starts to unpack a block; a block that was started before is given up.
    fileprivate func start(_ block: XZBlock) throws -> RunningDecoder {
        try readHeader(of: block)
        let code = lzma_block_decoder(stream, header)
        guard code == LZMA_OK else {
            lzma_filters_free(filters, nil)
            throw damaged(block, words(for: code))
        }
        stream.pointee.next_in = nil
        stream.pointee.avail_in = 0
        return RunningDecoder(
            owner: self, block: block, stream: stream, input: input,
            start: block.offset + UInt64(header.pointee.header_size))
    }

    fileprivate func freeFilters() { lzma_filters_free(filters, nil) }

    fileprivate func damaged(_ block: XZBlock, _ what: String) -> Failure {
        Failure(
            at: file.path.string, "block \(block.number + 1) of \(file.blocks.count) is damaged",
            expected: "a block whose check fits, at byte \(block.offset) of the file",
            found: "\(what), \(block.uncompressedOffset) bytes into the unpacked file",
            next: "fetch or write the file again")
    }

    fileprivate func readInput(_ buffer: UnsafeMutableRawBufferPointer, at offset: UInt64) throws {
        try file.file.readExactly(at: offset, into: buffer)
    }
}

/// Unpacks one block from its start on, as far as it is asked. Belongs to one task.
final class BlockStream {
    private let decoder: BlockDecoder
    private let running: RunningDecoder
    let block: XZBlock
    /// How much has been unpacked, in bytes.
    private(set) var position: UInt64 = 0

    /// - Throws: `Failure` that names the block.
    init(_ file: XZFile, _ block: XZBlock) throws {
        decoder = BlockDecoder(file)
        self.block = block
        running = try decoder.start(block)
    }

    deinit { decoder.freeFilters() }

    /// The next bytes, at most `count`; the block's check is made with the last of them.
    func next(_ count: Int) throws -> [UInt8] {
        let count = Int(min(UInt64(count), block.uncompressedSize - position))
        let bytes = try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            try running.read(into: UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count))
            filled = count
        }
        position += UInt64(count)
        if position == block.uncompressedSize { try running.finish() }
        return bytes
    }
}

/// liblzma's decoder in the middle of a block.
private final class RunningDecoder {
    private unowned let owner: BlockDecoder
    private let block: XZBlock
    private let stream: UnsafeMutablePointer<lzma_stream>
    private let input: UnsafeMutableRawBufferPointer
    private var position: UInt64
    private let end: UInt64
    private var isFinished = false

    init(
        owner: BlockDecoder, block: XZBlock, stream: UnsafeMutablePointer<lzma_stream>,
        input: UnsafeMutableRawBufferPointer,
        start: UInt64
    ) {
        self.owner = owner
        self.block = block
        self.stream = stream
        self.input = input
        position = start
        end = block.offset + (block.unpaddedSize + 3) / 4 * 4
    }

    /// Fills `output`.
    func read(into output: UnsafeMutableRawBufferPointer) throws {
        stream.pointee.next_out = output.bindMemory(to: UInt8.self).baseAddress
        stream.pointee.avail_out = output.count
        while stream.pointee.avail_out > 0 { try step() }
    }

    /// Takes the rest: padding and check.
    func finish() throws {
        stream.pointee.next_out = nil
        stream.pointee.avail_out = 0
        while !isFinished { try step() }
        guard position == end, stream.pointee.avail_in == 0 else {
            throw owner.damaged(block, "an end before the index says")
        }
    }

    private func step() throws {
        try Task.checkCancellation()
        guard !isFinished else { throw owner.damaged(block, "less data than the index says") }
        if stream.pointee.avail_in == 0, position < end {
            let count = Int(min(UInt64(input.count), end - position))
            try owner.readInput(UnsafeMutableRawBufferPointer(rebasing: input[..<count]), at: position)
            stream.pointee.next_in = UnsafePointer(input.bindMemory(to: UInt8.self).baseAddress)
            stream.pointee.avail_in = count
            position += UInt64(count)
        }
        let code = lzma_code(stream, LZMA_RUN)
        if code == LZMA_STREAM_END {
            isFinished = true
        } else if code != LZMA_OK {
            throw owner.damaged(block, words(for: code))
        }
    }
}
