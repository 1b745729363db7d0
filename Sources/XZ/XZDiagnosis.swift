import CLZMA
import Diagnostics
import Storage

/// Reads a file from its start, as a stream, to find out why it cannot be read from its end.
///
/// - Returns: an ``XZFault``; a `Failure` when the file cannot be read; `CancellationError`.
func diagnose(_ file: OpenFile, _ size: UInt64) -> any Error {
    do { return try StreamWalk(file, size).firstFault() } catch { return error }
}

/// Decodes streams one after the other and throws what they unpack to away.
private final class StreamWalk {
    private static let memoryLimit: UInt64 = 128 << 20
    private let file: OpenFile
    private let size: UInt64
    private let stream: UnsafeMutablePointer<lzma_stream>
    private var input = [UInt8](repeating: 0, count: 256 << 10)
    private var output = [UInt8](repeating: 0, count: 256 << 10)

    init(_ file: OpenFile, _ size: UInt64) {
        self.file = file
        self.size = size
        stream = .allocate(capacity: 1)
        stream.initialize(to: lzma_stream())
    }

    deinit {
        lzma_end(stream)
        stream.deallocate()
    }

    func firstFault() throws -> XZFault {
        var start: UInt64 = 0
        var unpacked: UInt64 = 0
        while true {
            let (code, length, out) = try decodeStream(at: start)
            unpacked += out
            switch code {
            case LZMA_STREAM_END: break
            case LZMA_OK, LZMA_BUF_ERROR: return truncated()
            default: return damaged(code, start: start, length, unpacked)
            }
            let end = start + length
            start = try skipZeros(from: end)
            if start == size {
                // Only zeros follow, and they are no multiple of four, or else the file would have been read from its end.
                return trailing(from: end)
            }
            let next = try file.bytes(at: start, count: Int(min(6, size - start)))
            guard (start - end) % 4 == 0, PackedFormat(start: next) == .xz else {
                return trailing(from: end)
            }
        }
    }

    /// - Returns: liblzma's last word, the bytes of the file that it took, and the bytes that they unpack to.
    private func decodeStream(at start: UInt64) throws -> (lzma_ret, UInt64, UInt64) {
        var code = lzma_stream_decoder(stream, Self.memoryLimit, 0)
        var offset = start
        while code == LZMA_OK {
            try Task.checkCancellation()
            let count = try input.withUnsafeMutableBytes { buffer in
                let count = Int(min(UInt64(buffer.count), size - offset))
                try file.readExactly(at: offset, into: UnsafeMutableRawBufferPointer(rebasing: buffer[..<count]))
                return count
            }
            offset += UInt64(count)
            let isEnd = offset == size
            code = input.withUnsafeBufferPointer { input in
                stream.pointee.next_in = input.baseAddress
                stream.pointee.avail_in = count
                var code = LZMA_OK
                repeat {
                    code = output.withUnsafeMutableBufferPointer { output in
                        stream.pointee.next_out = output.baseAddress
                        stream.pointee.avail_out = output.count
                        return lzma_code(stream, isEnd ? LZMA_FINISH : LZMA_RUN)
                    }
                } while code == LZMA_OK && (stream.pointee.avail_in > 0 || stream.pointee.avail_out == 0)
                stream.pointee.next_in = nil
                return code
            }
            if isEnd, code == LZMA_OK { code = LZMA_BUF_ERROR }
        }
        return (code, stream.pointee.total_in, stream.pointee.total_out)
    }

    private func skipZeros(from start: UInt64) throws -> UInt64 {
        var offset = start
        while offset < size {
            let bytes = try file.bytes(at: offset, count: Int(min(64 << 10, size - offset)))
            let zeros = bytes.prefix { $0 == 0 }.count
            offset += UInt64(zeros)
            if zeros < bytes.count { break }
        }
        return offset
    }

    private func truncated() -> XZFault {
        let failure = Failure(
            at: file.path.string, "the .xz file is truncated", expected: "an index and a footer at its end",
            found: "the end of the file after \(size) bytes", next: "fetch or write the file again")
        return XZFault(failure, in: "the end of the file", size..<size)
    }

    private func trailing(from end: UInt64) -> XZFault {
        let failure = Failure(
            at: file.path.string, "the .xz file has trailing garbage", expected: "its end after \(end) bytes",
            found: "\(size - end) more bytes")
        return XZFault(failure, in: "what follows the last stream", end..<size)
    }

    private func damaged(_ code: lzma_ret, start: UInt64, _ length: UInt64, _ unpacked: UInt64) -> XZFault {
        let offset = start + length
        if length <= XZFile.headerSize {
            let failure = Failure(
                at: file.path.string, "the header of an .xz stream cannot be read",
                found: "\(words(for: code)) at byte \(offset)")
            return XZFault(failure, in: "the stream's header", start..<min(start + XZFile.headerSize, size))
        }
        let failure = Failure(
            at: file.path.string, "the .xz file is damaged",
            found: "\(words(for: code)) at byte \(offset), \(unpacked) bytes into the unpacked file")
        // Had the footer been whole, the index would have been found through it.
        let footer = size - min(size, XZFile.headerSize)
        if offset > footer { return XZFault(failure, in: "the stream's footer", footer..<size) }
        // A decoder finds out before the end of the LZMA2 chunk that it is in.
        let first = max(start + XZFile.headerSize, offset - min(offset, BlockDamage.longestChunk))
        return XZFault(failure, in: "the blocks", first..<offset)
    }
}
