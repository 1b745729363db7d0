import SystemPackage

/// Bytes that can be read at any offset, and that know where they are certainly zero: a disk, a file, a part of one.
package protocol ByteSource: Sendable {
    /// Bytes.
    var size: UInt64 { get }

    /// Reads exactly `buffer.count` bytes at `offset`; `offset + buffer.count` is at most `size`.
    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws

    /// The next range at or after `offset` that may hold other bytes than zero; nil when only zeros follow.
    func nextData(from offset: UInt64) throws -> Range<UInt64>?

    /// Whether some of its bytes are content with a digest, so that its composition is known before they are read.
    var isComposed: Bool { get }

    /// Adds what a range is made of, which begins at `position` of the composed range; all in bytes.
    func compose(_ range: Range<UInt64>, at position: UInt64, into composition: Composition) throws
}

extension ByteSource {
    package var isComposed: Bool { false }

    package func compose(_ range: Range<UInt64>, at position: UInt64, into composition: Composition) throws {
        try composition.add(self, range, at: position)
    }
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

extension ByteSource {
    /// As ``read(at:into:)``, and what is known to be zero is not read.
    package func readData(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        let end = offset + UInt64(buffer.count)
        var position = offset
        while position < end {
            let data = try nextData(from: position)?.clamped(to: position..<end) ?? end..<end
            let start = data.isEmpty ? end : data.lowerBound
            let hole = buffer[Int(position - offset)..<Int(start - offset)]
            UnsafeMutableRawBufferPointer(rebasing: hole).initializeMemory(as: UInt8.self, repeating: 0)
            guard start < end else { return }
            let piece = buffer[Int(start - offset)..<Int(data.upperBound - offset)]
            try read(at: start, into: UnsafeMutableRawBufferPointer(rebasing: piece))
            position = data.upperBound
        }
    }
}
