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

    /// - Parameters:
    ///   - shared: where blocks are looked for besides, and given to.
    ///   - isPublic: whether a block's bytes may be shared.
    ///   - note: takes a line about each block that was found damaged.
    /// - Throws: `Failure` when the folder cannot be created.
    package init(
        folder: FilePath, shared: (any SharedCache)? = nil,
        isPublic: @escaping @Sendable ([UInt8]) -> Bool = { _ in false },
        note: @escaping CacheNote = { _ in }
    ) throws {
        try createFolder(folder)
        self.folder = folder
        self.shared = shared
        self.isPublic = isPublic
        self.note = note
    }

    static func key(of data: [UInt8], _ settings: XZSettings) -> SHA256Digest {
        let key = KeyHasher(purpose: "xz block")
        key.add(liblzmaVersion())
        key.add(settings.preset)
        key.add(settings.options.dict_size)
        // Blocks without a filter keep the key that they always had.
        if settings.filter != .none { key.add(settings.filter.rawValue) }
        key.add(SHA256Digest.of(data))
        return key.finalize()
    }

    /// The block from the cache; else from the shared one, where the data may be known there; else made by `body`, and stored.
    ///
    /// - Throws: what `body` throws; `Failure` when the file cannot be written.
    func block(
        of data: [UInt8], _ settings: XZSettings, make body: () throws -> EncodedBlock
    ) throws -> (EncodedBlock, isNew: Bool) {
        let key = Self.key(of: data, settings)
        if let stored = stored(key, uncompressedSize: data.count) { return (stored, false) }
        let shared = shared.flatMap { isPublic(data) ? $0 : nil }
        if let shared, let fetched = fetch(key, of: data, from: shared) { return (fetched, false) }
        let block = try body()
        try store(block, as: key)
        shared?.offer(key, path(of: key))
        return (block, true)
    }

    /// The stored block; nil when there is none or when it is damaged, and then it is removed.
    private func stored(_ key: SHA256Digest, uncompressedSize: Int) -> EncodedBlock? {
        let path = path(of: key)
        guard UseGate(folder).use(path) else { return nil }
        if let block = Self.read(path, uncompressedSize: uncompressedSize) { return block }
        note("a compressed block is damaged; it is dropped, and made again (\(path))")
        removeTree(path)
        return nil
    }

    /// The most bytes that the file of a block may have.
    private static func limit(uncompressedSize: Int) -> Int { 2 * uncompressedSize + (64 << 10) }

    private static func read(_ path: FilePath, uncompressedSize: Int) -> EncodedBlock? {
        guard let file = try? readFile(path, limit: limit(uncompressedSize: uncompressedSize)),
            let block = decode(file), block.uncompressedSize == UInt64(uncompressedSize)
        else { return nil }
        return block
    }

    /// Takes a block from the shared cache and keeps it.
    private func fetch(_ key: SHA256Digest, of data: [UInt8], from shared: any SharedCache) -> EncodedBlock? {
        struct Missing: Error {}
        let limit = UInt64(Self.limit(uncompressedSize: data.count))
        return try? writeAtomically(to: path(of: key)) { file in
            guard shared.fetch(key, limit: limit, into: file) else { throw Missing() }
            guard let block = Self.read(file.path, uncompressedSize: data.count), block.unpacks(to: data) else {
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

    private static func decode(_ file: [UInt8]) -> EncodedBlock? {
        guard file.count > trailerLength, file.suffix(magic.count) == magic[...] else { return nil }
        let end = file.count - trailerLength
        let sizes = file[(end + 32)..<(end + 48)]
        guard digest(file[..<end], sizes).bytes == Array(file[end..<(end + 32)]) else { return nil }
        let numbers = Array(sizes).withUnsafeBytes { raw in
            (raw.loadUnaligned(as: UInt64.self), raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
        return EncodedBlock(
            bytes: Array(file[..<end]), unpaddedSize: UInt64(littleEndian: numbers.0),
            uncompressedSize: UInt64(littleEndian: numbers.1))
    }

    private static func digest(_ block: ArraySlice<UInt8>, _ sizes: ArraySlice<UInt8>) -> SHA256Digest {
        let hasher = SHA256Hasher()
        block.withUnsafeBytes { hasher.update($0) }
        sizes.withUnsafeBytes { hasher.update($0) }
        return hasher.finalize()
    }

    private func littleEndian(_ number: UInt64) -> [UInt8] { withUnsafeBytes(of: number.littleEndian) { Array($0) } }
}
