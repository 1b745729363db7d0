import Digests
import SystemPackage

extension SHA256Digest {
    /// The SHA-256 of a file of this machine.
    ///
    /// - Throws: `Failure` when it cannot be read; `CancellationError`.
    package static func of(file path: FilePath) throws -> SHA256Digest {
        let file = try OpenFile.reading(path)
        return try of(file, size: try file.size())
    }

    /// The SHA-256 of an open file's first bytes.
    ///
    /// - Parameter size: how many of them; the file has so many.
    package static func of(_ file: OpenFile, size: UInt64) throws -> SHA256Digest {
        let hasher = SHA256Hasher()
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
        defer { buffer.deallocate() }
        var offset: UInt64 = 0
        while offset < size {
            try Task.checkCancellation()
            let piece = UnsafeMutableRawBufferPointer(
                rebasing: buffer[..<Int(min(UInt64(buffer.count), size - offset))])
            try file.readExactly(at: offset, into: piece)
            hasher.update(UnsafeRawBufferPointer(piece))
            offset += UInt64(piece.count)
        }
        return hasher.finalize()
    }
}
