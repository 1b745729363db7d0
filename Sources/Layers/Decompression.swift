import CArchive
import Diagnostics

/// Undoes gzip, xz, zstd, bzip2, lzma and lz4 of bytes at hand, through libarchive.
package enum Decompression {
    /// The bytes before compression; bytes that are not compressed come back as they are.
    ///
    /// - Parameters:
    ///   - place: what the bytes are, for the error's first words.
    ///   - limit: the most bytes that come out.
    /// - Throws: `Failure` when the bytes are damaged, cut short, or more than `limit` come out.
    package static func bytes(of compressed: [UInt8], place: String, limit: Int = 256 << 20) throws -> [UInt8] {
        if compressed.isEmpty { return [] }
        let stream = try DecompressionStream(place: place)
        return try compressed.withUnsafeBytes { try stream.read($0, limit: limit) }
    }
}

/// One libarchive reader over bytes at hand.
private final class DecompressionStream {
    private let archive: OpaquePointer
    private let place: String

    init(place: String) throws {
        guard let archive = archive_read_new() else { throw Failure(at: place, "out of memory") }
        self.archive = archive
        self.place = place
        archive_read_support_filter_all(archive)
        archive_read_support_format_raw(archive)
    }

    deinit { archive_read_free(archive) }

    func read(_ compressed: UnsafeRawBufferPointer, limit: Int) throws -> [UInt8] {
        var entry: OpaquePointer?
        guard archive_read_open_memory(archive, compressed.baseAddress, compressed.count) == ARCHIVE_OK else {
            throw failure()
        }
        let status = archive_read_next_header(archive, &entry)
        if status == ARCHIVE_EOF { return [] }
        guard status == ARCHIVE_OK else { throw failure() }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 18)
        while true {
            let count = piece.withUnsafeMutableBytes { archive_read_data(archive, $0.baseAddress, $0.count) }
            if count == 0 { return bytes }
            guard count > 0 else { throw failure() }
            guard bytes.count + count <= limit else {
                throw Failure(at: place, "the decompressed file is too large", expected: "at most \(limit) bytes")
            }
            bytes += piece[..<count]
        }
    }

    private func failure() -> Failure {
        let reason = archive_error_string(archive).map { String(cString: $0) } ?? "unknown error"
        return Failure(at: place, "could not decompress: \(reason)")
    }
}
