import XZ
import Diagnostics
import Digests
import Foundation
import Storage
import SystemPackage

/// What one pass over an image gave.
struct ImageContent {
    /// Bytes of the image's file.
    var size: UInt64
    /// Of the image's file.
    var digest: SHA256Digest
    /// Of the image's file, where the list of sums has another than a SHA-256.
    var checksum: Checksum?
    /// How long hashing it took, in seconds; unpacking went on beside it.
    var hashSeconds: Double
    /// The disk as a file that nobody writes to; nil when the image cannot be unpacked.
    var disk: FilePath?
    /// Bytes of the disk.
    var diskSize: UInt64 = 0
    /// Of the disk; nil when it is not whole.
    var unpackedDigest: SHA256Digest?
    /// What the xz row says.
    var structure = Observation.ok("")
    var scanSeconds: Double = 0
    /// The damaged blocks.
    var damage: [XZDamage] = []
    /// What is wrong with the .xz file besides its blocks.
    var fault: XZFault?
    var blocks = 0

    /// The bytes of the disk that are not there.
    var missing: [Range<UInt64>] { damage.map(\.lost).filter { !$0.isEmpty } }

    /// Why a stretch of the disk cannot be looked at; nil when it is all there.
    func absence(of range: Range<UInt64>) -> String? {
        guard disk != nil else { return "the .xz file cannot be unpacked" }
        guard
            let block = damage.first(where: { damage in
                (damage.block.uncompressedOffset..<damage.block.uncompressedOffset + damage.block.uncompressedSize)
                    .overlaps(range)
            })?.block
        else { return nil }
        return "block \(block.number + 1) of \(blocks), which holds some of it, is damaged"
    }
}

extension Verification {
    /// Hashes the image, and unpacks and checks it, in one pass.
    ///
    /// - Parameter algorithm: of the listed sum.
    /// - Throws: `Failure` when the image cannot be read, or the disk not be written; `CancellationError`.
    func readImage(hashing algorithm: ChecksumAlgorithm?) async throws -> ImageContent {
        progress.report(.started(step: "verify", detail: "\(subject.file): reading"))
        let path = subject.path
        async let hashed = FileHash(path, algorithm)
        guard subject.isCompressed else {
            let hash = try await hashed
            var content = ImageContent(
                size: hash.size, digest: hash.digest, checksum: hash.checksum, hashSeconds: hash.seconds)
            content.disk = try linkedDisk(path)
            content.diskSize = hash.size
            content.unpackedDigest = hash.digest
            return content
        }
        let start = ContinuousClock.now
        var unpacked = UnpackedDisk()
        do { unpacked = try await unpack(path) } catch let fault as XZFault {
            unpacked.fault = fault
            unpacked.structure = .failed(VerifyRecorder.words(for: fault.failure))
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let hash = try await hashed
        return ImageContent(
            size: hash.size, digest: hash.digest, checksum: hash.checksum, hashSeconds: hash.seconds,
            disk: unpacked.path, diskSize: unpacked.size, unpackedDigest: unpacked.scan?.digest,
            structure: unpacked.structure, scanSeconds: seconds, damage: unpacked.scan?.damage ?? [],
            fault: unpacked.fault, blocks: unpacked.blocks)
    }

    private struct UnpackedDisk {
        var path: FilePath?
        var size: UInt64 = 0
        var scan: XZScan?
        var structure = Observation.ok("")
        var fault: XZFault?
        var blocks = 0
    }

    /// - Throws: ``XZFault``, too.
    private func unpack(_ path: FilePath) async throws -> UnpackedDisk {
        let file = try XZFile(locatingFaultsOf: path)
        var unpacked = UnpackedDisk(size: file.uncompressedSize, blocks: file.blocks.count)
        guard file.uncompressedSize <= Verifier.largestDisk else {
            unpacked.structure = .failed(
                "it unpacks to \(file.uncompressedSize) bytes, more than the largest disk that is looked at"
                    + " (\(Verifier.largestDisk))")
            return unpacked
        }
        let target = work.appending("disk")
        let disk = try OpenFile.creating(target)
        try disk.truncate(to: file.uncompressedSize)
        let scan = try await file.scan(into: SparseFile(disk), workers: options.workers, progress: progress)
        unpacked.path = target
        unpacked.scan = scan
        let streams = file.streams == 1 ? "1 stream" : "\(file.streams) streams"
        let blocks = file.blocks.count == 1 ? "1 block" : "\(file.blocks.count) blocks"
        unpacked.structure = .ok("\(blocks), \(streams)")
        if !scan.damage.isEmpty {
            var lines = scan.damage.prefix(3).map { damage in
                "block \(damage.block.number + 1) of \(file.blocks.count) is damaged"
            }
            if scan.damage.count > 3 { lines.append("and \(scan.damage.count - 3) blocks more") }
            unpacked.structure = .failed(lines.joined(separator: "\n"))
        }
        return unpacked
    }

    /// A name for a disk that programs and libraries take as it is, whatever characters its own path has.
    private func linkedDisk(_ path: FilePath) throws -> FilePath {
        let link = work.appending("disk")
        let folder = FilePath(FileManager.default.currentDirectoryPath)
        do {
            try FileManager.default.createSymbolicLink(
                atPath: link.string, withDestinationPath: folder.pushing(path).string)
        } catch { throw Failure(at: link.string, "could not create a link: \(error.localizedDescription)") }
        return link
    }
}

/// A file's size and sums, computed in one read.
private struct FileHash: Sendable {
    var size: UInt64
    var digest: SHA256Digest
    var checksum: Checksum?
    var seconds: Double

    /// - Parameter algorithm: of a sum besides the SHA-256.
    init(_ path: FilePath, _ algorithm: ChecksumAlgorithm?) async throws {
        let start = ContinuousClock.now
        let file = try OpenFile.reading(path)
        let hasher = SHA256Hasher()
        let other = algorithm.flatMap { $0 == .sha256 ? nil : ChecksumHasher($0) }
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var offset: UInt64 = 0
        while true {
            try Task.checkCancellation()
            let count = try buffer.withUnsafeMutableBytes { try file.read(at: offset, into: $0) }
            if count == 0 { break }
            buffer.withUnsafeBytes {
                let piece = UnsafeRawBufferPointer(rebasing: $0[..<count])
                hasher.update(piece)
                other?.update(piece)
            }
            offset += UInt64(count)
        }
        size = offset
        digest = hasher.finalize()
        checksum = other.map { Checksum(finished: $0) }
        seconds = (ContinuousClock.now - start) / .seconds(1)
    }
}
