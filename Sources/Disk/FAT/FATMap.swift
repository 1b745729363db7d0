import Diagnostics
import Storage

/// Says what lies where on a FAT file system of which a stretch is not to be trusted.
///
/// It reads what is whole and passes over what is not: where the boot sector is damaged it takes its copy, and of
/// each part of the table the copy that is whole.
package struct FATMap {
    private let source: any ByteSource
    private let offset: UInt64
    private let layout: Layout
    private let table: FATTable

    /// In bytes from the file system's beginning.
    private struct Layout {
        var sector: UInt64
        var tables: [Range<UInt64>]
        /// FAT12's and FAT16's; empty on FAT32.
        var root: Range<UInt64>
        var rootCluster: UInt32
        var clusterSize: UInt64
        var clusters: UInt64
        var dataStart: UInt64 { root.upperBound }

        /// - Returns: nil when the sector is no boot sector (as in ``FATReader``).
        init?(_ boot: [UInt8], size: UInt64) {
            guard boot[510] == 0x55, boot[511] == 0xaa else { return nil }
            func field<Value: FixedWidthInteger>(_ at: Int, _: Value.Type) -> UInt64 {
                UInt64(truncatingIfNeeded: littleEndian(boot, at: at, as: Value.self))
            }
            sector = field(11, UInt16.self)
            let perCluster = UInt64(boot[13])
            guard [512, 1024, 2048, 4096].contains(sector), perCluster.nonzeroBitCount == 1 else { return nil }
            clusterSize = sector * perCluster
            let reserved = field(14, UInt16.self)
            let count = UInt64(boot[16])
            let rootEntries = field(17, UInt16.self)
            let isFAT32 = field(22, UInt16.self) == 0
            let length = isFAT32 ? field(36, UInt32.self) : field(22, UInt16.self)
            let sectors = field(19, UInt16.self) == 0 ? field(32, UInt32.self) : field(19, UInt16.self)
            let rootSectors = (rootEntries * 32 + sector - 1) / sector
            let meta = reserved + count * length + rootSectors
            guard reserved > 0, (1...2).contains(count), length > 0, sectors > meta, sectors * sector <= size,
                isFAT32 == (rootEntries == 0)
            else { return nil }
            let sector = sector
            tables = (0..<count).map { (reserved + $0 * length) * sector..<(reserved + ($0 + 1) * length) * sector }
            root = (meta - rootSectors) * sector..<meta * sector
            rootCluster = isFAT32 ? littleEndian(boot, at: 44) : 0
            clusters = (sectors - meta) / perCluster
        }

        var width: FATTable.Width { root.isEmpty ? .bits32 : clusters < 4085 ? .bits12 : .bits16 }

        func bytes(_ run: Range<UInt32>) -> Range<UInt64> {
            let start = dataStart + UInt64(run.lowerBound - 2) * clusterSize
            return start..<start + UInt64(run.count) * clusterSize
        }
    }

    /// - Parameters:
    ///   - offset: where the file system begins in the source, in bytes.
    ///   - size: bytes of the partition.
    ///   - damaged: what is not to be trusted, in bytes from the file system's beginning.
    /// - Throws: `Failure` when neither the boot sector nor its copy can be read.
    package init(_ source: any ByteSource, offset: UInt64, size: UInt64, damaged: [Range<UInt64>], place: String) throws
    {
        self.source = source
        self.offset = offset
        let size = min(size, source.size - min(offset, source.size))
        func sector(_ at: UInt64) throws -> [UInt8]? {
            guard at + 512 <= size, !damaged.contains(where: (at..<at + 512).overlaps) else { return nil }
            var bytes = [UInt8](repeating: 0, count: 512)
            try bytes.withUnsafeMutableBytes { try source.read(at: offset + at, into: $0) }
            return bytes
        }
        func refuse(_ reason: String) -> Failure { Failure(at: place, "no FAT file system can be read: \(reason)") }
        // The copy lies in sector 6, by Microsoft's own advice (BPB_BkBootSec).
        let layouts = try [0, 6 * 512].compactMap { try sector($0).flatMap { Layout($0, size: size) } }
        guard let layout = layouts.first else { throw refuse("neither the boot sector nor its copy") }
        self.layout = layout
        table = try FATTable(
            TableCopies(source: source, offset: offset, tables: layout.tables, damaged: damaged), at: 0,
            size: UInt64(layout.tables[0].count), clusterCount: layout.clusters, width: layout.width, refuse: refuse)
    }

    /// The first table, with what is damaged of it taken from the second where that is whole.
    private struct TableCopies: ByteSource {
        let source: any ByteSource
        let offset: UInt64
        let tables: [Range<UInt64>]
        let damaged: [Range<UInt64>]
        var size: UInt64 { UInt64(tables[0].count) }

        func read(at position: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
            let start = tables[0].lowerBound
            try source.read(at: offset + start + position, into: buffer)
            guard let copy = tables.dropFirst().first else { return }
            let wanted = start + position..<start + position + UInt64(buffer.count)
            for range in damaged where range.overlaps(wanted) {
                let range = range.clamped(to: wanted)
                let other = copy.lowerBound + range.lowerBound - start..<copy.lowerBound + range.upperBound - start
                guard !damaged.contains(where: other.overlaps) else { continue }
                let place = Int(range.lowerBound - wanted.lowerBound)..<Int(range.upperBound - wanted.lowerBound)
                let part = UnsafeMutableRawBufferPointer(rebasing: buffer[place])
                try source.read(at: offset + other.lowerBound, into: part)
            }
        }

        func nextData(from offset: UInt64) throws -> Range<UInt64>? { offset < size ? offset..<size : nil }
    }

    /// What a stretch holds, in disk order; empty where it is nothing, or nothing that can be told.
    ///
    /// - Parameter range: in bytes from the file system's beginning.
    /// - Throws: `Failure` when the source cannot be read; `CancellationError`.
    package func objects(in range: Range<UInt64>) throws -> [DiskObject] {
        var list = DiskObjectList(in: range)
        list.add("boot sector", 0..<512)
        if layout.root.isEmpty {
            list.add("FSInfo sector", 512..<1024)
            list.add("boot sector's copy", 6 * 512..<7 * 512)
        }
        for (index, table) in layout.tables.enumerated() { list.add("file allocation table \(index + 1)", table) }
        if !layout.root.isEmpty { list.add("root folder", layout.root) }

        var visited: Set<UInt32> = [layout.rootCluster]
        var pending: [(path: String, first: UInt32)] = [("", layout.rootCluster)]
        while let folder = pending.popLast() {
            try Task.checkCancellation()
            let ranges = folder.first == 0 ? [layout.root] : runs(from: folder.first)
            if folder.first != 0 {
                for range in ranges { list.add(folder.path.isEmpty ? "root folder" : "folder \(folder.path)", range) }
            }
            for item in names(in: ranges) {
                let name = String(decoding: item.name, as: UTF8.self)
                let path = folder.path.isEmpty ? name : "\(folder.path)/\(name)"
                guard item.cluster >= 2 else { continue }
                if item.isFolder {
                    if visited.insert(item.cluster).inserted { pending.append((path, item.cluster)) }
                } else {
                    for range in runs(from: item.cluster) { list.add(path, range) }
                }
            }
        }
        return list.objects
    }

    /// A chain's ranges of bytes; none for a chain that is damaged.
    private func runs(from first: UInt32) -> [Range<UInt64>] {
        let runs = try? table.runs(from: first) { Failure(at: "FAT", $0) }
        return runs?.map(layout.bytes) ?? []
    }

    /// The names of a folder, of 2 MiB at most; none where it cannot be read.
    private func names(in ranges: [Range<UInt64>]) -> [FATDirectory.Item] {
        guard ranges.reduce(0, { $0 + UInt64($1.count) }) <= 2 << 20 + layout.clusterSize else { return [] }
        var bytes: [UInt8] = []
        for range in ranges {
            var part = [UInt8](repeating: 0, count: range.count)
            let isRead: Void? = try? part.withUnsafeMutableBytes {
                try source.read(at: offset + range.lowerBound, into: $0)
            }
            guard isRead != nil else { break }
            bytes += part
        }
        return (try? FATDirectory.names(in: bytes, at: "FAT")) ?? []
    }
}
