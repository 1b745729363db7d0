import Diagnostics
import Digests
import Layers
import Recipe
import Storage
import SystemPackage

/// A fetched release file of a runtime: what it is, and what is taken of it.
package struct RuntimeArtefact: Sendable {
    /// The runtime file that names it, as messages have it.
    package let runtime: String
    /// What the runtime's file says of it.
    package let wanted: ContainerRuntime.Artefact
    /// SHA-256 of the whole file, as it is pinned.
    package let digest: SHA256Digest
    /// Where it lies. It need not be there before ``layer(in:)``.
    package let path: FilePath

    package init(runtime: String, wanted: ContainerRuntime.Artefact, digest: SHA256Digest, path: FilePath) {
        self.runtime = runtime
        self.wanted = wanted
        self.digest = digest
        self.path = path
    }

    /// The version of what is made of the same file; raised when that changes.
    private static let formatVersion = 1
    /// Release files of runtimes are some tens of MB.
    private static let limits = ArchiveLimits(members: 100_000, totalBytes: 8 << 30, memberBytes: 2 << 30)

    /// All that is taken from the file, at time 0, kept in the store.
    ///
    /// - Throws: `Failure` for an archive that is damaged, climbs out, or lacks what is asked for, and for programs that the board
    ///   could not run. Nothing is stored then.
    func layer(in store: LayerStore) throws -> Layer {
        let name = "\(runtime) \(wanted.name)"
        let layer = try store.layer(key, name: name) { writer in
            if let to = wanted.to { try copy(to: EntryPath(validating: to), writer) } else { try unpack(writer) }
        }
        do { for entry in layer.entries { try Self.checkProgram(entry, of: place) } } catch {
            removeTree(store.path(of: key))
            throw error
        }
        return layer
    }

    private var place: String { "\(runtime): \(wanted.name)" }

    /// The digest of the file and of what is taken of it.
    var key: SHA256Digest {
        let hasher = KeyHasher(purpose: "runtime artefact")
        hasher.add(Self.formatVersion)
        hasher.add(LayerStore.formatVersion)
        hasher.add(digest)
        hasher.add(wanted.name)
        hasher.add(wanted.to ?? "")
        hasher.add(Int(wanted.mode))
        for member in wanted.members {
            hasher.add(member.from)
            hasher.add(member.to)
            hasher.add(Int(member.mode))
        }
        return hasher.finalize()
    }

    private func copy(to path: EntryPath, _ writer: LayerWriter) throws {
        let file = try OpenFile.reading(self.path)
        let content = Content(size: try file.size(), digest: digest, source: .file(self.path, offset: 0))
        try writer.add(Entry(path, Attributes(mode: wanted.mode, mtime: Timestamp(seconds: 0)), .regular(content)))
    }

    // MARK: Archives

    private func unpack(_ writer: LayerWriter) throws {
        let file = try OpenFile.reading(path)
        let reader = try ArchiveReader(
            file, range: 0..<(try file.size()), compression: compression, limits: Self.limits, place: place)
        var found: Set<String> = []
        var places: Set<EntryPath> = []
        while let member = try reader.next() {
            let path: EntryPath
            do { path = try EntryPath(validating: member.path) } catch let failure as Failure {
                throw Failure(at: "\(place): \(member.name)", failure.message, next: "do not use this archive")
            }
            guard let (rule, target, mode) = try destination(of: path, member) else { continue }
            found.insert(rule)
            guard places.insert(target).inserted else {
                throw Failure(at: "\(place): \(member.name)", "the archive holds the file twice")
            }
            let attributes = Attributes(mode: mode, mtime: Timestamp(seconds: 0))
            if case .symlink(let link) = member.kind {
                try writer.add(Entry(target, attributes, .symlink(link)))
            } else {
                try writer.addFile(target, attributes) { try reader.copyContent(to: $0) }
            }
        }
        let missing = wanted.members.map(\.from).filter { !found.contains($0) }
        guard missing.isEmpty else {
            throw Failure(
                at: place, "the archive does not hold what is taken from it",
                expected: missing.joined(separator: ", "), next: "correct members in \(runtime)")
        }
    }

    /// Where a member goes, by the first rule that names it; nil for one that is not wanted. A file's own rule comes before a
    /// folder's.
    private func destination(
        of path: EntryPath, _ member: ArchiveMember
    ) throws -> (rule: String, target: EntryPath, mode: UInt16)? {
        func refuse(_ what: String, _ expected: String) -> Failure {
            Failure(at: "\(place): \(member.name)", what, expected: expected)
        }
        for rule in wanted.members where !rule.isFolder {
            guard try Self.below(rule.from, path)?.isRoot == true else { continue }
            guard member.kind == .regular else { throw refuse("the member is no plain file", "a file") }
            return (rule.from, try EntryPath(validating: rule.to), rule.mode)
        }
        for rule in wanted.members where rule.isFolder {
            guard let rest = try Self.below(rule.from, path), !rest.isRoot else { continue }
            let target = rest.components.reduce(try EntryPath(validating: rule.to)) { $0.appending($1) }
            switch member.kind {
            case .directory: return nil
            case .regular: return (rule.from, target, member.attributes.mode & 0o100 != 0 ? 0o755 : 0o644)
            case .symlink(let link):
                guard Self.stays(link, at: rest) else {
                    throw refuse("the link leads out of \(rule.from)", "a link to a file beside or below it")
                }
                return (rule.from, target, 0o777)
            default:
                throw refuse("the member is neither a file nor a symbolic link", "files, folders and symbolic links")
            }
        }
        return nil
    }

    /// What of a path lies below the rule's; the root for the path itself, nil for one that is not there.
    private static func below(_ rule: String, _ path: EntryPath) throws -> EntryPath? {
        guard rule.hasPrefix("*/") else { return path.relative(to: try EntryPath(validating: rule)) }
        let wanted = try EntryPath(validating: String(rule.dropFirst(2))).components
        let found = path.components
        guard found.count >= wanted.count else { return nil }
        for start in 0...(found.count - wanted.count)
        where zip(found[start...], wanted).allSatisfy({ $0.elementsEqual($1) }) {
            return found[(start + wanted.count)...].reduce(EntryPath.root) { $0.appending($1) }
        }
        return nil
    }

    /// Whether a link at `path` of a folder leads to something in that folder.
    private static func stays(_ link: [UInt8], at path: EntryPath) -> Bool {
        guard let first = link.first, first != UInt8(ascii: "/") else { return false }
        var depth = path.components.count - 1
        for component in link.split(separator: UInt8(ascii: "/")) where component != [UInt8(ascii: ".")] {
            depth += component == Array("..".utf8)[...] ? -1 : 1
            if depth < 0 { return false }
        }
        return true
    }

    private var compression: ArchiveCompression {
        let name = wanted.fileName
        if name.hasSuffix("gz") { return .gzip }
        if name.hasSuffix("xz") { return .xz }
        return name.hasSuffix(".zst") ? .zstd : .none
    }

    // MARK: Programs

    /// Holds a file that may be run to what the board can run: a script, or an ELF program for its processor (ELF-64 Object File
    /// Format, "File Header").
    static func checkProgram(_ entry: Entry, of place: String) throws {
        guard case .regular(let content) = entry.kind, entry.attributes.mode & 0o111 != 0 else { return }
        var head = [UInt8](repeating: 0, count: Int(min(content.size, 20)))
        try head.withUnsafeMutableBytes { try ContentReader().read(content, at: 0, into: $0) }
        if head.starts(with: Array("#!".utf8)) { return }
        guard head.count == 20, head.starts(with: [0x7f] + Array("ELF".utf8)) else {
            throw Failure(
                at: place, "\(entry.path) is not executable",
                expected: "an ELF program, or a script that begins with #!",
                found: head.isEmpty ? "an empty file" : nil,
                next: "correct the file's mode, or what is taken from where")
        }
        let machine = Int(head[18]) | Int(head[19]) << 8
        guard head[4] == 2, head[5] == 1, machine == 183 else {
            let names = [3: "x86", 40: "32-bit ARM", 62: "x86-64", 243: "RISC-V"]
            throw Failure(
                at: place, "\(entry.path) is a program for another machine",
                expected: "ELF of 64 bits, little-endian, machine 183 (AArch64)",
                found:
                    "\(head[4] == 2 ? "64" : "32") bits, \(head[5] == 1 ? "little" : "big")-endian, machine \(machine)"
                    + (names[machine].map { " (\($0))" } ?? ""), next: "name the file for arm64")
        }
    }
}
