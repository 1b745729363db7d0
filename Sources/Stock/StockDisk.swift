import XZ
import Diagnostics
import Disk
import Storage
import SystemPackage

/// An image's disk, packed or raw, and its partition table.
struct StockDisk {
    private enum Form {
        case xz(XZFile)
        case raw(FileSource)
    }

    private let path: FilePath
    private let form: Form
    /// Bytes, unpacked.
    let size: UInt64
    let table: PartitionTable

    /// - Parameter limit: the most bytes that the disk may have.
    /// - Throws: `Failure` when it is neither an .xz file nor a disk, is larger, or has no usable partition table.
    init(_ path: FilePath, limit: UInt64) throws {
        self.path = path
        let source = try FileSource(path)
        form = try ImagePacking(of: path) == .xz ? .xz(try XZFile(path)) : .raw(source)
        switch form {
        case .xz(let file): size = file.uncompressedSize
        case .raw(let source): size = source.size
        }
        guard size <= limit else {
            throw Failure(
                at: path.string, "the image's disk is larger than is allowed", expected: "at most \(limit) bytes",
                found: "\(size) bytes")
        }
        switch form {
        case .xz(let file):
            let sector = try file.unpackStart(Int(PartitionTable.sectorSize))
            table = try PartitionTable(decoding: sector, diskSize: size, place: path.string)
        case .raw(let source): table = try PartitionTable(reading: source, place: path.string)
        }
    }

    /// The partitions, without what is known of their file systems.
    var partitions: [StockPartition] { zip(table.numbers, table.partitions).map { StockPartition($0, $1) } }

    /// Writes each partition that may hold the root or the boot file system into a sparse file of its own, as the image
    /// is decoded.
    ///
    /// - Returns: the files by the partitions' numbers.
    /// - Throws: `Failure` when the image is damaged; `CancellationError`.
    func split(
        into folder: FilePath, workers: Int, progress: any ProgressReporter
    ) async throws -> [Int: FilePath] {
        let step = "unpack"
        progress.report(.started(step: step, detail: path.lastComponent?.string ?? path.string))
        var files: [Int: FilePath] = [:]
        var parts: [PartitionSink.Part] = []
        for partition in partitions where partition.isFAT || partition.isLinux {
            let name = folder.appending("partition-\(partition.number)")
            let file = try OpenFile.creating(name, mode: 0o600)
            try file.truncate(to: partition.size)
            files[partition.number] = name
            parts.append(
                PartitionSink.Part(
                    range: partition.offset..<partition.offset + partition.size, file: SparseFile(file)))
        }
        let sink = PartitionSink(parts: parts)
        switch form {
        case .xz(let file): try await file.unpack(into: sink, workers: workers, progress: progress, step: step)
        case .raw(let source): try copy(source, to: sink, progress: progress, step: step)
        }
        progress.report(.finished(step: step, detail: "\(size >> 20) MiB", cached: false))
        return files
    }

    private func copy(
        _ source: FileSource, to sink: PartitionSink, progress: any ProgressReporter, step: String
    ) throws {
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        var offset: UInt64 = 0
        while let data = try source.nextData(from: offset) {
            offset = data.lowerBound
            while offset < data.upperBound {
                try Task.checkCancellation()
                let count = Int(min(UInt64(buffer.count), data.upperBound - offset))
                try buffer.withUnsafeMutableBytes {
                    let piece = UnsafeMutableRawBufferPointer(rebasing: $0[..<count])
                    try source.read(at: offset, into: piece)
                    try sink.write(at: offset, UnsafeRawBufferPointer(piece))
                }
                offset += UInt64(count)
            }
            progress.report(.advanced(step: step, completed: offset, total: size, unit: .bytes, detail: ""))
        }
    }
}

/// Splits a disk's bytes into its partitions; what lies between them is dropped.
struct PartitionSink: ByteSink {
    struct Part {
        /// Bytes of the disk.
        var range: Range<UInt64>
        var file: SparseFile
    }

    /// They do not overlap.
    let parts: [Part]

    func write(at offset: UInt64, _ bytes: UnsafeRawBufferPointer) throws {
        let range = offset..<offset + UInt64(bytes.count)
        for part in parts {
            let shared = range.clamped(to: part.range)
            guard !shared.isEmpty else { continue }
            let piece = bytes[Int(shared.lowerBound - offset)..<Int(shared.upperBound - offset)]
            try part.file.write(
                at: shared.lowerBound - part.range.lowerBound, UnsafeRawBufferPointer(rebasing: piece))
        }
    }
}
