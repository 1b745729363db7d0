import Diagnostics
import Layers
import Storage
import SystemPackage

/// Reads a FAT32, FAT16 or FAT12 file system, from any byte source: a file, a partition of a disk image, a disk stream.
///
/// Source: Microsoft, FAT: General Overview of On-Disk Format 1.03 (boot sector and BPB; FAT; directory entries). It is
/// read here, not through mtools, so that hostile names and cluster chains are refused before anything is unpacked.
package struct FATReader: Sendable {
    /// One name.
    package struct Entry: Sendable, Equatable {
        /// From the file system's root; long names where there are any.
        package var path: EntryPath
        package var isFolder: Bool
        /// Bytes; 0 for a folder.
        package var size: UInt64
        /// The attribute of that name; of a folder it means nothing.
        package var isReadOnly = false
        /// FAT's local time, taken as UTC; even seconds.
        package var mtime: Timestamp
        fileprivate var firstCluster: UInt32
    }

    private let source: any ByteSource
    private let place: String
    private let offset: UInt64
    private let table: FATTable
    /// Bytes.
    package let clusterSize: UInt64
    /// Bytes of the file system.
    package let size: UInt64
    private let dataStart: UInt64
    /// In bytes from the file system's beginning.
    private let tables: [Range<UInt64>]
    private let root: Root
    /// The volume's serial number.
    package let volumeID: UInt32
    /// The label in the boot sector, without the spaces that fill it.
    package let label: String

    /// Where the root folder lies: FAT32 has it in clusters, FAT12 and FAT16 before the first cluster.
    private enum Root {
        case cluster(UInt32)
        /// In bytes from the source's beginning.
        case stretch(Range<UInt64>)
    }

    /// - Parameter offset: where the file system begins in the file, in bytes.
    /// - Throws: `Failure` naming the file when there is no FAT there.
    package init(_ image: FilePath, offset: UInt64 = 0) throws {
        try self.init(try FileSource(image), offset: offset, place: image.string)
    }

    /// - Parameters:
    ///   - offset: where the file system begins in the source, in bytes.
    ///   - place: the source, for errors.
    /// - Throws: `Failure` when there is no FAT there, or it is longer than the source.
    package init(_ source: any ByteSource, offset: UInt64 = 0, place: String) throws {
        self.source = source
        self.offset = offset
        self.place = place
        func refuse(_ reason: String) -> Failure {
            Failure(at: place, "no FAT file system at byte \(offset): \(reason)")
        }
        guard offset <= source.size, source.size - offset >= 512 else { throw refuse("the source is too short") }
        var boot = [UInt8](repeating: 0, count: 512)
        try boot.withUnsafeMutableBytes { try source.read(at: offset, into: $0) }
        guard boot[510] == 0x55, boot[511] == 0xaa else { throw refuse("the boot sector has no signature") }
        func field<Value: FixedWidthInteger>(_ at: Int, _: Value.Type) -> UInt64 {
            UInt64(truncatingIfNeeded: littleEndian(boot, at: at, as: Value.self))
        }
        let sectorSize = field(11, UInt16.self)
        let perCluster = UInt64(boot[13])
        guard [512, 1024, 2048, 4096].contains(sectorSize), perCluster.nonzeroBitCount == 1 else {
            throw refuse("impossible sector or cluster size")
        }
        clusterSize = sectorSize * perCluster
        let reserved = field(14, UInt16.self)
        let tables = UInt64(boot[16])
        let rootEntries = field(17, UInt16.self)
        // A FAT32 has no length of a table where FAT12 and FAT16 have it (as Linux, fs/fat/inode.c, tells them apart).
        let isFAT32 = field(22, UInt16.self) == 0
        let tableSectors = isFAT32 ? field(36, UInt32.self) : field(22, UInt16.self)
        let sectors = field(19, UInt16.self) == 0 ? field(32, UInt32.self) : field(19, UInt16.self)
        let rootSectors = (rootEntries * 32 + sectorSize - 1) / sectorSize
        let meta = reserved + tables * tableSectors + rootSectors
        guard reserved > 0, (1...2).contains(tables), tableSectors > 0, sectors > meta, isFAT32 == (rootEntries == 0)
        else {
            throw refuse("impossible layout")
        }
        guard sectors * sectorSize <= source.size - offset else {
            throw Failure(
                at: place, "the FAT file system is longer than what it is in",
                expected: "\(sectors * sectorSize) bytes",
                found: "\(source.size - offset)")
        }
        size = sectors * sectorSize
        self.tables = (0..<tables).map {
            (reserved + $0 * tableSectors) * sectorSize..<(reserved + ($0 + 1) * tableSectors) * sectorSize
        }
        dataStart = offset + meta * sectorSize
        let clusters = (sectors - meta) / perCluster
        // FAT has 12 bits up to 4,084 clusters, 16 up to 65,524 ("FAT Type Determination").
        table = try FATTable(
            source, at: offset + reserved * sectorSize, size: tableSectors * sectorSize, clusterCount: clusters,
            width: isFAT32 ? .bits32 : clusters < 4085 ? .bits12 : .bits16, refuse: refuse)
        root =
            isFAT32
            ? .cluster(littleEndian(boot, at: 44))
            : .stretch(dataStart - rootSectors * sectorSize..<dataStart - rootSectors * sectorSize + rootEntries * 32)
        volumeID = littleEndian(boot, at: isFAT32 ? 67 : 39)
        var name = String(decoding: isFAT32 ? boot[71..<82] : boot[43..<54], as: UTF8.self)
        while name.last == " " { name.removeLast() }
        label = name
    }

    /// The label as Linux and udev see it: that of the root folder's label entry, else the boot sector's, unless it is
    /// `NO NAME`; nil for none.
    ///
    /// - Throws: `Failure` where the root folder is damaged.
    package func volumeLabel() throws -> String? {
        if let name = FATDirectory.label(in: try rootBytes()) { return name }
        return label.isEmpty || label == "NO NAME" ? nil : label
    }

    /// The serial number as Linux and udev give it for a UUID: `C0FF-EE01`.
    package var uuid: String {
        let hex = volumeID.hex(digits: 8).uppercased()
        return hex.prefix(4) + "-" + hex.suffix(4)
    }

    /// The stretches that are not free, in bytes from the file system's beginning: what lies before the first cluster,
    /// and the clusters that the table has in use.
    package func usedRanges() -> [Range<UInt64>] {
        [0..<dataStart - offset] + table.usedRuns().map(bytes)
    }

    /// Bytes of the clusters that no file has.
    package var free: UInt64 { table.freeCount * clusterSize }

    /// What belongs to no file: `boot sector`, `FSInfo sector`, `boot sector's copy`, `file allocation table 1`, `root folder`,
    /// and where it lies, in bytes from the file system's beginning.
    ///
    /// - Throws: `Failure` where the root folder's clusters are damaged.
    package func areas() throws -> [(name: String, range: Range<UInt64>)] {
        var areas: [(name: String, range: Range<UInt64>)] = [("boot sector", 0..<512)]
        for (index, table) in tables.enumerated() { areas.append(("file allocation table \(index + 1)", table)) }
        switch root {
        case .cluster(let first):
            // Where Microsoft has them (BPB_FSInfo, BPB_BkBootSec).
            areas += [("FSInfo sector", 512..<1024), ("boot sector's copy", 6 * 512..<7 * 512)]
            for range in try runs(from: first, of: .root).map(bytes) { areas.append(("root folder", range)) }
        case .stretch(let range):
            areas.append(("root folder", range.lowerBound - offset..<range.upperBound - offset))
        }
        return areas
    }

    /// Where a file's content, or a folder's names, lie, in file order, in bytes from the file system's beginning: whole clusters.
    ///
    /// - Throws: `Failure` naming the path where its clusters are damaged.
    package func ranges(of entry: Entry) throws -> [Range<UInt64>] {
        guard entry.firstCluster >= 2 else { return [] }
        return try runs(from: entry.firstCluster, of: entry.path).map(bytes)
    }

    private func bytes(_ run: Range<UInt32>) -> Range<UInt64> {
        let start = dataStart - offset + UInt64(run.lowerBound - 2) * clusterSize
        return start..<start + UInt64(run.count) * clusterSize
    }

    /// Every name, a folder before what is in it, the names of a folder sorted by their bytes.
    ///
    /// - Throws: `Failure` naming the path where the file system is damaged.
    package func entries() throws -> [Entry] {
        var result: [Entry] = []
        var visited: Set<UInt32> = []
        if case .cluster(let first) = root { visited.insert(first) }
        var pending = [Entry(path: .root, isFolder: true, size: 0, mtime: Timestamp(seconds: 0), firstCluster: 0)]
        while let folder = pending.popLast() {
            try Task.checkCancellation()
            if !folder.path.isRoot { result.append(folder) }
            guard folder.isFolder else { continue }
            let bytes = folder.path.isRoot ? try rootBytes() : try bytes(ofFolder: folder.path, folder.firstCluster)
            var children = try FATDirectory.names(in: bytes, at: "\(place): \(folder.path)").map { item in
                Entry(
                    path: try EntryPath(validating: folder.path.appending(item.name).bytes), isFolder: item.isFolder,
                    size: item.isFolder ? 0 : UInt64(item.size), isReadOnly: item.isReadOnly, mtime: item.mtime,
                    firstCluster: item.cluster)
            }
            children.sort { $0.path < $1.path }
            for child in children where child.isFolder {
                guard visited.insert(child.firstCluster).inserted else {
                    throw damaged(child.path, "the folder has two names, or lies in itself")
                }
            }
            pending += children.reversed()
        }
        return result
    }

    private func rootBytes() throws -> [UInt8] {
        switch root {
        case .cluster(let first): return try bytes(ofFolder: .root, first)
        case .stretch(let range):
            var bytes = [UInt8](repeating: 0, count: range.count)
            try bytes.withUnsafeMutableBytes { try source.read(at: range.lowerBound, into: $0) }
            return bytes
        }
    }

    private func bytes(ofFolder path: EntryPath, _ first: UInt32) throws -> [UInt8] {
        let runs = try runs(from: first, of: path)
        // 65,536 entries of 32 bytes are the most a folder may have.
        guard runs.reduce(0, { $0 + UInt64($1.count) }) * clusterSize <= 2 << 20 + clusterSize else {
            throw damaged(path, "the folder is too long")
        }
        var bytes: [UInt8] = []
        for run in runs {
            try forEachPiece(of: run, size: UInt64(run.count) * clusterSize) { bytes += $0 }
        }
        return bytes
    }

    /// A file's whole content.
    ///
    /// - Throws: `Failure` when it is longer than `limit` bytes, or its clusters are damaged.
    package func bytes(of entry: Entry, limit: UInt64 = 64 << 20) throws -> [UInt8] {
        guard entry.size <= limit else {
            throw Failure(
                at: "\(place): \(entry.path)", "the file is too large", expected: "at most \(limit) bytes",
                found: "\(entry.size)")
        }
        var bytes: [UInt8] = []
        try forEachChunk(of: entry) { bytes += $0 }
        return bytes
    }

    /// The content of the file with this name, case not counting; nil where there is none.
    package func bytes(at path: EntryPath, limit: UInt64 = 64 << 20) throws -> [UInt8]? {
        let wanted = path.description.uppercased()
        guard let entry = try entries().first(where: { !$0.isFolder && $0.path.description.uppercased() == wanted })
        else {
            return nil
        }
        return try bytes(of: entry, limit: limit)
    }

    /// Hands a file's content on, in pieces of at most 1 MiB.
    package func forEachChunk(of entry: Entry, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        if entry.size == 0 { return }
        let runs = try runs(from: entry.firstCluster, of: entry.path)
        let count = runs.reduce(0) { $0 + UInt64($1.count) }
        guard count * clusterSize >= entry.size else {
            throw damaged(entry.path, "it has \(entry.size) bytes in \(count) clusters")
        }
        var rest = entry.size
        for run in runs where rest > 0 {
            let size = min(rest, UInt64(run.count) * clusterSize)
            try forEachPiece(of: run, size: size, body)
            rest -= size
        }
    }

    /// Reads all of it as a layer: folders with mode 0755, files with 0644, or 0444 when they are read-only, as Linux
    /// shows them (fs/fat/fat.h, fat_make_mode); all of root's. The attributes hidden, system and archive are not kept,
    /// nor are times but the last change's.
    ///
    /// - Parameter folder: what all paths are put below; it is not made itself.
    package func readLayer(into writer: LayerWriter, below folder: EntryPath = .root) throws {
        for entry in try entries() {
            try Task.checkCancellation()
            let path = try EntryPath(validating: folder.bytes + [UInt8(ascii: "/")] + entry.path.bytes)
            let mode: UInt16 = entry.isFolder ? 0o755 : entry.isReadOnly ? 0o444 : 0o644
            let attributes = Attributes(mode: mode, mtime: entry.mtime)
            if entry.isFolder {
                try writer.add(Layers.Entry(path, attributes, .directory))
            } else {
                try writer.addFile(path, attributes) { sink in
                    try forEachChunk(of: entry) { try sink.write($0) }
                }
            }
        }
    }

    // MARK: Clusters

    private func forEachPiece(
        of run: Range<UInt32>, size: UInt64, _ body: (UnsafeRawBufferPointer) throws -> Void
    ) throws {
        var buffer = [UInt8](repeating: 0, count: Int(min(size, 1 << 20)))
        let start = dataStart + UInt64(run.lowerBound - 2) * clusterSize
        var done: UInt64 = 0
        while done < size {
            try Task.checkCancellation()
            let count = Int(min(UInt64(buffer.count), size - done))
            try buffer.withUnsafeMutableBytes {
                let piece = UnsafeMutableRawBufferPointer(rebasing: $0[..<count])
                try source.read(at: start + done, into: piece)
                try body(UnsafeRawBufferPointer(piece))
            }
            done += UInt64(count)
        }
    }

    private func runs(from first: UInt32, of path: EntryPath) throws -> [Range<UInt32>] {
        try table.runs(from: first) { damaged(path, $0) }
    }

    private func damaged(_ path: EntryPath, _ reason: String) -> Failure {
        Failure(
            at: "\(place): \(path)", "the FAT file system is damaged: \(reason)", next: "fsck.fat -n on the file system"
        )
    }
}
