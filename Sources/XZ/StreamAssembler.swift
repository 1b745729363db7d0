import CLZMA
import Diagnostics
import Digests
import Storage

/// Writes one .xz stream into a file out of blocks that are compressed already, and hashes the file.
///
///     stream header | block … | index | stream footer       (xz file format 1.2.0, section 2.1)
final class StreamAssembler {
    private let file: OpenFile
    private let index: OpaquePointer
    private let hasher = SHA256Hasher()
    /// Bytes written so far.
    private(set) var size: UInt64 = 0

    init(_ file: OpenFile) throws {
        guard let index = lzma_index_init(nil) else { throw Failure(at: "xz", "there is no memory left for the index") }
        self.file = file
        self.index = index
        var flags = Self.flags
        var header = [UInt8](repeating: 0, count: Int(LZMA_STREAM_HEADER_SIZE))
        try check(lzma_stream_header_encode(&flags, &header))
        try append(header)
    }

    deinit { lzma_index_end(index, nil) }

    func append(_ block: PackedBlock) throws {
        try check(lzma_index_append(index, nil, block.unpaddedSize, block.uncompressedSize))
        switch block {
        case .encoded(let block): try append(block.bytes)
        case .stored(let block): try append(block)
        }
    }

    /// The kernel copies the bytes; here they are hashed alone.
    private func append(_ block: StoredBlock) throws {
        try block.file.forEachPiece(of: 0..<block.length) { hasher.update($0) }
        try file.copy(0..<block.length, of: block.file, to: size)
        file.beginWriting(size..<size + block.length)
        size += block.length
    }

    /// Writes index and footer.
    ///
    /// - Returns: the digest of the whole file.
    func finish() throws -> SHA256Digest {
        var flags = Self.flags
        flags.backward_size = lzma_index_size(index)
        var bytes = [UInt8](repeating: 0, count: Int(flags.backward_size))
        var position = 0
        try check(lzma_index_buffer_encode(index, &bytes, &position, bytes.count))
        try append(bytes)
        var footer = [UInt8](repeating: 0, count: Int(LZMA_STREAM_HEADER_SIZE))
        try check(lzma_stream_footer_encode(&flags, &footer))
        try append(footer)
        return hasher.finalize()
    }

    private static var flags: lzma_stream_flags {
        var flags = lzma_stream_flags()
        flags.version = 0
        flags.check = LZMA_CHECK_CRC64
        return flags
    }

    private func append(_ bytes: [UInt8]) throws {
        try file.write(at: size, bytes)
        hasher.update(bytes)
        size += UInt64(bytes.count)
    }

    private func check(_ code: lzma_ret) throws {
        guard code == LZMA_OK else {
            throw Failure(at: file.path.string, "the .xz stream could not be written", found: words(for: code))
        }
    }
}
