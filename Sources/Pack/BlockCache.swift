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
public struct BlockCache: Sendable {
    private static let magic = Array("PIFBLOCK".utf8)
    private static let trailerLength = 32 + 8 + 8 + 8

    /// The folder of the block files.
    public let folder: FilePath

    /// - Throws: `Failure` when the folder cannot be created.
    public init(folder: FilePath) throws {
        try createFolder(folder)
        self.folder = folder
    }

    static func key(of data: [UInt8], _ settings: XZSettings) -> SHA256Digest {
        let key = KeyHasher(purpose: "xz block")
        key.add(liblzmaVersion())
        key.add(settings.preset)
        key.add(settings.options.dict_size)
        key.add(SHA256Digest.of(data))
        return key.finalize()
    }

    /// The stored block; nil when there is none or when it is damaged, and then it is removed.
    func block(_ key: SHA256Digest, uncompressedSize: Int) -> EncodedBlock? {
        let path = path(of: key)
        guard exists(path) else { return nil }
        let limit = 2 * uncompressedSize + (64 << 10)
        guard let file = try? readFile(path, limit: limit), let block = Self.decode(file),
            block.uncompressedSize == UInt64(uncompressedSize)
        else {
            removeTree(path)
            return nil
        }
        return block
    }

    /// - Throws: `Failure` when the file cannot be written.
    func store(_ block: EncodedBlock, as key: SHA256Digest) throws {
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
