import Diagnostics
import Digests
import Storage
import SystemPackage

/// Where layers are kept: one file a layer, named by the key of what went into it.
///
///     content of the regular files, one after the other (runs of zeros are holes)
///     index             as in `LayerIndex`
///     footer            index length u64 · SHA-256 of the index · "PIFLAYER" u32 version · padding to 56 bytes
public struct LayerStore: Sendable {
    /// The layout's version; part of every layer's key.
    public static let formatVersion = 1

    static let footerLength = 56
    static let magic = Array("PIFLAYER".utf8)

    /// The folder of the layer files.
    public let folder: FilePath

    /// - Throws: `Failure` when the folder cannot be created.
    public init(folder: FilePath) throws {
        try createFolder(folder)
        self.folder = folder
    }

    /// The file a layer of this key has, or would have.
    public func path(of key: SHA256Digest) -> FilePath { folder.appending("\(key.hex).layer") }

    /// The stored layer; nil when there is none, or when the file's index is damaged (it is then removed).
    public func layer(_ key: SHA256Digest, name: String) throws -> Layer? {
        let path = path(of: key)
        guard exists(path) else { return nil }
        do { return try Self.read(path, name: name) } catch is Failure {
            removeTree(path)
            return nil
        }
    }

    /// The stored layer, made with `body` where it is not stored yet.
    ///
    /// - Throws: what `body` throws; nothing is stored then.
    public func layer(
        _ key: SHA256Digest, name: String, make body: (LayerWriter) throws -> Void
    ) throws -> Layer {
        if let stored = try layer(key, name: name) { return stored }
        let path = path(of: key)
        try writeAtomically(to: path) { file in
            let writer = LayerWriter(file: file)
            try body(writer)
            try writer.finish()
        }
        return try Self.read(path, name: name)
    }

    /// As ``layer(_:name:make:)``, for a body that suspends.
    public func layer(
        _ key: SHA256Digest, name: String, making body: (LayerWriter) async throws -> Void
    ) async throws -> Layer {
        if let stored = try layer(key, name: name) { return stored }
        let path = path(of: key)
        try await writeAtomically(to: path) { file in
            let writer = LayerWriter(file: file)
            try await body(writer)
            try writer.finish()
        }
        return try Self.read(path, name: name)
    }

    /// Stores a layer under a key, its content with it.
    ///
    /// - Returns: the layer as it is stored.
    public func store(_ layer: Layer, as key: SHA256Digest) throws -> Layer {
        try self.layer(key, name: layer.name) { writer in
            for path in layer.whiteouts { writer.addWhiteout(path) }
            for entry in layer.entries { try writer.add(entry) }
        }
    }

    /// Reads a layer file's index and checks it against its digest.
    static func read(_ path: FilePath, name: String) throws -> Layer {
        let file = try OpenFile.reading(path)
        let size = try file.size()
        func damaged(_ what: String) -> Failure { Failure(at: path.string, "the layer file is damaged: \(what)") }
        guard size >= UInt64(footerLength) else { throw damaged("it is too short") }
        let footer = try file.bytes(at: size - UInt64(footerLength), count: footerLength)
        guard Array(footer[40..<48]) == magic else { throw damaged("it has no footer") }
        guard footer[48] == UInt8(formatVersion) else { throw damaged("it has format \(footer[48])") }
        let length = footer.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
        guard length <= size - UInt64(footerLength), length <= 1 << 30 else { throw damaged("its index is too long") }
        let index = try file.bytes(at: size - UInt64(footerLength) - length, count: Int(length))
        guard SHA256Digest.of(index).bytes == Array(footer[8..<40]) else { throw damaged("its index has changed") }
        return try LayerIndex.decode(index, name: name, file: path)
    }
}

/// Writes one layer into a file, content as it comes. Belongs to one task.
public final class LayerWriter {
    private let file: OpenFile
    private var layer = Layer(name: "")
    private var offset: UInt64 = 0
    private var buffer: [UInt8] = []
    private static let bufferSize = 1 << 20

    init(file: OpenFile) { self.file = file }

    /// Adds an entry. Content that is at hand is stored; content in another file is copied.
    public func add(_ entry: Entry) throws {
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
    public func addFile(
        _ path: EntryPath, _ attributes: Attributes, _ body: (ContentSink) throws -> Void
    ) throws {
        let sink = ContentSink(writer: self)
        let start = offset + UInt64(buffer.count)
        try body(sink)
        let content = Content(size: sink.size, digest: sink.finalize(), source: .file(file.path, offset: start))
        layer.entries.append(Entry(path, attributes, .regular(content)))
    }

    /// Takes a path away from the layers below.
    public func addWhiteout(_ path: EntryPath) { layer.whiteouts.append(path) }

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
public final class ContentSink {
    private let writer: LayerWriter
    private let hasher = SHA256Hasher()
    /// Bytes so far.
    public private(set) var size: UInt64 = 0

    fileprivate init(writer: LayerWriter) { self.writer = writer }

    public func write(_ bytes: UnsafeRawBufferPointer) throws {
        hasher.update(bytes)
        size += UInt64(bytes.count)
        try writer.append(bytes)
    }

    public func write(_ bytes: [UInt8]) throws { try bytes.withUnsafeBytes { try write($0) } }

    fileprivate func finalize() -> SHA256Digest { hasher.finalize() }
}
