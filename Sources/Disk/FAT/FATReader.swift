import Diagnostics
import Layers
import Storage
import SystemPackage

/// Reads a FAT32 file system, from any byte source: a file, a partition of a disk image, a disk stream.
///
/// Source: Microsoft, FAT: General Overview of On-Disk Format 1.03 (boot sector and BPB; FAT; directory entries). It is
/// read here, not through mtools, so that hostile names and cluster chains are refused before anything is unpacked.
public struct FATReader {
    /// One name.
    public struct Entry: Sendable, Equatable {
        public var path: EntryPath
        public var isFolder: Bool
        /// Bytes; 0 for a folder.
        public var size: UInt64
        /// FAT's local time, taken as UTC; even seconds.
        public var mtime: Timestamp
        fileprivate var firstCluster: UInt32
    }

    private let source: any ByteSource
    private let place: String
    private let offset: UInt64
    private let sectorSize: UInt64
    private let clusterSize: UInt64
    private let clusterCount: UInt64
    private let dataStart: UInt64
    private let table: [UInt8]
    private let rootCluster: UInt32
    /// The volume's serial number.
    public let volumeID: UInt32
    /// The label in the boot sector, without the spaces that fill it.
    public let label: String

    /// - Parameter offset: where the file system begins in the file, in bytes.
    /// - Throws: `Failure` naming the file when there is no FAT32 there.
    public init(_ image: FilePath, offset: UInt64 = 0) throws {
        try self.init(try FileSource(image), offset: offset, place: image.string)
    }

    /// - Parameters:
    ///   - offset: where the file system begins in the source, in bytes.
    ///   - place: the source, for errors.
    /// - Throws: `Failure` when there is no FAT32 there, or it is longer than the source.
    public init(_ source: any ByteSource, offset: UInt64 = 0, place: String) throws {
        self.source = source
        self.offset = offset
        self.place = place
        func refuse(_ reason: String) -> Failure {
            Failure(at: place, "no FAT32 file system at byte \(offset): \(reason)")
        }
        guard offset <= source.size, source.size - offset >= 512 else { throw refuse("the source is too short") }
        var boot = [UInt8](repeating: 0, count: 512)
        try boot.withUnsafeMutableBytes { try source.read(at: offset, into: $0) }
        guard boot[510] == 0x55, boot[511] == 0xaa else { throw refuse("the boot sector has no signature") }
        func field<Value: FixedWidthInteger>(_ at: Int, _: Value.Type) -> UInt64 {
            UInt64(truncatingIfNeeded: littleEndian(boot, at: at, as: Value.self))
        }
        sectorSize = field(11, UInt16.self)
        let perCluster = UInt64(boot[13])
        guard [512, 1024, 2048, 4096].contains(sectorSize), perCluster.nonzeroBitCount == 1 else {
            throw refuse("impossible sector or cluster size")
        }
        clusterSize = sectorSize * perCluster
        let reserved = field(14, UInt16.self)
        let tables = UInt64(boot[16])
        let tableSectors = field(36, UInt32.self)
        let sectors = field(32, UInt32.self)
        guard field(17, UInt16.self) == 0, field(22, UInt16.self) == 0, field(19, UInt16.self) == 0 else {
            throw refuse("it is FAT12 or FAT16")
        }
        let meta = reserved + tables * tableSectors
        guard reserved > 0, (1...2).contains(tables), tableSectors > 0, sectors > meta else {
            throw refuse("impossible layout")
        }
        guard sectors * sectorSize <= source.size - offset else {
            throw Failure(
                at: place, "the FAT file system is longer than what it is in",
                expected: "\(sectors * sectorSize) bytes",
                found: "\(source.size - offset)")
        }
        clusterCount = min((sectors - meta) / perCluster, tableSectors * sectorSize / 4 - 2)
        dataStart = offset + meta * sectorSize
        // 0x0ffffff5 clusters of 4 bytes are the most there can be: 1 GiB. A boot partition's tables are a few 100 KiB.
        let tableBytes = (clusterCount + 2) * 4
        guard tableBytes <= 256 << 20 else { throw refuse("its table has \(tableBytes) bytes") }
        var tableContent = [UInt8](repeating: 0, count: Int(tableBytes))
        let tableStart = offset + reserved * sectorSize
        try tableContent.withUnsafeMutableBytes { try source.read(at: tableStart, into: $0) }
        table = tableContent
        rootCluster = littleEndian(boot, at: 44)
        volumeID = littleEndian(boot, at: 67)
        var name = String(decoding: boot[71..<82], as: UTF8.self)
        while name.last == " " { name.removeLast() }
        label = name
    }

    /// Every name, a folder before what is in it, the names of a folder sorted by their bytes.
    ///
    /// - Throws: `Failure` naming the path where the file system is damaged.
    public func entries() throws -> [Entry] {
        var result: [Entry] = []
        var visited: Set<UInt32> = [rootCluster]
        var pending = [
            Entry(path: .root, isFolder: true, size: 0, mtime: Timestamp(seconds: 0), firstCluster: rootCluster)
        ]
        while let folder = pending.popLast() {
            if !folder.path.isRoot { result.append(folder) }
            guard folder.isFolder else { continue }
            let chain = try clusters(from: folder.firstCluster, of: folder.path)
            // 65,536 entries of 32 bytes are the most a folder may have.
            guard UInt64(chain.count) * clusterSize <= 2 << 20 + clusterSize else {
                throw damaged(folder.path, "the folder is too long")
            }
            var bytes: [UInt8] = []
            for cluster in chain { bytes += try read(cluster) }
            var children = try FATDirectory.names(in: bytes, at: "\(place): \(folder.path)").map { item in
                Entry(
                    path: try EntryPath(validating: folder.path.appending(item.name).bytes), isFolder: item.isFolder,
                    size: item.isFolder ? 0 : UInt64(item.size), mtime: item.mtime, firstCluster: item.cluster)
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

    /// A file's whole content.
    ///
    /// - Throws: `Failure` when it is longer than `limit` bytes, or its clusters are damaged.
    public func bytes(of entry: Entry, limit: UInt64 = 64 << 20) throws -> [UInt8] {
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
    public func bytes(at path: EntryPath, limit: UInt64 = 64 << 20) throws -> [UInt8]? {
        let wanted = path.description.uppercased()
        guard let entry = try entries().first(where: { !$0.isFolder && $0.path.description.uppercased() == wanted })
        else {
            return nil
        }
        return try bytes(of: entry, limit: limit)
    }

    /// Hands a file's content on, cluster by cluster.
    public func forEachChunk(of entry: Entry, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        if entry.size == 0 { return }
        let chain = try clusters(from: entry.firstCluster, of: entry.path)
        guard UInt64(chain.count) * clusterSize >= entry.size else {
            throw damaged(entry.path, "it has \(entry.size) bytes in \(chain.count) clusters")
        }
        var rest = entry.size
        for cluster in chain where rest > 0 {
            let count = min(rest, clusterSize)
            try read(cluster).withUnsafeBytes { try body(UnsafeRawBufferPointer(rebasing: $0[..<Int(count)])) }
            rest -= count
        }
    }

    /// Reads all of it as a layer: folders with mode 0755, files with 0644, all of root's.
    public func readLayer(into writer: LayerWriter) throws {
        for entry in try entries() {
            try Task.checkCancellation()
            let attributes = Attributes(mode: entry.isFolder ? 0o755 : 0o644, mtime: entry.mtime)
            if entry.isFolder {
                try writer.add(Layers.Entry(entry.path, attributes, .directory))
            } else {
                try writer.addFile(entry.path, attributes) { sink in
                    try forEachChunk(of: entry) { try sink.write($0) }
                }
            }
        }
    }

    // MARK: Clusters

    private func read(_ cluster: UInt32) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(clusterSize))
        try bytes.withUnsafeMutableBytes {
            try source.read(at: dataStart + UInt64(cluster - 2) * clusterSize, into: $0)
        }
        return bytes
    }

    private func clusters(from first: UInt32, of path: EntryPath) throws -> [UInt32] {
        var chain: [UInt32] = []
        var next = first
        // 0x0ffffff8 and above ends a chain; the upper four bits are not the number's.
        while next < 0x0fff_fff8 {
            guard next >= 2, UInt64(next) < clusterCount + 2 else {
                throw damaged(path, "cluster \(next) is not on the disk")
            }
            guard UInt64(chain.count) < clusterCount else { throw damaged(path, "its clusters go round in a circle") }
            chain.append(next)
            next = littleEndian(table, at: Int(next) * 4, as: UInt32.self) & 0x0fff_ffff
        }
        return chain
    }

    private func damaged(_ path: EntryPath, _ reason: String) -> Failure {
        Failure(
            at: "\(place): \(path)", "the FAT file system is damaged: \(reason)", next: "fsck.fat -n on the file system"
        )
    }
}
