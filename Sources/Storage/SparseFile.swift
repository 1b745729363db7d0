#if canImport(Glibc)
    import Glibc
#endif

/// A file of the host that reads as zeros where nothing was written; zeros that are written become holes.
package struct SparseFile: ByteSink {
    /// Runs of zeros of this many bytes are left out.
    private static let unit = 64 << 10

    /// Its size is the caller's to set: zeros at its end are not written.
    package let file: OpenFile

    /// - Parameter file: open for writing, all zeros so far.
    package init(_ file: OpenFile) { self.file = file }

    /// Writes what is not zero, in units of 64 KiB of the bytes given.
    package func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws {
        var start = 0
        while start < bytes.count {
            var end = start
            while end < bytes.count, Self.isHole(bytes, end) { end = min(end + Self.unit, bytes.count) }
            start = end
            while end < bytes.count, !Self.isHole(bytes, end) { end = min(end + Self.unit, bytes.count) }
            if start < end {
                try file.write(at: offset + UInt64(start), UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            }
            start = end
        }
    }

    /// Whether the unit that begins at `start` is all zeros.
    private static func isHole(_ bytes: UnsafeRawBufferPointer, _ start: Int) -> Bool {
        isZero(UnsafeRawBufferPointer(rebasing: bytes[start..<min(start + unit, bytes.count)]))
    }
}
