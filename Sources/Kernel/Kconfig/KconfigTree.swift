import Diagnostics
import Foundation
import Layers
import Storage
import SystemPackage

/// The part of a kernel's source tree that its Kconfig reads: some 2,300 files of 86,600, and 23 MB of 1.5 GB in Linux 6.12. A
/// configuration made in it is the one that the whole tree gives.
package struct KconfigTree: Sendable {
    /// The version of ``isNeeded(_:)``; part of the key of what is kept.
    package static let formatVersion = 1
    /// No kernel has as much: Linux 6.12 has 86,600 files, 1.5 GB, and none of 30 MB.
    package static let limits = ArchiveLimits(members: 500_000, totalBytes: 16 << 30, memberBytes: 512 << 20)

    /// The folder of its Makefile. Absolute.
    package let root: FilePath
    /// VERSION, PATCHLEVEL and SUBLEVEL of its Makefile; EXTRAVERSION does not count.
    package let version: KernelVersion

    /// Opens a tree.
    ///
    /// - Parameter place: what the tree is, for errors.
    /// - Throws: `Failure` when it is no kernel's, or one for which there is no arm64.
    package init(root: FilePath, place: String) throws {
        let makefile = root.appending("Makefile")
        guard exists(makefile), exists(root.appending("Kconfig")), exists(root.appending("scripts/kconfig")) else {
            throw Failure(
                at: place, "this is no source of a Linux kernel", expected: "Makefile, Kconfig and scripts/kconfig")
        }
        guard exists(root.appending("arch/arm64/Kconfig")) else {
            throw Failure(at: place, "this kernel knows no arm64", expected: "arch/arm64/Kconfig")
        }
        let text = String(decoding: try readFile(makefile, limit: 4 << 20), as: UTF8.self)
        var fields: [Substring: Substring] = [:]
        for line in text.splitLines().prefix(20) {
            let words = line.split(separator: " ")
            if words.count == 3, words[1] == "=" { fields[words[0]] = words[2] }
        }
        let numbers = ["VERSION", "PATCHLEVEL", "SUBLEVEL"].compactMap { fields[Substring($0)] }
        guard numbers.count == 3, let version = KernelVersion(numbers.joined(separator: ".")) else {
            throw Failure(at: place, "its Makefile does not tell the kernel's version", expected: "VERSION = 6")
        }
        self.root = root
        self.version = version
    }

    /// Whether Kconfig, or the programs that it is built from, need a file of a source tree.
    ///
    /// - Parameter path: in the tree.
    package static func isNeeded(_ path: EntryPath) -> Bool {
        if path.isInside("scripts") || path.isInside("arch/arm64/configs") || path.isInside("arch/arm64/tools") {
            return true
        }
        if path.name.starts(with: "Kconfig".utf8) { return true }
        return ["Makefile", "Kbuild", "arch/arm64/Makefile"].contains(path)
    }

    // MARK: Taking the part out

    /// Takes the part out of a tar archive whose members lie in one folder.
    ///
    /// - Parameters:
    ///   - range: the archive's bytes in `file`.
    ///   - also: further files that are wanted, such as those that patches change.
    ///   - strips: whether the members lie in a folder, `linux-6.12/…`, as in every tarball.
    /// - Throws: `Failure` for an archive that is damaged, hostile, or no kernel's source; `CancellationError`.
    package static func extract(
        _ file: OpenFile, range: Range<UInt64>, compression: ArchiveCompression, also: Set<EntryPath>, strips: Bool,
        place: String, into writer: LayerWriter, progress: (UInt64) -> Void = { _ in }
    ) throws {
        let reader = try ArchiveReader(file, range: range, compression: compression, limits: limits, place: place)
        var top = TopFolder(strips: strips, place: place)
        var seen: Set<EntryPath> = []
        var bytes: UInt64 = 0
        while let member = try reader.next() {
            bytes += member.size
            progress(bytes)
            guard member.kind == .regular else { continue }
            guard let path = try top.path(of: member) else { continue }
            guard isNeeded(path) || also.contains(path) else { continue }
            guard seen.insert(path).inserted else {
                throw Failure(at: "\(place): \(member.name)", "the path stands twice in the archive")
            }
            try writer.addFile(path, attributes(runs: member.attributes.mode & 0o100 != 0)) {
                try reader.copyContent(to: $0)
            }
        }
        guard seen.contains("Makefile"), seen.contains("Kconfig") else {
            throw Failure(
                at: place, "this is no source of a Linux kernel",
                expected: "Makefile and Kconfig in the archive's folder")
        }
    }

    /// The one folder that all members of a tarball lie in.
    struct TopFolder {
        let strips: Bool
        let place: String
        private var top: EntryPath?

        init(strips: Bool, place: String) {
            self.strips = strips
            self.place = place
        }

        /// A member's path in the source; nil for what stands beside it, such as the top folder itself.
        ///
        /// - Throws: `Failure` for a path that climbs out, and for a second folder.
        mutating func path(of member: ArchiveMember) throws -> EntryPath? {
            let path = try EntryPath(validating: member.path)
            guard strips else { return path }
            guard let first = path.components.first else { return nil }
            let folder = EntryPath.root.appending(first)
            guard top ?? folder == folder, let inside = path.relative(to: folder), !inside.isRoot else {
                throw Failure(
                    at: "\(place): \(member.name)", "the archive's files do not all lie in one folder",
                    expected: top.map { "files below \($0)" } ?? "a folder such as linux-6.12")
            }
            top = folder
            return inside
        }
    }

    /// Takes the part out of a folder, which is only read. Links are left out: no file that Kconfig needs is one.
    ///
    /// - Throws: `Failure` when a file cannot be read.
    package static func copy(_ folder: FilePath, also: Set<EntryPath>) throws -> Layer {
        var layer = Layer(name: folder.string)
        guard let names = FileManager.default.enumerator(atPath: folder.string) else {
            throw Failure(at: folder.string, "could not read the folder")
        }
        while let name = names.nextObject() as? String {
            if name == ".git" { names.skipDescendants() }
            guard let path = try? EntryPath(validating: name), isNeeded(path) || also.contains(path) else { continue }
            let file = folder.pushing(FilePath(name))
            guard case .regular(let runs) = try fileKind(file) else { continue }
            layer.entries.append(Entry(path, attributes(runs: runs), .regular(Content(try readFile(file)))))
        }
        layer.entries.sort { $0.path < $1.path }
        return layer
    }

    private static func attributes(runs: Bool) -> Attributes {
        Attributes(mode: runs ? 0o755 : 0o644, mtime: Timestamp(seconds: 0))
    }

    /// Writes the part, as a layer holds it, into an empty folder.
    ///
    /// - Throws: `Failure` when a file cannot be written.
    package static func write(_ layer: Layer, to folder: FilePath) throws {
        let reader = ContentReader()
        for entry in layer.entries {
            guard case .regular(let content) = entry.kind else { continue }
            let path = folder.pushing(FilePath(String(decoding: entry.path.bytes, as: UTF8.self)))
            try createFolder(path.removingLastComponent())
            let file = try OpenFile.creating(path, mode: entry.attributes.mode)
            var offset: UInt64 = 0
            try reader.forEachChunk(of: content) { bytes in
                try file.write(at: offset, Array(bytes))
                offset += UInt64(bytes.count)
            }
        }
    }

    // MARK: What is in it

    /// The files that a configuration can start from.
    package var defconfigs: [String] {
        let names = try? FileManager.default.contentsOfDirectory(atPath: root.appending("arch/arm64/configs").string)
        return (names ?? []).filter { !$0.hasPrefix(".") }.sorted()
    }

    /// The symbols that the arm64 kernel's Kconfig files define, without `CONFIG_`.
    ///
    /// - Throws: `Failure` when a file cannot be read.
    package func symbols() throws -> Set<String> {
        var symbols: Set<String> = []
        guard let names = FileManager.default.enumerator(atPath: root.string) else { return symbols }
        while let name = names.nextObject() as? String {
            // What other architectures define does not exist here.
            if name.hasPrefix("arch/"), name.split(separator: "/").count == 2,
                !["arch/arm64", "arch/Kconfig"].contains(name)
            {
                names.skipDescendants()
                continue
            }
            guard FilePath(name).lastComponent?.string.hasPrefix("Kconfig") == true, !name.hasPrefix("scripts/") else {
                continue
            }
            let path = root.pushing(FilePath(name))
            guard case .regular = try fileKind(path) else { continue }
            let text = String(decoding: try readFile(path, limit: 16 << 20), as: UTF8.self)
            for line in text.utf8.split(separator: UInt8(ascii: "\n")) {
                for keyword in ["config", "menuconfig"]
                where line.starts(with: keyword.utf8) || line.first == 32 || line.first == 9 {
                    let words = line.split(whereSeparator: { $0 == 32 || $0 == 9 })
                    if words.count >= 2, words[0].elementsEqual(keyword.utf8), let symbol = String(words[1]) {
                        symbols.insert(symbol)
                    }
                }
            }
        }
        return symbols
    }
}
