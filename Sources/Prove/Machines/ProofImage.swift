import Records
import XZ
import Diagnostics
import Digests
import Disk
import Firmware
import Foundation
import Storage
import SystemPackage

/// The image under proof: the shipped file, its bytes as a raw disk, and what stands beside it.
package struct ProofImage: Sendable {
    /// The shipped file.
    package let path: FilePath
    /// The file's name without `.img.xz` or `.img`.
    package let name: String
    /// Of the shipped file.
    package let digest: SHA256Digest
    /// The digest that `NAME.SHA256SUMS` or `SHA256SUMS` names for it; nil when there is no such list.
    package let listedDigest: SHA256Digest?
    /// The disk, as an absolute path. Nobody writes to it.
    package let raw: FilePath
    /// Bytes of the disk.
    package let size: UInt64
    /// The disk's table, checked against the disk.
    package let partitions: PartitionTable
    /// `NAME.manifest.json`; nil when there is none.
    package let manifest: Manifest?

    static let largestDisk: UInt64 = 64 << 30

    /// Checks the shipped file, and unpacks it into the cache unless the same bytes are there already.
    ///
    /// - Throws: `Failure` for a file that is no image, is damaged or is not the one its sums and manifest name.
    package static func open(_ path: FilePath, cache: FilePath, progress: any ProgressReporter) async throws
        -> ProofImage
    {
        let file = path.lastComponent?.string ?? path.string
        try ImagePacking.check(path)
        guard let named = ImageName(file) else {
            throw Failure(
                .usage, at: path.string, "the file is no image", expected: "NAME.img.xz or NAME.img")
        }
        let name = named.stem
        let folder = path.removingLastComponent()
        func beside(_ name: String) -> FilePath? {
            let path = folder.appending(name)
            return exists(path) ? path : nil
        }
        let digest = try await fileDigest(path)
        let list = try (beside("\(name).SHA256SUMS") ?? beside("SHA256SUMS")).map(ChecksumList.read)
        let listed = list?[file]
        if let listed, listed != digest { throw other(path, "its list of sums", listed, digest) }
        let manifest = try beside("\(name).manifest.json").map(Manifest.read)
        if let manifest, manifest.image.file == file, manifest.image.sha256 != digest {
            throw other(path, "its manifest", manifest.image.sha256, digest)
        }
        let raw = named.isCompressed ? try await unpacked(path, digest, manifest, cache, progress) : path
        let source = try FileSource(raw)
        return ProofImage(
            path: path, name: name, digest: digest, listedDigest: listed, raw: absolutePath(raw), size: source.size,
            partitions: try PartitionTable(reading: source, place: file), manifest: manifest)
    }

    private static func other(
        _ path: FilePath, _ judge: String, _ expected: SHA256Digest, _ found: SHA256Digest
    ) -> Failure {
        Failure(
            at: path.string, "the file is not the one that \(judge) names", expected: expected.hex, found: found.hex,
            next: "piforge build, to make the image again")
    }

    private static func unpacked(
        _ path: FilePath, _ digest: SHA256Digest, _ manifest: Manifest?, _ cache: FilePath,
        _ progress: any ProgressReporter
    ) async throws -> FilePath {
        let raw = cache.appending("proof").appending("\(digest.hex).img")
        // What an earlier proof unpacked is used again only when it is what the manifest promises.
        let promised = manifest?.image.uncompressedSHA256
        var isWhole = false
        if let promised, UseGate(cache).use(raw) { isWhole = try await fileDigest(raw) == promised }
        if !isWhole {
            removeTree(raw)
            let file = try XZFile(path)
            // What it unpacks to is checked block by block as it is unpacked.
            try await file.unpack(to: raw, limit: largestDisk, workers: 2, progress: progress, step: "prove")
        }
        if let size = manifest?.image.uncompressedSize, try FileSource(raw).size != size {
            throw Failure(
                at: path.string, "the image unpacks to another size than its manifest says", expected: "\(size) bytes",
                found: "\(try FileSource(raw).size)")
        }
        return raw
    }

    /// Copies the boot partition's files into a folder.
    ///
    /// - Parameter disk: the image's own disk as a machine has left it; nil for the image.
    /// - Throws: `Failure` when there is no FAT partition, or it is damaged.
    package func bootFiles(of disk: (any ByteSource)? = nil, into folder: FilePath) throws -> BootFolder {
        // 0x0b, 0x0c, 0x06, 0x0e: FAT32 and FAT16, by cylinders or by sectors.
        guard let boot = partitions.partitions.first(where: { [0x0b, 0x0c, 0x06, 0x0e].contains($0.type) }) else {
            throw Failure(at: path.string, "the disk has no FAT partition to boot from")
        }
        try createFolder(folder)
        let partition = try FATReader(disk ?? FileSource(raw), offset: boot.offset, place: path.string)
        for entry in try partition.entries() where !entry.isFolder {
            try writeAtomically(
                to: folder.pushing(FilePath(String(entry.path.description.dropFirst()))),
                bytes: try partition.bytes(of: entry, limit: 256 << 20))
        }
        return BootFolder(folder)
    }
}

/// The SHA-256 digest of a file of any size.
func fileDigest(_ path: FilePath) async throws -> SHA256Digest {
    let file = try OpenFile.reading(path)
    let size = try file.size()
    let hasher = SHA256Hasher()
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var offset: UInt64 = 0
    while offset < size {
        try Task.checkCancellation()
        let count = try buffer.withUnsafeMutableBytes { try file.read(at: offset, into: $0) }
        if count == 0 { break }
        buffer.withUnsafeBytes { hasher.update(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        offset += UInt64(count)
    }
    return hasher.finalize()
}

/// The path as it is from the root folder.
func absolutePath(_ path: FilePath) -> FilePath {
    path.isAbsolute ? path : FilePath(FileManager.default.currentDirectoryPath).pushing(path).lexicallyNormalized()
}
