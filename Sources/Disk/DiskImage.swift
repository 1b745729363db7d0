import Diagnostics
import Storage
import SystemPackage

/// A whole disk as one sparse stream that is never materialised: pieces at their offsets, zeros between them.
package struct DiskImage: ByteSource {
    /// A piece of the disk.
    private struct Segment {
        var start: UInt64
        var source: any ByteSource
        var end: UInt64 { start + source.size }
    }

    /// Bytes.
    package let size: UInt64
    /// The table in its first sector.
    package let table: PartitionTable
    /// In disk order, without overlap.
    private let segments: [Segment]

    /// - Parameters:
    ///   - contents: the content of each of the table's partitions; at most as long as the partition.
    ///   - size: bytes; nil: as much as the partitions need, a multiple of 4 MiB.
    /// - Throws: `Failure` when the table is not valid on that disk, or a content does not fit its partition.
    package init(_ table: PartitionTable, contents: [any ByteSource], size: UInt64? = nil) throws {
        let size = size ?? table.diskSize
        let sector = table.encoded()
        self.table = try PartitionTable(decoding: sector, diskSize: size, place: "disk")
        guard contents.count == table.partitions.count else {
            throw Failure(
                at: "disk", "not every partition has its content", expected: "\(table.partitions.count)",
                found: "\(contents.count)")
        }
        self.size = size
        var segments = [Segment(start: 0, source: BytesSource(sector))]
        for (number, (partition, content)) in zip(table.partitions, contents).enumerated() {
            guard content.size <= partition.size else {
                throw Failure(
                    at: "disk", "the content of partition \(number + 1) is longer than the partition",
                    expected: "at most \(partition.size) bytes", found: "\(content.size)")
            }
            segments.append(Segment(start: partition.offset, source: content))
        }
        self.segments = segments.sorted { $0.start < $1.start }
    }

    /// Reads across the pieces; what lies between them and behind the last one is zero.
    ///
    /// - Throws: what a piece's source throws.
    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        var position = offset
        let end = offset + UInt64(buffer.count)
        func part(to next: UInt64) -> UnsafeMutableRawBufferPointer {
            UnsafeMutableRawBufferPointer(rebasing: buffer[Int(position - offset)..<Int(next - offset)])
        }
        for segment in segments where segment.end > position && segment.start < end {
            if segment.start > position {
                part(to: segment.start).initializeMemory(as: UInt8.self, repeating: 0)
                position = segment.start
            }
            let next = min(end, segment.end)
            try segment.source.read(at: position - segment.start, into: part(to: next))
            position = next
        }
        if position < end { part(to: end).initializeMemory(as: UInt8.self, repeating: 0) }
    }

    /// The pieces' holes, and all that lies between pieces, count as zeros. A range lies in one piece.
    ///
    /// - Throws: what a piece's source throws.
    package var isComposed: Bool { segments.contains { $0.source.isComposed } }

    package func compose(_ range: Range<UInt64>, at position: UInt64, into composition: Composition) throws {
        for segment in segments where segment.end > range.lowerBound && segment.start < range.upperBound {
            let part = range.clamped(to: segment.start..<segment.end)
            try segment.source.compose(
                part.lowerBound - segment.start..<part.upperBound - segment.start,
                at: position + part.lowerBound - range.lowerBound, into: composition)
        }
    }

    package func nextData(from offset: UInt64) throws -> Range<UInt64>? {
        for segment in segments where segment.end > offset {
            let from = max(offset, segment.start) - segment.start
            guard let found = try segment.source.nextData(from: from) else { continue }
            // A file's last data may reach beyond the size it had when it was opened.
            let end = min(segment.start + found.upperBound, segment.end)
            if segment.start + found.lowerBound < end { return segment.start + found.lowerBound..<end }
        }
        return nil
    }
}

/// Bytes at hand as a byte source.
struct BytesSource: ByteSource {
    private let bytes: [UInt8]

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var size: UInt64 { UInt64(bytes.count) }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        buffer.copyBytes(from: bytes[Int(offset)..<Int(offset) + buffer.count])
    }

    func nextData(from offset: UInt64) throws -> Range<UInt64>? { offset < size ? offset..<size : nil }
}

extension ByteSource {
    /// Writes the source out as a sparse file, whole or not at all.
    ///
    /// - Throws: `Failure` naming the file; `CancellationError`.
    package func write(to path: FilePath) throws {
        try writeAtomically(to: path) { (file: OpenFile) throws in
            try file.truncate(to: size)
            var buffer = [UInt8](repeating: 0, count: 1 << 20)
            var position: UInt64 = 0
            while let data = try nextData(from: position) {
                position = data.lowerBound
                while position < data.upperBound {
                    try Task.checkCancellation()
                    let count = Int(min(UInt64(buffer.count), data.upperBound - position))
                    try buffer.withUnsafeMutableBytes {
                        let piece = UnsafeMutableRawBufferPointer(rebasing: $0[..<count])
                        try read(at: position, into: piece)
                        try file.write(at: position, UnsafeRawBufferPointer(piece))
                    }
                    position += UInt64(count)
                }
            }
        }
    }
}
