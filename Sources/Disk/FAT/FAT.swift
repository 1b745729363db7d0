import Diagnostics
import Layers
import Storage
import SystemPackage
import Tools

#if canImport(Glibc)
    import Glibc
#endif

/// Writes FAT32 file systems from a tree, through mkfs.fat and mtools.
///
///     sectors 0 …    boot sector · FSInfo · copy of both at 6: 32 reserved sectors in all
///     32 …           two file allocation tables, 4 bytes a cluster
///     then           clusters: the root folder, folders, files in the tree's order
///
/// Owners, modes and links are not kept: FAT has none. All times are the epoch.
package enum FAT {
    static let sectorSize: UInt64 = 512
    private static let reservedSectors: UInt64 = 32
    /// Readers, mtools among them, tell FAT32 by having at least this many clusters (Microsoft, FAT: General Overview
    /// of On-Disk Format 1.03, "FAT Type Determination").
    private static let fat32Clusters: UInt64 = 65525
    /// The smallest file system of that many clusters, in whole MiB: clusters of one sector.
    package static let smallestSize: UInt64 = 33 << 20

    /// Writes the file system; the file appears when it is whole.
    ///
    /// - Parameters:
    ///   - size: bytes, in whole MiB, from ``smallestSize`` to 2 TiB.
    ///   - label: the volume's name: 1 to 11 characters of ASCII, stored in upper case or as they stand.
    ///   - volumeID: the serial number that udev shows as the UUID.
    ///   - epoch: seconds since 1970 for all times; 1980 to 2107 is what FAT can hold.
    ///   - hiddenSectors: where the partition begins on the disk, in sectors of 512 bytes.
    ///   - sizeKey: the recipe's key that sets `size`, named by the error when the tree does not fit.
    /// - Throws: `Failure` naming the tree's path that FAT cannot hold, or how large the file system must be;
    ///   `CancellationError`. Nothing is left behind then.
    package static func write(
        _ tree: Tree, to path: FilePath, size: UInt64, label: String, volumeID: UInt32, epoch: Int64,
        hiddenSectors: UInt32 = PartitionTable.alignment, sizeKey: String = "disk.boot.size", tools: ToolRunner
    ) async throws {
        let listing: FATListing
        do { listing = try FATListing(tree) } catch let refusal as FATRefusal {
            throw refusal.failure(at: "\(path): \(refusal.path)")
        }
        guard size % (1 << 20) == 0, (smallestSize...1 << 41).contains(size) else {
            throw Failure(
                at: path.string, "the size is not one FAT is written with", expected: "whole MiB, from 33 MiB to 2 TiB",
                found: "\(size) bytes")
        }
        guard (1...11).contains(label.utf8.count), label.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw Failure(at: path.string, "not a FAT label", expected: "1 to 11 ASCII characters", found: "'\(label)'")
        }
        guard (315_532_800..<4_354_819_200).contains(epoch) else {
            throw Failure(
                at: path.string, "the epoch is out of FAT's range", expected: "315532800 to 4354819199 (1980 to 2107)",
                found: "\(epoch)")
        }
        guard fits(listing, size) else {
            let needed = minimumSize(of: listing, freeBytes: 0)
            throw Failure(
                at: path.string, "the files do not fit into the file system", expected: "at least \(needed >> 20) MiB",
                found: "\(size >> 20) MiB", next: "set \(sizeKey) to \(needed >> 20)M or more")
        }
        var folder = path.removingLastComponent()
        if folder.isEmpty { folder = "." }
        try await writeAtomically(to: path) { file in
            try file.truncate(to: size)
            let work = try TemporaryFolder(in: folder, name: ".fat")
            var tools = tools
            for (name, value) in environment(epoch: epoch) { tools.environment[name] = value }
            // The tools see the image under a name of ours, whatever characters its own path has.
            let name = file.path.lastComponent?.string ?? ""
            guard symlink("../\(name)", work.path.appending("image").string) == 0 else {
                throw Failure(at: work.path.string, "could not create a link: errno \(errno)")
            }
            try await tools.run(
                Tool.mkfsFAT,
                [
                    "--invariant", "-F", "32", "-S", "\(sectorSize)", "-s", "\(sectorsPerCluster(size))", "-R",
                    "\(reservedSectors)",
                    "-f", "2", "-g", "255/63", "-h", "\(hiddenSectors)", "-M", "0xf8", "-D", "0x80", "-n", label, "-i",
                    volumeID.hex(digits: 8), "image",
                ], directory: work.path, place: path.string)
            try await FATPopulation(listing: listing, work: work.path, tools: tools, place: path.string).run()
        }
    }

    /// The size a file system needs to hold the files of a tree and leave `freeBytes`: bytes, in whole MiB.
    ///
    /// - Throws: ``FATRefusal`` naming the path that FAT cannot hold.
    package static func minimumSize(of tree: Tree, freeBytes: UInt64) throws -> UInt64 {
        minimumSize(of: try FATListing(tree), freeBytes: freeBytes)
    }

    /// Looks whether FAT can hold a tree's names, kinds and sizes.
    ///
    /// - Throws: ``FATRefusal`` naming the first path that it cannot hold.
    package static func check(_ tree: Tree) throws { _ = try FATListing(tree) }

    private static func minimumSize(of listing: FATListing, freeBytes: UInt64) -> UInt64 {
        var size = max(smallestSize, (listing.contentSize + freeBytes) & ~0xfffff)
        while !fits(listing, size, freeBytes: freeBytes) { size += 1 << 20 }
        return size
    }

    private static func fits(_ listing: FATListing, _ size: UInt64, freeBytes: UInt64 = 0) -> Bool {
        let cluster = sectorsPerCluster(size) * sectorSize
        let clusters = size / cluster
        // Two tables of 4 bytes a cluster, rounded to sectors; data begins at a whole cluster.
        let tables = 2 * ((clusters * 4 + 8 + sectorSize - 1) / sectorSize * sectorSize)
        let overhead = reservedSectors * sectorSize + tables + 2 * cluster
        let needed = listing.clusters(of: cluster) * cluster + freeBytes
        return overhead + needed <= size
    }

    /// 8 (clusters of 4 KiB), or the most that still leaves as many clusters as FAT32 is told by.
    static func sectorsPerCluster(_ size: UInt64) -> UInt64 {
        var sectors: UInt64 = 8
        // 1/16 more, for the tables and what is reserved.
        while sectors > 1, size / (sectors * sectorSize) < fat32Clusters + fat32Clusters / 16 { sectors /= 2 }
        return sectors
    }

    /// mtools as it behaves without any configuration of the machine's or the user's.
    static func environment(epoch: Int64) -> [String: String] {
        [
            "SOURCE_DATE_EPOCH": String(epoch), "TZ": "UTC", "MTOOLSRC": "/dev/null", "MTOOLS_SKIP_CHECK": "1",
            "MTOOLS_NO_VFAT": "0",
            "MTOOLS_NAME_NUMERIC_TAIL": "1", "MTOOLS_LOWER_CASE": "0", "MTOOLS_FAT_COMPATIBILITY": "0",
        ]
    }
}

/// What FAT cannot hold of a tree. Who knows where it came from says so.
package struct FATRefusal: Error, Sendable, Equatable {
    /// In the tree.
    package let path: EntryPath
    /// The path that FAT takes for the same, where that is what is wrong.
    package let other: EntryPath?
    /// What is wrong, as a `Failure` has it. ``path`` is not in it.
    package let message: String
    /// As a `Failure` has it; nil where the message says it.
    package let expected: String?
    /// As a `Failure` has it; nil where the message says it.
    package let found: String?

    package init(
        path: EntryPath, other: EntryPath? = nil, message: String, expected: String? = nil,
        found: String? = nil
    ) {
        self.path = path
        self.other = other
        self.message = message
        self.expected = expected
        self.found = found
    }

    /// - Parameter place: where, in words that tell a person more than ``path``.
    package func failure(_ kind: Failure.Kind = .failed, at place: String, next: String? = nil)
        -> Failure
    {
        Failure(kind, at: place, message, expected: expected, found: found, next: next)
    }
}

/// The folders and files of a tree, checked to be what FAT can hold.
struct FATListing {
    struct File {
        var path: EntryPath
        var content: Content
    }

    /// Sorted, the root left out.
    private(set) var folders: [EntryPath] = []
    /// In the tree's node order, so that an edit in a late layer moves few clusters.
    private(set) var files: [File] = []
    private(set) var contentSize: UInt64 = 0
    /// How many directory entries each folder has.
    private var entryCounts: [EntryPath: UInt64] = [.root: 1]

    /// - Throws: ``FATRefusal`` naming the path that FAT cannot hold.
    init(_ tree: Tree) throws {
        var seen: [[UInt8]: EntryPath] = [:]
        var ordered: [(node: Int, file: File)] = []
        for path in tree.paths {
            guard let parent = path.parent, let index = tree.names[path] else { continue }
            func refuse(
                _ message: String, _ other: EntryPath? = nil, expected: String? = nil, found: String? = nil
            ) -> FATRefusal {
                FATRefusal(path: path, other: other, message: message, expected: expected, found: found)
            }
            let name: String
            do { name = try FATName.text(of: path.name) } catch let fault as FATName.Fault {
                throw refuse("FAT cannot hold the name: \(fault.reason)")
            }
            let key = Array(String(decoding: path.bytes, as: UTF8.self).uppercased().utf8)
            if let other = seen.updateValue(path, forKey: key) {
                throw refuse("FAT cannot tell the name from \(other): case does not count", other)
            }
            entryCounts[parent, default: 2] += FATName.entryCount(name)
            switch tree.nodes[index].kind {
            case .directory:
                folders.append(path)
                entryCounts[path, default: 2] += 0
            case .regular(let content):
                guard content.size <= UInt64(UInt32.max) else {
                    throw refuse(
                        "FAT cannot hold a file this long", expected: "at most \(UInt32.max) bytes",
                        found: "\(content.size)")
                }
                contentSize += content.size
                ordered.append((index, File(path: path, content: content)))
            case .symlink: throw refuse("FAT cannot hold a symbolic link")
            default: throw refuse("FAT holds folders and regular files only")
            }
        }
        files = ordered.sorted { ($0.node, $0.file.path) < ($1.node, $1.file.path) }.map(\.file)
    }

    /// How many clusters of `size` bytes files and folders take.
    func clusters(of size: UInt64) -> UInt64 {
        let content = files.reduce(UInt64(0)) { $0 + ($1.content.size + size - 1) / size }
        return entryCounts.values.reduce(content) { $0 + ($1 * 32 + size - 1) / size }
    }
}

/// Copies folders and files to an empty FAT file system.
struct FATPopulation {
    let listing: FATListing
    /// Holds a link `image` to the file system.
    let work: FilePath
    let tools: ToolRunner
    let place: String
    /// Arguments of one call, at most.
    private static let batch = 200

    func run() async throws {
        for part in parts(listing.folders.map(target)) { try await mtools(Tool.mmd, ["-i", "image"] + part) }
        let reader = ContentReader()
        let stage = work.appending("files")
        try createFolder(stage)
        var pending: [String] = []
        var pendingFolder = EntryPath.root
        func flush() async throws {
            guard !pending.isEmpty else { return }
            try await copy(pending, to: pendingFolder.isRoot ? "::/" : existing(pendingFolder) + "/")
            pending = []
        }
        for (number, file) in listing.files.enumerated() {
            try Task.checkCancellation()
            let name = String(decoding: file.path.name, as: UTF8.self)
            let folder = file.path.parent ?? .root
            let isPlain = FATName.isPlain(name)
            if !isPlain || folder != pendingFolder || pending.count == Self.batch || pending.contains(name) {
                try await flush()
            }
            let staged = isPlain ? name : "file.\(number)"
            try writeAtomically(to: stage.appending(staged)) { (host: OpenFile) throws in
                var offset: UInt64 = 0
                try reader.forEachChunk(of: file.content) {
                    try host.write(at: offset, $0)
                    offset += UInt64($0.count)
                }
            }
            if isPlain {
                pendingFolder = folder
                pending.append(staged)
            } else {
                try await copy([staged], to: target(file.path))
            }
        }
        try await flush()
    }

    private func copy(_ staged: [String], to target: String) async throws {
        try await mtools(Tool.mcopy, ["-i", "image", "-n"] + staged.map { "files/\($0)" } + [target])
        for name in staged { removeTree(work.appending("files").appending(name)) }
    }

    /// mtools may fail and still end with status 0; it says nothing when all is well.
    private func mtools(_ tool: Tool, _ arguments: [String]) async throws {
        let result = try await tools.run(tool, arguments, directory: work, place: place)
        guard result.errors.isEmpty else {
            throw Failure(at: place, "\(tool.name) could not write to the file system", found: result.errors)
        }
    }

    /// A path whose last component is to be made: mtools takes the folders before it for patterns.
    private func target(_ path: EntryPath) -> String {
        let name = String(decoding: path.name, as: UTF8.self)
        guard let parent = path.parent, !parent.isRoot else { return "::/" + name }
        return existing(parent) + "/" + name
    }

    /// A pattern that only this path matches. Of the characters of patterns FAT holds `[` alone.
    private func existing(_ path: EntryPath) -> String {
        "::/"
            + String(decoding: path.bytes, as: UTF8.self).split(separator: "[", omittingEmptySubsequences: false)
            .joined(separator: "[[]")
    }

    private func parts(_ list: [String]) -> [[String]] {
        stride(from: 0, to: list.count, by: Self.batch).map { Array(list[$0..<min($0 + Self.batch, list.count)]) }
    }
}
