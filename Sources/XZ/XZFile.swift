import CLZMA
import Diagnostics
import Digests
import Storage
import SystemPackage

/// One block of an .xz file, as the index describes it.
package struct XZBlock: Sendable, Hashable {
    /// Counted from 0 through all streams of the file.
    package var number: Int
    /// Where the block starts in the file, in bytes.
    package var offset: UInt64
    /// Its header, data and check, without the padding, in bytes.
    package var unpaddedSize: UInt64
    /// Where its data starts in the unpacked file, in bytes.
    package var uncompressedOffset: UInt64
    /// What it unpacks to, in bytes.
    package var uncompressedSize: UInt64
    /// The id of its check: 0 none, 1 CRC32, 4 CRC64, 10 SHA-256 (xz file format 1.2.0, section 2.1.1.2).
    package var check: Int
}

/// An .xz file that was opened and whose structure is sound: every stream's header, index and footer (xz file format 1.2.0). The blocks
/// themselves are checked when they are read.
package struct XZFile: Sendable {
    /// What the index of a file may take in memory; it has room for some 700,000 blocks.
    static let indexMemory: UInt64 = 16 << 20
    static let headerSize: UInt64 = 12

    /// As it was given.
    package let path: FilePath
    /// Bytes of the .xz file.
    package let size: UInt64
    /// Bytes that it unpacks to.
    package let uncompressedSize: UInt64
    /// Of all streams, in the file's order; a file that unpacks to nothing may have none.
    package let blocks: [XZBlock]
    /// How many streams stand one after the other in it.
    package let streams: Int
    let file: OpenFile

    /// Opens a file and reads its structure, from its end on.
    ///
    /// - Throws: `Failure` when it is not an .xz file, is truncated, has trailing garbage, has a check that liblzma does not know,
    ///   or is damaged outside of its blocks.
    package init(_ path: FilePath) throws {
        do { try self.init(locatingFaultsOf: path) } catch let fault as XZFault { throw fault.failure }
    }

    /// As ``init(_:)``, but says where a fault lies.
    ///
    /// - Throws: ``XZFault`` for what is wrong with the file's structure; `Failure` when it cannot be read.
    package init(locatingFaultsOf path: FilePath) throws {
        let file = try OpenFile.reading(path)
        let size = try file.size()
        let start = try file.bytes(at: 0, count: Int(min(size, Self.headerSize)))
        guard PackedFormat(start: start) == .xz else {
            let failure = Failure(
                at: path.string, "this is not an .xz file", expected: "fd 37 7a 58 5a 00 at its start",
                found: start.isEmpty ? "an empty file" : start.prefix(6).map { encodeHex([$0]) }.joined(separator: " "))
            throw XZFault(failure, in: "the stream's header", 0..<UInt64(start.count))
        }
        let parsed: [XZStreamIndex]
        do { parsed = try Self.streams(of: file, size) } catch is BrokenStructure {
            throw diagnose(file, size)
        }
        var blocks: [XZBlock] = []
        var uncompressed: UInt64 = 0
        for stream in parsed {
            for entry in stream.entries {
                blocks.append(
                    XZBlock(
                        number: blocks.count, offset: stream.offset + entry.offset, unpaddedSize: entry.unpaddedSize,
                        uncompressedOffset: uncompressed, uncompressedSize: entry.uncompressedSize, check: stream.check)
                )
                let (sum, overflow) = uncompressed.addingReportingOverflow(entry.uncompressedSize)
                guard !overflow, sum <= UInt64(Int64.max) else {
                    throw Failure(at: path.string, "the .xz file claims to unpack to more than 2^63 bytes")
                }
                uncompressed = sum
            }
        }
        self.path = path
        self.file = file
        self.size = size
        self.blocks = blocks
        self.streams = parsed.count
        uncompressedSize = uncompressed
    }

    /// Walks back from the file's end, stream by stream; the first stream comes first in the result.
    private static func streams(of file: OpenFile, _ size: UInt64) throws -> [XZStreamIndex] {
        var found: [XZStreamIndex] = []
        var end = size
        while end > 0 {
            end = try skipPadding(in: file, before: end)
            let index = try XZStreamIndex(in: file, endingAt: end, after: found.reduce(0) { $0 + $1.entries.count })
            found.append(index)
            end = index.offset
        }
        return found.reversed()
    }

    /// Stream padding: zeros, a multiple of four (section 2.2).
    private static func skipPadding(in file: OpenFile, before end: UInt64) throws -> UInt64 {
        var end = end
        guard end % 4 == 0 else { throw BrokenStructure() }
        while end >= 2 * headerSize {
            let count = Int(min(64 << 10, end))
            let bytes = try file.bytes(at: end - UInt64(count), count: count)
            let zeros = bytes.reversed().prefix { $0 == 0 }.count / 4 * 4
            end -= UInt64(zeros)
            if zeros < count { return end }
        }
        throw BrokenStructure()
    }
}

/// What is wrong with an .xz file's structure, and where.
package struct XZFault: Error, Sendable {
    /// What ``XZFile/init(_:)`` throws.
    package let failure: Failure
    /// The part of the format that is not as it must be, in words.
    package let part: String
    /// Where the first bad byte is, in bytes of the .xz file; empty, at its end, when bytes are missing there.
    package let range: Range<UInt64>

    init(_ failure: Failure, in part: String, _ range: Range<UInt64>) {
        self.failure = failure
        self.part = part
        self.range = range
    }
}

/// The structure cannot be read from the end; the reason must be looked for from the start.
struct BrokenStructure: Error {}

/// The index of one stream, found from the stream's end.
struct XZStreamIndex {
    struct Entry {
        /// From the stream's start, in bytes.
        var offset: UInt64
        var unpaddedSize: UInt64
        var uncompressedSize: UInt64
    }

    /// Where the stream starts in the file.
    let offset: UInt64
    let check: Int
    let entries: [Entry]

    /// - Parameter known: entries of the streams behind this one, which share the limit.
    /// - Throws: ``BrokenStructure`` when no whole stream ends there; ``XZFault`` where the reason is plain.
    init(in file: OpenFile, endingAt end: UInt64, after known: Int) throws {
        let place = file.path.string
        guard end >= 2 * XZFile.headerSize else { throw BrokenStructure() }
        var footer = lzma_stream_flags()
        let footerBytes = try file.bytes(at: end - XZFile.headerSize, count: Int(XZFile.headerSize))
        guard lzma_stream_footer_decode(&footer, footerBytes) == LZMA_OK else { throw BrokenStructure() }
        let indexEnd = end - XZFile.headerSize
        guard footer.backward_size <= indexEnd - XZFile.headerSize else { throw BrokenStructure() }
        let indexOffset = indexEnd - footer.backward_size

        let room = XZFile.indexMemory - min(XZFile.indexMemory, UInt64(known) * 24)
        func indexFault(_ failure: Failure) -> XZFault { XZFault(failure, in: "the index", indexOffset..<indexEnd) }
        let tooLarge = indexFault(
            Failure(
                at: place, "the index is too large", expected: "at most \(XZFile.indexMemory >> 20) MiB of memory"))
        guard footer.backward_size <= room else { throw tooLarge }
        let bytes = try file.bytes(at: indexOffset, count: Int(footer.backward_size))
        var decoded: OpaquePointer?
        var memory = room
        var position = 0
        let code = lzma_index_buffer_decode(&decoded, &memory, nil, bytes, &position, bytes.count)
        guard code != LZMA_MEMLIMIT_ERROR else { throw tooLarge }
        guard code == LZMA_OK, position == bytes.count, let decoded else {
            throw indexFault(
                Failure(at: place, "the index is damaged", found: "damaged data at byte \(indexOffset)"))
        }
        defer { lzma_index_end(decoded, nil) }

        let size = lzma_index_stream_size(decoded)
        guard size <= end else { throw BrokenStructure() }
        offset = end - size
        var header = lzma_stream_flags()
        let headerBytes = try file.bytes(at: offset, count: Int(XZFile.headerSize))
        guard lzma_stream_header_decode(&header, headerBytes) == LZMA_OK else { throw BrokenStructure() }
        guard lzma_stream_flags_compare(&header, &footer) == LZMA_OK else {
            let failure = Failure(
                at: place, "the stream's header and footer do not fit together", found: "a stream at byte \(offset)")
            throw XZFault(failure, in: "the stream's header", offset..<offset + XZFile.headerSize)
        }
        check = Int(header.check.rawValue)
        guard lzma_check_is_supported(header.check) != 0 else {
            throw Failure(
                at: place, "the .xz file has a check that liblzma \(liblzmaVersion()) does not support",
                expected: "none (0), CRC32 (1), CRC64 (4) or SHA-256 (10)", found: "check \(check)")
        }

        var entries: [Entry] = []
        var iterator = lzma_index_iter()
        lzma_index_iter_init(&iterator, decoded)
        while lzma_index_iter_next(&iterator, LZMA_INDEX_ITER_BLOCK) == 0 {
            entries.append(
                Entry(
                    offset: iterator.block.compressed_file_offset, unpaddedSize: iterator.block.unpadded_size,
                    uncompressedSize: iterator.block.uncompressed_size))
        }
        self.entries = entries
    }
}
