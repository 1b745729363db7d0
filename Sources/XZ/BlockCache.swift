import Diagnostics
import Digests
import Storage
import SystemPackage

/// Keeps compressed blocks, so that a rebuild compresses only the blocks that changed.
///
/// One file a block, named by the SHA-256 of the block's uncompressed bytes, the encoder's settings and liblzma's version:
///
///     block | SHA-256 of the block and the sizes | unpadded size u64 | uncompressed size u64 | "PIFBLOCK"    (little endian)
///
/// A file whose digest does not fit is removed and counts as missing. Several processes may share a folder.
///
/// A block of a source that knows its composition is found by that, without a byte of it being read.
///
/// With a shared cache, blocks that hold nobody's secrets are looked for there too, under the same key and in the same form. What
/// comes from there is unpacked and compared with the bytes it stands for before it is used.
package struct BlockCache: Sendable {
    private static let magic = Array("PIFBLOCK".utf8)
    private static let trailerLength = 32 + 8 + 8 + 8

    /// The folder of the block files.
    package let folder: FilePath
    private let shared: (any SharedCache)?
    private let isPublic: @Sendable ([UInt8]) -> Bool
    private let note: CacheNote
    let index: DigestIndex?

    /// - Parameters:
    ///   - shared: where blocks are looked for besides, and given to.
    ///   - isPublic: whether a block's bytes may be shared.
    ///   - index: what the bytes of compositions hash to.
    ///   - note: takes a line about each block that was found damaged.
    /// - Throws: `Failure` when the folder cannot be created.
    package init(
        folder: FilePath, shared: (any SharedCache)? = nil,
        isPublic: @escaping @Sendable ([UInt8]) -> Bool = { _ in false }, index: DigestIndex? = nil,
        note: @escaping CacheNote = { _ in }
    ) throws {
        try createFolder(folder)
        self.folder = folder
        self.shared = shared
        self.isPublic = isPublic
        self.note = note
        self.index = index
    }

    static func key(of data: SHA256Digest, _ settings: XZSettings) -> SHA256Digest {
        let key = KeyHasher(purpose: "xz block")
        key.add(liblzmaVersion())
        key.add(settings.preset)
        key.add(settings.options.dict_size)
        // Blocks without a filter keep the key that they always had.
        if settings.filter != .none { key.add(settings.filter.rawValue) }
        key.add(data)
        return key.finalize()
    }

    /// The block of bytes with this digest; nil where there is none, or it is damaged.
    ///
    /// - Parameter size: bytes.
    func block(of digest: SHA256Digest, size: Int, _ settings: XZSettings) -> StoredBlock? {
        stored(Self.key(of: digest, settings), uncompressedSize: size)
    }

    /// The block from the cache; else from the shared one, where the data may be known there; else made by `body`, and stored.
    ///
    /// - Parameter composition: what the data is made of, where the source knows.
    /// - Throws: what `body` throws; `Failure` when the file cannot be written.
    func block(
        of data: [UInt8], composition: SHA256Digest? = nil, _ settings: XZSettings, make body: () throws -> EncodedBlock
    ) throws -> (StoredBlock, isNew: Bool) {
        let digest = SHA256Digest.of(data)
        let found = try block(of: data, digest, settings, make: body)
        // Not before: what is known of a composition has been proven, or made of what was.
        if let composition { index?.remember(digest, of: composition) }
        return found
    }

    private func block(
        of data: [UInt8], _ digest: SHA256Digest, _ settings: XZSettings, make body: () throws -> EncodedBlock
    ) throws -> (StoredBlock, isNew: Bool) {
        let key = Self.key(of: digest, settings)
        if let stored = stored(key, uncompressedSize: data.count) { return (stored, false) }
        let shared = shared.flatMap { isPublic(data) ? $0 : nil }
        if let shared, let fetched = fetch(key, of: data, from: shared) { return (fetched, false) }
        try store(try body(), as: key)
        shared?.offer(key, path(of: key))
        guard let made = stored(key, uncompressedSize: data.count) else {
            throw Failure(at: path(of: key).string, "a compressed block was damaged while it was written")
        }
        return (made, true)
    }

    /// The stored block; nil when there is none or when it is damaged, and then it is removed.
    private func stored(_ key: SHA256Digest, uncompressedSize: Int) -> StoredBlock? {
        let path = path(of: key)
        guard UseGate(folder).use(path) else { return nil }
        if let block = try? Self.open(path, uncompressedSize: uncompressedSize) { return block }
        note("a compressed block is damaged; it is dropped, and made again (\(path))")
        removeTree(path)
        return nil
    }

    /// The most bytes that the file of a block may have.
    private static func limit(uncompressedSize: Int) -> Int { 2 * uncompressedSize + (64 << 10) }

    /// Opens a block's file, and compares it with the digest in it; nil where it is not that of such a block.
    ///
    /// - Throws: `Failure` when it cannot be read.
    private static func open(_ path: FilePath, uncompressedSize: Int) throws -> StoredBlock? {
        let file = try OpenFile.reading(path)
        let size = try file.size()
        guard size > trailerLength + 8, size <= limit(uncompressedSize: uncompressedSize) else { return nil }
        let length = size - UInt64(trailerLength)
        let trailer = try file.bytes(at: length, count: trailerLength)
        let numbers = trailer.withUnsafeBytes { raw in
            [32, 40].map { UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: $0, as: UInt64.self)) }
        }
        guard trailer.suffix(magic.count) == magic[...], numbers[1] == UInt64(uncompressedSize) else { return nil }
        let hasher = SHA256Hasher()
        try file.forEachPiece(of: 0..<length) { hasher.update($0) }
        hasher.update(Array(trailer[32..<48]))
        guard hasher.finalize().bytes == Array(trailer[..<32]) else { return nil }
        let check = try file.bytes(at: length - 8, count: 8).withUnsafeBytes {
            UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))
        }
        return StoredBlock(
            file: file, length: length, unpaddedSize: numbers[0], uncompressedSize: numbers[1], check: check)
    }

    /// Takes a block from the shared cache and keeps it.
    private func fetch(_ key: SHA256Digest, of data: [UInt8], from shared: any SharedCache) -> StoredBlock? {
        struct Missing: Error {}
        let limit = UInt64(Self.limit(uncompressedSize: data.count))
        return try? writeAtomically(to: path(of: key)) { file in
            guard shared.fetch(key, limit: limit, into: file) else { throw Missing() }
            guard let block = try? Self.open(file.path, uncompressedSize: data.count),
                let bytes = try? block.file.bytes(at: 0, count: Int(block.length)),
                EncodedBlock(
                    bytes: bytes, unpaddedSize: block.unpaddedSize, uncompressedSize: block.uncompressedSize
                ).unpacks(to: data)
            else {
                shared.reject(key, because: "a block does not unpack to the bytes it stands for")
                throw Missing()
            }
            return block
        }
    }

    private func store(_ block: EncodedBlock, as key: SHA256Digest) throws {
        let sizes = littleEndian(block.unpaddedSize) + littleEndian(block.uncompressedSize)
        let digest = Self.digest(block.bytes[...], sizes[...])
        try writeAtomically(to: path(of: key), bytes: block.bytes + digest.bytes + sizes + Self.magic)
    }

    private func path(of key: SHA256Digest) -> FilePath { folder.appending("\(key.hex).xzblock") }

    private static func digest(_ block: ArraySlice<UInt8>, _ sizes: ArraySlice<UInt8>) -> SHA256Digest {
        let hasher = SHA256Hasher()
        block.withUnsafeBytes { hasher.update($0) }
        sizes.withUnsafeBytes { hasher.update($0) }
        return hasher.finalize()
    }

    private func littleEndian(_ number: UInt64) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
}
