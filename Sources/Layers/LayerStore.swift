import Diagnostics
import Digests
import Storage
import SystemPackage

/// Where layers are kept: one file a layer, named by the key of what went into it.
///
///     content of the regular files, one after the other (runs of zeros are holes)
///     index             as in `LayerIndex`
///     footer            index length u64 · SHA-256 of the index · "PIFLAYER" u32 version · padding to 56 bytes
///
/// The footer vouches for the index, and the index, with a digest for every file, for the content: the first is looked at when a
/// layer is taken, the second when content is read (``ContentReader``).
package struct LayerStore: Sendable {
    /// The layout's version; part of every file's name, here and in the shared cache.
    package static let formatVersion = 2

    static let footerLength = 56
    static let magic = Array("PIFLAYER".utf8)
    /// The most bytes that a layer from the shared cache may have.
    static let largestShared: UInt64 = 4 << 30

    /// The folder of the layer files.
    package let folder: FilePath
    /// Where layers are looked for, and given to, that may be shared.
    package var shared: (any SharedCache)?
    /// Takes a line about each layer that was found damaged.
    package var note: CacheNote = { _ in }

    /// - Throws: `Failure` when the folder cannot be created.
    package init(folder: FilePath) throws {
        try createFolder(folder)
        self.folder = folder
    }

    /// The file a layer of this key has, or would have.
    package func path(of key: SHA256Digest) -> FilePath { folder.appending("\(fileKey(key).hex).layer") }

    /// The key of a layer's file: files of another layout have other names, so versions of piforge may share a cache.
    private func fileKey(_ key: SHA256Digest) -> SHA256Digest {
        let hasher = KeyHasher(purpose: "layer file")
        hasher.add(Self.formatVersion)
        hasher.add(key)
        return hasher.finalize()
    }

    /// Whether a layer is stored, with an index that is whole. Nothing is removed, nor marked as used.
    package func holds(_ key: SHA256Digest) -> Bool { (try? Self.read(path(of: key), name: "")) != nil }

    /// The stored layer; nil when there is none, or when the file's index is damaged (it is then removed).
    ///
    /// - Parameter shared: whether the shared cache is asked too: only for layers without anybody's secrets.
    package func layer(_ key: SHA256Digest, name: String, shared: Bool = false) throws -> Layer? {
        let path = path(of: key)
        if UseGate(folder).use(path) {
            do { return try Self.read(path, name: name) } catch let failure as Failure {
                note("\(failure.message): \(name); it is dropped, and made again (\(path))")
                removeTree(path)
            }
        }
        return shared ? try fetch(key, name: name) : nil
    }

    /// The stored layer, made with `body` where it is not stored yet.
    ///
    /// - Throws: what `body` throws; nothing is stored then.
    package func layer(
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
    package func layer(
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
    /// - Parameter shared: whether the shared cache gets it too: only for layers without anybody's secrets.
    /// - Returns: the layer as it is stored.
    package func store(_ layer: Layer, as key: SHA256Digest, shared: Bool = false) throws -> Layer {
        let stored = try self.layer(key, name: layer.name) { writer in
            for path in layer.whiteouts { writer.addWhiteout(path) }
            for entry in layer.entries { try writer.add(entry) }
        }
        if shared { self.shared?.offer(fileKey(key), path(of: key)) }
        return stored
    }

    // MARK: Proof

    /// Reads every layer whole, and removes those that are damaged.
    ///
    /// - Returns: how many were removed.
    package func removeDamaged() throws -> Int {
        var removed = 0
        for path in fileNames(in: folder).filter({ $0.hasSuffix(".layer") }).map({ folder.appending($0) }) {
            try Task.checkCancellation()
            do { try Self.verify(Self.read(path, name: "")) } catch let error
                where error is Failure || error is DamagedContent
            {
                removeTree(path)
                removed += 1
            }
        }
        return removed
    }

    /// Reads all content of a layer and compares it with its digests, and its runs of zeros with those that are written down.
    ///
    /// - Throws: ``DamagedContent``.
    static func verify(_ layer: Layer) throws {
        let reader = ContentReader()
        for entry in layer.entries { if case .regular(let content) = entry.kind { try reader.verify(content) } }
    }

    /// Takes a layer from the shared cache, proven to its last byte.
    private func fetch(_ key: SHA256Digest, name: String) throws -> Layer? {
        struct Missing: Error {}
        guard let shared else { return nil }
        let path = path(of: key)
        do {
            try writeAtomically(to: path) { file in
                guard shared.fetch(fileKey(key), limit: Self.largestShared, into: file) else { throw Missing() }
                try Self.verify(Self.read(file.path, name: name))
            }
            return try Self.read(path, name: name)
        } catch is Missing { return nil } catch let failure as Failure {
            shared.reject(fileKey(key), because: "\(name): \(failure.message)")
        } catch let damage as DamagedContent {
            shared.reject(fileKey(key), because: "\(name): \(damage.failure.message)")
        }
        return nil
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
        let end = size - UInt64(footerLength) - length
        let index = try file.bytes(at: end, count: Int(length))
        guard SHA256Digest.of(index).bytes == Array(footer[8..<40]) else { throw damaged("its index has changed") }
        let layer = try LayerIndex.decode(index, name: name, file: path)
        for entry in layer.entries {
            guard case .regular(let content) = entry.kind, case .file(_, let offset) = content.source else { continue }
            guard offset <= end, content.size <= end - offset else { throw damaged("\(entry.path) lies outside of it") }
        }
        return layer
    }
}
