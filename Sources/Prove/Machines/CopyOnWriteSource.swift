import Diagnostics
import Storage
import SystemPackage

/// Reads a disk that ``CopyOnWriteDisk`` made and a machine has written to: what is not in the file is in the image below it.
///
/// A guest address is an index into the L1 table, one into an L2 table of one cluster, and the rest into a cluster. Source: QEMU,
/// docs/interop/qcow2.rst, "Cluster mapping". Snapshots, compressed clusters and encryption, which no proof uses, are refused.
package struct CopyOnWriteSource: ByteSource {
    /// Bytes of the disk; the image below may have fewer.
    package let size: UInt64
    private let file: OpenFile
    private let image: FileSource
    private let place: String
    private let clusterBits: UInt64
    /// Where the L2 tables lie in the file; 0 for none.
    private let tables: [UInt64]
    private var cluster: UInt64 { 1 << clusterBits }

    /// Where an entry of either table points to (bits 9 to 55).
    private static let offsetMask: UInt64 = 0x00ff_ffff_ffff_fe00
    private static let isCompressed: UInt64 = 1 << 62
    private static let readsAsZeros: UInt64 = 1
    /// QEMU's own limit for an L1 table is 32 MiB; these disks have an entry for each 512 MiB.
    private static let mostTables: UInt64 = 1 << 13

    /// - Parameter image: the raw image below.
    /// - Throws: `Failure` for what is not such a disk.
    package init(_ path: FilePath, over image: FilePath) throws {
        place = path.string
        file = try OpenFile.reading(path)
        self.image = try FileSource(image)
        let place = path.string
        func refuse(_ reason: String) -> Failure { Failure(at: place, "the machine's disk cannot be read: \(reason)") }
        let length = try file.size()
        guard length >= 104 else { throw refuse("it has no header") }
        let header = try file.bytes(at: 0, count: 104)
        func field(_ at: Int, _ count: Int) -> UInt64 { header[at..<at + count].reduce(0) { $0 << 8 | UInt64($1) } }
        guard Array(header[0..<4]) == Array("QFI".utf8) + [0xfb], field(4, 4) == 3 else {
            throw refuse("it is no qcow2 file of version 3")
        }
        clusterBits = field(20, 4)
        guard (9...21).contains(clusterBits) else { throw refuse("impossible cluster size") }
        guard field(32, 4) == 0, field(60, 4) == 0, field(72, 8) == 0 else {
            throw refuse("it is encrypted, has snapshots, or features that are not known here")
        }
        size = field(24, 8)
        let count = field(36, 4)
        let start = field(40, 8)
        let bytesPerTable = (UInt64(1) << clusterBits) << (clusterBits - 3)
        guard count <= Self.mostTables, size <= count * bytesPerTable, start <= length, count * 8 <= length - start
        else {
            throw refuse("impossible L1 table")
        }
        let table = try file.bytes(at: start, count: Int(count) * 8)
        tables = (0..<Int(count)).map { index in
            table[index * 8..<index * 8 + 8].reduce(0) { $0 << 8 | UInt64($1) } & Self.offsetMask
        }
    }

    /// What is neither in the file nor in the image reads as zeros.
    ///
    /// - Throws: `Failure` for a compressed cluster, and where a file cannot be read.
    package func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        var done = 0
        while done < buffer.count {
            let position = offset + UInt64(done)
            let inside = position & (cluster - 1)
            let count = min(buffer.count - done, Int(cluster - inside))
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[done..<done + count])
            switch try place(of: position) {
            case .below: try readBelow(at: position, into: piece)
            case .zeros: zero(piece)
            case .file(let start):
                // The file ends where the last cluster's bytes other than zero do.
                let read = try file.read(at: start + inside, into: piece)
                zero(UnsafeMutableRawBufferPointer(rebasing: piece[read...]))
            }
            done += count
        }
    }

    /// Where zeros are is not told apart: every byte may be another.
    package func nextData(from offset: UInt64) throws -> Range<UInt64>? { offset < size ? offset..<size : nil }

    private enum Place {
        case below, zeros
        case file(UInt64)
    }

    private func place(of position: UInt64) throws -> Place {
        let number = position >> clusterBits
        let table = Int(number >> (clusterBits - 3))
        guard tables.indices.contains(table), tables[table] != 0 else { return .below }
        let index = number & ((1 << (clusterBits - 3)) - 1)
        let bytes = try file.bytes(at: tables[table] + index * 8, count: 8)
        let entry = bytes.reduce(0) { $0 << 8 | UInt64($1) }
        guard entry & Self.isCompressed == 0 else {
            throw Failure(at: place, "the machine's disk cannot be read: a cluster is compressed")
        }
        if entry & Self.readsAsZeros != 0 { return .zeros }
        let start = entry & Self.offsetMask
        return start == 0 ? .below : .file(start)
    }

    /// What is behind the image's end reads as zeros.
    private func readBelow(at position: UInt64, into piece: UnsafeMutableRawBufferPointer) throws {
        let count = position < image.size ? Int(min(UInt64(piece.count), image.size - position)) : 0
        if count > 0 { try image.read(at: position, into: UnsafeMutableRawBufferPointer(rebasing: piece[..<count])) }
        zero(UnsafeMutableRawBufferPointer(rebasing: piece[count...]))
    }

    private func zero(_ piece: UnsafeMutableRawBufferPointer) {
        piece.initializeMemory(as: UInt8.self, repeating: 0)
    }
}
