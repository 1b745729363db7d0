import SystemPackage

/// Bytes that can be read at any offset, and that know where they are certainly zero: a disk, a file, a part of one.
package protocol ByteSource: Sendable {
    /// Bytes.
    var size: UInt64 { get }

    /// Reads exactly `buffer.count` bytes at `offset`; `offset + buffer.count` is at most `size`.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws

    /// The next range at or after `offset` that may hold other bytes than zero; nil when only zeros follow.
    func nextData(from offset: UInt64) throws -> Range<UInt64>?
}

/// A file of the host as a byte source; its holes are known to be zero.
package struct FileSource: ByteSource {
    /// Open for reading as long as a copy of the source lives.
    package let file: OpenFile
    /// Bytes, as the file had them when it was opened.
    package let size: UInt64

    /// - Throws: `Failure` when the file cannot be opened.
    package init(_ path: FilePath) throws {
        file = try OpenFile.reading(path)
        size = try file.size()
    }

    /// - Throws: `Failure` when the file ends earlier or the read fails.
    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        try file.readExactly(at: offset, into: buffer)
    }

    /// What is no hole to the host's file system (``OpenFile/nextData(from:)``).
    ///
    /// - Throws: `Failure` when the file system cannot tell.
    package func nextData(from offset: UInt64) throws -> Range<UInt64>? { try file.nextData(from: offset) }
}

/// Takes bytes at any offset, from several threads at once and in no order.
package protocol ByteSink: Sendable {
    /// Takes all of `bytes`, which stand at `offset` (bytes) of the whole.
    func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws
}
