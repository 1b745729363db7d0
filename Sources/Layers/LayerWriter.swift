import Digests
import Storage

/// Writes one layer into a file, content as it comes. Belongs to one task.
package final class LayerWriter {
    private let file: OpenFile
    private var layer = Layer(name: "")
    private var offset: UInt64 = 0
    private var buffer: [UInt8] = []
    private static let bufferSize = 1 << 20

    init(file: OpenFile) { self.file = file }

    /// Adds an entry. Content that is at hand is stored; content in another file is copied.
    package func add(_ entry: Entry) throws {
        guard case .regular(let content) = entry.kind else {
            layer.entries.append(entry)
            return
        }
        try addFile(entry.path, entry.attributes) { sink in
            let reader = ContentReader()
            try reader.forEachChunk(of: content) { try sink.write($0) }
        }
    }

    /// Adds a regular file whose content `body` writes piece by piece.
    package func addFile(
        _ path: EntryPath, _ attributes: Attributes, _ body: (ContentSink) throws -> Void
    ) throws {
        let sink = ContentSink(writer: self)
        let start = offset + UInt64(buffer.count)
        try body(sink)
        let content = sink.content(.file(file.path, offset: start))
        layer.entries.append(Entry(path, attributes, .regular(content)))
    }

    /// Takes a path away from the layers below.
    package func addWhiteout(_ path: EntryPath) { layer.whiteouts.append(path) }

    fileprivate func append(_ bytes: UnsafeRawBufferPointer) throws {
        buffer.append(contentsOf: bytes)
        if buffer.count >= Self.bufferSize { try flush() }
    }

    /// Writes the buffer, leaving a hole where it is all zeros.
    private func flush() throws {
        let isZero = buffer.withUnsafeBytes { bytes in bytes.allSatisfy { $0 == 0 } }
        if !isZero { try file.write(at: offset, buffer) }
        offset += UInt64(buffer.count)
        buffer.removeAll(keepingCapacity: true)
    }

    func finish() throws {
        try flush()
        let index = LayerIndex.encode(layer, locatingContent: true)
        var footer = ByteWriter()
        footer.integer(UInt64(index.count))
        footer.bytes += SHA256Digest.of(index).bytes
        footer.bytes += LayerStore.magic
        footer.integer(UInt32(LayerStore.formatVersion))
        footer.integer(UInt32(0))
        try file.write(at: offset, index)
        try file.write(at: offset + UInt64(index.count), footer.bytes)
    }
}

/// Takes one regular file's content on its way into a layer, counting and hashing it.
package final class ContentSink {
    private let writer: LayerWriter
    private var summer = ContentSummer()
    /// Bytes so far.
    package var size: UInt64 { summer.size }

    fileprivate init(writer: LayerWriter) { self.writer = writer }

    /// Adds bytes at the content's end.
    ///
    /// - Throws: `Failure` when the layer's file cannot be written.
    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        summer.add(bytes)
        try writer.append(bytes)
    }

    /// As ``write(_:)-(UnsafeRawBufferPointer)``.
    package func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

    fileprivate func content(_ source: ContentSource) -> Content { summer.content(source) }
}
