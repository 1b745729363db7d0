import Digests

/// What a range of a source is made of: content that lies elsewhere, by its digest, and bytes. Two ranges with the same composition
/// hold the same bytes. Belongs to one task.
package struct Composition {
    private let hasher = KeyHasher(purpose: "composition")
    private static let unit = 4096

    /// - Parameter size: how long the range is, in bytes.
    package init(size: UInt64) { hasher.add(size) }

    /// Adds a stretch of content.
    ///
    /// - Parameters:
    ///   - digest: of the whole content.
    ///   - offset: where the stretch begins in it, in bytes.
    ///   - position: where it begins in the range, in bytes.
    ///   - count: bytes.
    package func add(content digest: SHA256Digest, from offset: UInt64, at position: UInt64, count: UInt64) {
        // Positions, which begin the other parts, are decimal numbers.
        var part = Array("content".utf8) + digest.bytes
        for number in [offset, position, count] {
            withUnsafeBytes(of: number.littleEndian) { part.append(contentsOf: $0) }
        }
        hasher.add(part)
    }

    /// Adds bytes. Zeros count as nothing where they fill a stretch of 4096 bytes of the range.
    ///
    /// - Parameter position: where they begin in the range, in bytes.
    package func add(_ bytes: UnsafeRawBufferPointer, at position: UInt64) {
        var start = 0
        while start < bytes.count {
            let rest = Self.unit - Int((position + UInt64(start)) % UInt64(Self.unit))
            let piece = UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + rest, bytes.count)])
            if !isZero(piece) {
                hasher.add(position + UInt64(start))
                hasher.add(Array(piece))
            }
            start += piece.count
        }
    }

    /// Adds a range of a source by reading it.
    ///
    /// - Parameter position: where it begins in the composed range, in bytes.
    /// - Throws: what the source throws.
    package func add(_ source: some ByteSource, _ range: Range<UInt64>, at position: UInt64) throws {
        var buffer = [UInt8](repeating: 0, count: min(256 << 10, range.count))
        var next = range.lowerBound
        while next < range.upperBound, let data = try source.nextData(from: next), data.lowerBound < range.upperBound {
            next = data.lowerBound
            while next < min(data.upperBound, range.upperBound) {
                let count = Int(min(UInt64(buffer.count), min(data.upperBound, range.upperBound) - next))
                try buffer.withUnsafeMutableBytes {
                    let piece = UnsafeMutableRawBufferPointer(rebasing: $0[..<count])
                    try source.read(at: next, into: piece)
                    add(UnsafeRawBufferPointer(piece), at: position + next - range.lowerBound)
                }
                next += UInt64(count)
            }
        }
    }

    package func finalize() -> SHA256Digest { hasher.finalize() }
}

extension ByteSource {
    /// The composition of a range, in bytes; nil of a source that knows no more than its bytes.
    ///
    /// - Throws: what the source throws.
    package func composition(of range: Range<UInt64>) throws -> SHA256Digest? {
        guard isComposed else { return nil }
        let composition = Composition(size: UInt64(range.count))
        try compose(range, at: 0, into: composition)
        return composition.finalize()
    }
}
