import Diagnostics
import Layers

/// Reads control.tar: plain files beside each other, of names that dpkg can file under `info/`.
enum ControlMembers {
    private static let limits = ArchiveLimits(members: 64, totalBytes: 64 << 20, memberBytes: 16 << 20)
    /// dpkg writes this one itself.
    private static let reserved: Set<String> = ["list"]

    static func unpack(_ archive: DebArchive, into writer: LayerWriter) throws {
        let place = "\(archive.place): control.tar"
        let reader = try ArchiveReader(
            archive.file, range: archive.control.range, compression: archive.control.compression, limits: limits,
            place: place)
        var seen: Set<EntryPath> = []
        while let member = try reader.next() {
            let here = "\(place): \(member.name)"
            let path = try checkedPath(member, here)
            if path.isRoot, member.kind == .directory { continue }
            guard member.kind == .regular, path.components.count == 1 else {
                throw Failure(at: here, "only plain files may stand in control.tar, and no folders")
            }
            let name = String(decoding: path.bytes, as: UTF8.self)
            guard isControlName(name), !name.contains("."), name.utf8.count <= 100, !reserved.contains(name) else {
                throw Failure(at: here, "'\(name)' is not a name for a control file")
            }
            guard seen.insert(path).inserted else { throw Failure(at: here, "the file stands twice in the archive") }
            // dpkg-deb extracts with root as the owner and without writing rights for others.
            let attributes = Attributes(mode: member.attributes.mode & 0o755, mtime: member.attributes.mtime)
            try writer.addFile(path, attributes) { try reader.copyContent(to: $0) }
        }
        guard seen.contains("control") else { throw Failure(at: place, "it holds no control file") }
    }
}

/// Reads data.tar, and refuses what an installed package cannot be.
enum DataMembers {
    /// No package of Debian is near these.
    private static let mostMembers = 500_000
    private static let mostBytes: UInt64 = 4 << 30
    /// Installed-Size counts blocks of 1 KiB a file on the builder's disk; sparse files and rounding make it differ from
    /// the bytes of the content.
    private static let factor: UInt64 = 4
    private static let floor: UInt64 = 64 << 20

    /// What the control file's Installed-Size (KiB) lets data.tar hold.
    static func limits(_ control: ControlParagraph, place: String) throws -> ArchiveLimits {
        guard let text = control["Installed-Size"] else {
            return ArchiveLimits(members: mostMembers, totalBytes: mostBytes)
        }
        guard let size = UInt64(text), size <= 1 << 40 else {
            throw Failure(at: "\(place): control", "Installed-Size is not a number of KiB", found: text)
        }
        return ArchiveLimits(members: mostMembers, totalBytes: min(mostBytes, max(floor, size * 1024 * factor)))
    }

    static func unpack(_ archive: DebArchive, limits: ArchiveLimits, into writer: LayerWriter) throws {
        let reader = try ArchiveReader(
            archive.file, range: archive.data.range, compression: archive.data.compression, limits: limits,
            place: "\(archive.place): data.tar")
        var kinds: [EntryPath: EntryKind] = [:]
        while let member = try reader.next() {
            let here = "\(archive.place): \(member.name)"
            let path = try checkedPath(member, here)
            guard kinds[path] == nil else { throw Failure(at: here, "the path stands twice in the archive") }
            var parent = path.parent
            while let folder = parent, !folder.isRoot {
                if let kind = kinds[folder] {
                    if kind == .directory { break }
                    throw Failure(at: here, "it lies below \(folder), which is no folder in the same archive")
                }
                parent = folder.parent
            }
            guard !path.isRoot || member.kind == .directory else {
                throw Failure(at: here, "the root must be a folder")
            }
            let kind = try checkedKind(member, path, kinds, here)
            kinds[path] = kind
            guard member.kind == .regular else {
                try writer.add(Entry(path, member.attributes, kind))
                continue
            }
            try writer.addFile(path, member.attributes) { try reader.copyContent(to: $0) }
        }
    }

    private static func checkedKind(
        _ member: ArchiveMember, _ path: EntryPath, _ kinds: [EntryPath: EntryKind], _ here: String
    ) throws -> EntryKind {
        switch member.kind {
        case .regular: return placeholder
        case .directory: return .directory
        case .fifo: return .fifo
        case .symlink(let target):
            guard !target.isEmpty, target.count < 4096, !target.contains(0) else {
                throw Failure(at: here, "the symbolic link's target is empty or too long")
            }
            guard !climbsOut(target, from: path) else {
                throw Failure(
                    at: here, "the symbolic link leads out of the tree", found: String(decoding: target, as: UTF8.self))
            }
            return .symlink(target)
        case .hardLink(let raw):
            let text = String(decoding: raw, as: UTF8.self)
            guard raw.first != UInt8(ascii: "/"), let target = try? EntryPath(validating: raw), kinds[target] != nil
            else {
                throw Failure(at: here, "the hard link's target is not an earlier file of the archive", found: text)
            }
            switch kinds[target] {
            case .regular, .hardLink: return .hardLink(target)
            default: throw Failure(at: here, "the hard link's target is not a plain file", found: text)
            }
        case .characterDevice(let major, let minor):
            throw Failure(at: here, "packages may not ship devices", found: "character device \(major):\(minor)")
        case .blockDevice(let major, let minor):
            throw Failure(at: here, "packages may not ship devices", found: "block device \(major):\(minor)")
        case .socket: throw Failure(at: here, "packages may not ship sockets")
        }
    }

    /// Stands for the content of a file while only its kind matters.
    private static let placeholder = EntryKind.regular(Content([]))

    /// Whether a relative link climbs above the root, by its text alone. (The kernel stops at the root; on a host that
    /// unpacks the tree elsewhere, it would not.)
    private static func climbsOut(_ target: [UInt8], from path: EntryPath) -> Bool {
        let slash = UInt8(ascii: "/")
        if target.first == slash { return false }
        var depth = path.components.count - 1
        for component in target.split(separator: slash) where component != [UInt8(ascii: ".")] {
            depth += component == [UInt8(ascii: "."), UInt8(ascii: ".")] ? -1 : 1
            if depth < 0 { return true }
        }
        return false
    }
}

/// The member's path, which must be relative and stay inside.
private func checkedPath(_ member: ArchiveMember, _ here: String) throws -> EntryPath {
    guard member.path.first != UInt8(ascii: "/") else { throw Failure(at: here, "the path is absolute") }
    // dpkg lists one path a line.
    guard !member.path.contains(UInt8(ascii: "\n")) else { throw Failure(at: here, "the path holds a newline") }
    do { return try EntryPath(validating: member.path) } catch let failure as Failure {
        throw Failure(at: here, failure.message)
    }
}
