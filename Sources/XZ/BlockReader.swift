import Digests
import Storage

#if canImport(Glibc)
    import Glibc
#endif

/// A block of a source, as the writer needs it.
enum SourceBlock: Sendable {
    /// So many zeros.
    case zeros(Int)
    case data([UInt8])
}

/// Reads a source block by block on a thread of its own, and hashes it as a whole. Holes are not read.
actor BlockReader {
    private let executor = WorkThread("piforge.xz.reader")
    private let source: any ByteSource
    private let blockSize: Int
    private let hasher = SHA256Hasher()
    private var offset: UInt64 = 0
    /// The source's next range of data at or after `offset`; empty at its end when only zeros follow.
    private var data: Range<UInt64> = 0..<0
    private static let zeros = [UInt8](repeating: 0, count: 256 << 10)

    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    init(_ source: any ByteSource, blockSize: Int) {
        self.source = source
        self.blockSize = blockSize
    }

    /// The next block; nil at the end.
    func next() throws -> SourceBlock? {
        guard offset < source.size else { return nil }
        let range = offset..<min(offset + UInt64(blockSize), source.size)
        defer { offset = range.upperBound }
        try seek(range.lowerBound)
        guard data.lowerBound < range.upperBound else { return hashZeros(range.count) }
        let bytes = try read(range)
        if bytes.withUnsafeBytes(isZero) { return hashZeros(range.count) }
        hasher.update(bytes)
        return .data(bytes)
    }

    /// The digest of all that was read.
    func finalize() -> SHA256Digest { hasher.finalize() }

    private func hashZeros(_ count: Int) -> SourceBlock {
        var rest = count
        Self.zeros.withUnsafeBytes { zeros in
            while rest > 0 {
                let piece = min(rest, zeros.count)
                hasher.update(UnsafeRawBufferPointer(rebasing: zeros[..<piece]))
                rest -= piece
            }
        }
        return .zeros(count)
    }

    /// Moves `data` to the range of data that holds `position` or follows it.
    private func seek(_ position: UInt64) throws {
        guard data.upperBound <= position else { return }
        data = try source.nextData(from: position) ?? source.size..<source.size
    }

    private func read(_ range: Range<UInt64>) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            let buffer = UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: range.count)
            var position = range.lowerBound
            while position < range.upperBound {
                try seek(position)
                let start = min(max(data.lowerBound, position), range.upperBound)
                let end = min(max(data.upperBound, start), range.upperBound)
                zero(buffer, Int(position - range.lowerBound)..<Int(start - range.lowerBound))
                if start < end {
                    let part = buffer[Int(start - range.lowerBound)..<Int(end - range.lowerBound)]
                    try source.read(at: start, into: UnsafeMutableRawBufferPointer(rebasing: part))
                }
                position = end
            }
            count = range.count
        }
    }

    private func zero(_ buffer: UnsafeMutableRawBufferPointer, _ range: Range<Int>) {
        guard !range.isEmpty, let base = buffer.baseAddress else { return }
        memset(base + range.lowerBound, 0, range.count)
    }
}
