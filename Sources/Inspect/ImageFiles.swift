import Diagnostics
import Disk
import Layers

/// The files of an image as one tree: the root file system with the others where its fstab mounts them, or one partition
/// alone. Belongs to one task.
package final class ImageFiles {
    /// As many links are followed on the way to a file (Linux, MAXSYMLINKS).
    private static let mostLinks = 40

    /// A partition, and where it stands in the tree.
    package struct Mount {
        /// From the tree's root.
        package var path: EntryPath
        package var volume: Volume
    }

    private let disk: ImageDisk
    /// The root first; then those below it, the longest paths first.
    package let mounts: [Mount]

    /// One partition alone.
    package init(_ disk: ImageDisk, _ volume: Volume) {
        self.disk = disk
        mounts = [Mount(path: .root, volume: volume)]
    }

    /// The image's tree.
    ///
    /// - Throws: `Failure` when no partition can be read.
    package init(_ disk: ImageDisk) throws {
        self.disk = disk
        let root = try Self.root(of: disk)
        mounts = [Mount(path: .root, volume: root)] + (try Self.mounts(below: root, disk))
    }

    /// The ext4 with an /etc/fstab, of several the one labelled as images for the Pi have it; else the first ext4; else
    /// what there is.
    private static func root(of disk: ImageDisk) throws -> Volume {
        let readable = disk.volumes.filter { $0.problem == nil }
        let linux = readable.filter { $0.ext4 != nil }
        let roots = linux.filter { (try? $0.ext4?.entry(at: "etc/fstab")) ?? nil != nil }
        let usual = roots.first { ["writable", "rootfs"].contains($0.label) }
        if let root = usual ?? roots.first ?? linux.first ?? readable.first { return root }
        throw Failure(
            at: disk.path.string, "no partition holds a file system that can be read",
            found: disk.volumes.isEmpty
                ? "an empty partition table"
                : disk.volumes.map { "partition \($0.number): \($0.problem ?? "")" }.joined(separator: "\n            ")
        )
    }

    private static func mounts(below root: Volume, _ disk: ImageDisk) throws -> [Mount] {
        let alone = ImageFiles(disk, root)
        let text = (try? alone.bytes(at: "etc/fstab", limit: 1 << 20)) ?? nil
        let table = FileSystemTable(String(decoding: text ?? [], as: UTF8.self))
        let others = disk.volumes.filter { $0.number != root.number && $0.problem == nil }
        var mounts: [Mount] = others.compactMap { volume in
            guard let line = table.line(mounting: volume.names),
                let path = try? EntryPath(validating: line.mountPoint), !path.isRoot
            else { return nil }
            return Mount(path: path, volume: volume)
        }
        // No line of the fstab: where Debian, Ubuntu and Raspberry Pi OS have it.
        let boots = others.filter { $0.fat != nil }
        if root.ext4 != nil, boots.count == 1, !mounts.contains(where: { $0.volume.fat != nil }) {
            let isNew = (try? alone.file(at: "boot/firmware"))??.kind == .directory
            mounts.append(Mount(path: isNew ? "boot/firmware" : "boot", volume: boots[0]))
        }
        return mounts.sorted { $0.path.bytes.count > $1.path.bytes.count }
    }

    /// What the tree's root is on.
    package var root: Volume { mounts[0].volume }

    /// Where a partition's root stands in this tree; nil where it does not.
    package func mountPoint(of volume: Volume) -> EntryPath? {
        mounts.first { $0.volume.number == volume.number }?.path
    }

    // MARK: Names

    /// The file of this name, links not followed; nil where there is none.
    ///
    /// - Throws: `Failure` where a file system is damaged on the way.
    package func file(at path: EntryPath) throws -> ImageFile? {
        guard let mount = mounts.dropFirst().first(where: { path.isInside($0.path) }) ?? mounts.first,
            let within = path.relative(to: mount.path)
        else { return nil }
        func file(_ node: ImageFile.Node) -> ImageFile {
            ImageFile(path: path, partition: mount.volume.number, node: node)
        }
        switch mount.volume.content {
        case .ext4(let reader): return try reader.entry(at: within).map { file(.ext4($0)) }
        case .fat(let volume):
            return within.isRoot ? file(.fatRoot) : try volume.entry(at: within).map { file(.fat($0)) }
        case .none: return nil
        }
    }

    /// What is in a folder, sorted by the names' bytes.
    package func children(of folder: ImageFile) throws -> [ImageFile] {
        guard let volume = disk.volumes.first(where: { $0.number == folder.partition }) else { return [] }
        func child(_ name: ArraySlice<UInt8>, _ node: ImageFile.Node) throws -> ImageFile {
            let path = try EntryPath(validating: folder.path.appending(name).bytes)
            // What is mounted there hides it.
            let isHidden = mounts.dropFirst().contains { $0.path == path }
            if isHidden, let mounted = try file(at: path) { return mounted }
            return ImageFile(path: path, partition: folder.partition, node: node)
        }
        switch (folder.node, volume.content) {
        case (.ext4(let entry), .ext4(let reader)):
            return try reader.children(of: entry).map { try child($0.path.name, .ext4($0)) }
        case (.fat(let entry), .fat(let volume)):
            return try volume.entries().filter { $0.path.parent == entry.path }.map {
                try child($0.path.name, .fat($0))
            }
        case (.fatRoot, .fat(let volume)):
            return try volume.entries().filter { $0.path.parent?.isRoot == true }
                .map { try child($0.path.name, .fat($0)) }
        default: return []
        }
    }

    /// Finds a file as a program on the Pi would: links are followed, below this tree's root.
    ///
    /// - Parameters:
    ///   - path: as it is typed; `..` goes back a folder, and no further than to the root.
    ///   - followLast: whether a link that the path ends with is followed, too.
    /// - Throws: `Failure` when there is no such file, or links go round in a circle.
    package func find(_ path: some Collection<UInt8>, followLast: Bool = true) throws -> ImageFile {
        let slash = UInt8(ascii: "/")
        let place = "\(disk.path): \(printable(path))"
        func missing(_ what: String, _ at: EntryPath) -> Failure {
            Failure(at: place, "\(what): \(printable([slash] + at.bytes))", next: "piforge ls \(disk.path) /")
        }
        guard !path.contains(0) else { throw Failure(.usage, at: place, "a path holds no NUL byte") }
        var pending = Array(Array(path).split(separator: slash).reversed())
        guard var current = try file(at: .root) else { throw missing("there is no folder", .root) }
        var links = 0
        while let component = pending.popLast() {
            if component == [UInt8(ascii: ".")] { continue }
            if component == [UInt8(ascii: "."), UInt8(ascii: ".")] {
                current = try current.path.parent.flatMap { try file(at: $0) } ?? current
                continue
            }
            guard current.kind == .directory else { throw missing("this is no folder", current.path) }
            let next = current.path.appending(component)
            guard next.bytes.count <= 4095, let found = try file(at: next) else {
                throw missing("there is no such file in the image", next)
            }
            guard case .symlink(let target) = found.kind, followLast || !pending.isEmpty else {
                current = found
                continue
            }
            links += 1
            guard links <= Self.mostLinks else { throw Failure(at: place, "links go round in a circle") }
            pending += target.split(separator: slash).reversed()
            if target.first == slash, let root = try file(at: .root) { current = root }
        }
        return current
    }

    /// Everything below a folder, a folder before what is in it; the folder itself comes first.
    package func forEachFile(below folder: ImageFile, _ body: (ImageFile) throws -> Void) throws {
        var pending = [folder]
        var visited: Set<UInt64> = []
        while let file = pending.popLast() {
            try Task.checkCancellation()
            try body(file)
            guard file.kind == .directory else { continue }
            // FATReader looks after its own.
            if case .ext4(let entry) = file.node {
                guard visited.insert(UInt64(file.partition) << 32 | UInt64(entry.inode)).inserted else {
                    throw Failure(
                        at: "\(disk.path): \(printable(file.path.description))",
                        "the folder has two names, or lies in itself", next: "e2fsck -fn on the file system")
                }
            }
            pending += try children(of: file).reversed()
        }
    }

    // MARK: Content

    /// Hands a regular file's content on, in pieces of at most 1 MiB.
    ///
    /// - Throws: `Failure` where it is damaged; what `body` throws.
    package func forEachChunk(of file: ImageFile, _ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        guard let volume = disk.volumes.first(where: { $0.number == file.partition }) else { return }
        switch (file.node, volume.content) {
        case (.ext4(let entry), .ext4(let reader)): try reader.forEachChunk(of: entry, body)
        case (.fat(let entry), .fat(let volume)): try volume.reader.forEachChunk(of: entry, body)
        default: return
        }
    }

    /// A regular file's whole content.
    ///
    /// - Throws: `Failure` when it is larger than `limit` bytes.
    func bytes(of file: ImageFile, limit: UInt64) throws -> [UInt8] {
        guard file.size <= limit else {
            throw Failure(
                at: "\(disk.path): \(printable(file.path.description))", "the file is too large",
                expected: "at most \(limit) bytes", found: "\(file.size)")
        }
        var bytes: [UInt8] = []
        try forEachChunk(of: file) { bytes += $0 }
        return bytes
    }

    /// The regular file that a path leads to, through links; nil where there is none.
    func regularFile(at path: EntryPath) -> ImageFile? {
        guard let file = try? find(path.bytes), case .regular = file.kind else { return nil }
        return file
    }

    /// The content of the regular file that a path leads to; nil where there is none.
    func bytes(at path: EntryPath, limit: UInt64) throws -> [UInt8]? {
        try regularFile(at: path).map { try bytes(of: $0, limit: limit) }
    }
}
