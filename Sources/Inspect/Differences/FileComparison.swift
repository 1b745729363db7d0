import Diagnostics
import Digests
import Disk
import Layers
import Storage

/// Compares the files of a partition that two images have.
///
/// The content of a file is not read where it lies in the same sectors of both and none of them differs. What has to be
/// read is read in each disk's order.
struct FileComparison {
    typealias Side = (disk: ImageDisk, volume: Volume)

    /// In the order of their paths.
    private(set) var changes: [ImageDifferences.FileChange] = []
    /// Every name of each side, by its path on the partition.
    private(set) var old: [EntryPath: ImageFile] = [:]
    private(set) var new: [EntryPath: ImageFile] = [:]
    /// Files of which the content differs.
    private(set) var changedContent: Set<EntryPath> = []
    private let prefix: [UInt8]

    /// - Parameters:
    ///   - mount: where the partition is mounted; nil: nowhere.
    ///   - differing: the sectors that differ, in bytes from the partitions' beginnings.
    ///   - text: whether texts are compared line by line.
    /// - Throws: `Failure` where a file system is damaged; `CancellationError`.
    init(
        _ a: Side, _ b: Side, mount: EntryPath?, differing: [Range<UInt64>], text: Bool
    ) throws {
        prefix = mount.map(\.bytes) ?? Array("\(a.volume.number):".utf8)
        let one = ImageFiles(a.disk, a.volume)
        let other = ImageFiles(b.disk, b.volume)
        old = try Self.files(a, one)
        new = try Self.files(b, other)

        var fields: [EntryPath: [ImageDifferences.Field]] = [:]
        var candidates: [EntryPath] = []
        for (path, before) in old {
            guard let after = new[path] else { continue }
            let found = Self.fields(before, after)
            if !found.isEmpty { fields[path] = found }
            guard case .regular(let size) = before.kind, case .regular(let newSize) = after.kind else { continue }
            if size != newSize {
                changedContent.insert(path)
            } else if size > 0, !Self.liesTheSame(before, a.volume, after, b.volume, differing) {
                candidates.append(path)
            }
        }
        let digests = try Self.digests(candidates, old, a, one)
        let newDigests = try Self.digests(candidates, new, b, other)
        for path in candidates {
            guard let before = digests[path], let after = newDigests[path], before != after else { continue }
            changedContent.insert(path)
            fields[path, default: []].append(
                ImageDifferences.Field(object: "", field: "content", old: before.hex, new: after.hex))
        }
        let texts =
            text ? try TextDifferences(of: changedContent.sorted(), (a.disk, old, one), (b.disk, new, other)) : nil

        for path in Set(old.keys).union(new.keys).sorted() {
            let (before, after) = (old[path], new[path])
            if before != nil, after != nil {
                guard let fields = fields[path] else { continue }
                changes.append(
                    ImageDifferences.FileChange(
                        path: name(path), change: .changed, fields: fields, text: texts?.lines[path]))
            } else {
                let field = ImageDifferences.Field(object: "", field: "type", old: before?.type, new: after?.type)
                changes.append(
                    ImageDifferences.FileChange(
                        path: name(path), change: before == nil ? .added : .removed, fields: [field]))
            }
        }
    }

    /// A path of the partition as it is shown.
    func name(_ path: EntryPath) -> String {
        let isMounted = prefix.last != UInt8(ascii: ":")
        let start: [UInt8] = prefix.isEmpty ? [] : isMounted ? [UInt8(ascii: "/")] + prefix : prefix
        return exactText(start + (path.isRoot && !start.isEmpty && isMounted ? [] : [UInt8(ascii: "/")]) + path.bytes)
    }

    private static func files(_ side: Side, _ tree: ImageFiles) throws -> [EntryPath: ImageFile] {
        try side.disk.holdNames(of: side.volume)
        var files: [EntryPath: ImageFile] = [:]
        guard let root = try tree.file(at: .root) else { return [:] }
        try tree.forEachFile(below: root) { files[$0.path] = $0 }
        return files
    }

    // MARK: Fields

    private static func fields(_ old: ImageFile, _ new: ImageFile) -> [ImageDifferences.Field] {
        var list: [ImageDifferences.Field] = []
        let (before, after) = (old.attributes, new.attributes)
        compare("", "type", old.type, new.type, into: &list)
        compare("", "mode", octal(before.mode), octal(after.mode), into: &list)
        compare("", "owner", "\(before.uid):\(before.gid)", "\(after.uid):\(after.gid)", into: &list)
        if case .regular = old.kind, case .regular = new.kind {
            compare("", "size", "\(old.size)", "\(new.size)", into: &list)
        }
        compare("", "mtime", time(before.mtime), time(after.mtime), into: &list)
        if old.kind != .directory, new.kind != .directory {
            compare("", "links", "\(old.linkCount)", "\(new.linkCount)", into: &list)
        }
        compare("", "target", target(old), target(new), into: &list)
        compare("", "device", old.device, new.device, into: &list)
        let values = (
            Dictionary(before.xattrs.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 }),
            Dictionary(after.xattrs.map { ($0.name, $0.value) }, uniquingKeysWith: { $1 })
        )
        for name in Set(values.0.keys).union(values.1.keys).sorted() {
            compare(
                "", "attribute \(printable(name))", values.0[name].map { printable($0) },
                values.1[name].map { printable($0) }, into: &list)
        }
        return list
    }

    private static func target(_ file: ImageFile) -> String? {
        if case .symlink(let target) = file.kind { printable(target) } else { nil }
    }

    private static func time(_ time: Timestamp) -> String {
        let digits = String(time.nanoseconds)
        let fraction = time.nanoseconds == 0 ? "" : "." + String(repeating: "0", count: 9 - digits.count) + digits
        return utcText(time) + fraction
    }

    // MARK: Content

    /// Whether a file's bytes are the same because they lie in the same sectors, none of which differs.
    private static func liesTheSame(
        _ old: ImageFile, _ a: Volume, _ new: ImageFile, _ b: Volume, _ differing: [Range<UInt64>]
    ) -> Bool {
        guard let one = try? placement(old, a), let other = try? placement(new, b), one == other, !one.isEmpty else {
            return false
        }
        return one.allSatisfy { run in
            let index = differing.firstIndex(endingAfter: run.range.lowerBound)
            return index == differing.count || differing[index].lowerBound >= run.range.upperBound
        }
    }

    private struct Run: Equatable {
        var logical: UInt64
        var range: Range<UInt64>
        var isUnwritten: Bool
    }

    private static func placement(_ file: ImageFile, _ volume: Volume) throws -> [Run] {
        if case .ext4(let entry) = file.node, let reader = volume.ext4 {
            return try reader.runs(of: entry.inode).map {
                Run(logical: $0.logical, range: $0.range, isUnwritten: $0.isUnwritten)
            }
        }
        return try volume.ranges(of: file).map { Run(logical: 0, range: $0, isUnwritten: false) }
    }

    private static func digests(
        _ paths: [EntryPath], _ files: [EntryPath: ImageFile], _ side: Side, _ tree: ImageFiles
    ) throws -> [EntryPath: SHA256Digest] {
        let volume = side.volume
        var wanted: [(start: UInt64, path: EntryPath)] = []
        for path in paths {
            if let file = files[path] { wanted.append((start(file, volume), path)) }
        }
        wanted.sort { ($0.start, $0.path) < ($1.start, $1.path) }
        var result: [EntryPath: SHA256Digest] = [:]
        var known: [UInt32: SHA256Digest] = [:]
        for (_, path) in wanted {
            try Task.checkCancellation()
            guard let file = files[path] else { continue }
            // Names of one inode are read once.
            if let inode = file.inode, let digest = known[inode] {
                result[path] = digest
                continue
            }
            let hasher = SHA256Hasher()
            try tree.forEachChunk(of: file) { hasher.update($0) }
            let digest = hasher.finalize()
            result[path] = digest
            if let inode = file.inode { known[inode] = digest }
        }
        return result
    }

    private static func start(_ file: ImageFile, _ volume: Volume) -> UInt64 {
        (try? volume.ranges(of: file).first?.lowerBound) ?? 0
    }
}

extension ImageFile {
    /// On a FAT there is none.
    var inode: UInt32? { if case .ext4(let entry) = node { entry.inode } else { nil } }
}

extension [Range<UInt64>] {
    /// The first of these ordered ranges that ends after a place; `count` where none does.
    func firstIndex(endingAfter place: UInt64) -> Int {
        var low = 0
        var high = count
        while low < high {
            let middle = (low + high) / 2
            if self[middle].upperBound <= place { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
