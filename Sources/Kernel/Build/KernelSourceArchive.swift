import Diagnostics
import Foundation
import Layers
import Storage
import SystemPackage

/// A whole kernel source in a tar archive.
package enum KernelSourceArchive {
    /// Unpacks it into an empty folder. What it says of owners and times does not count; of a mode only whether a file runs.
    ///
    /// - Parameters:
    ///   - range: the archive's bytes in `file`.
    ///   - strips: whether the members lie in a folder, `linux-6.12/…`, as in every tarball.
    ///   - progress: told the bytes that are written.
    /// - Throws: `Failure` for an archive that is damaged, hostile, or no kernel's source; `CancellationError`.
    package static func unpack(
        _ file: OpenFile, range: Range<UInt64>, compression: ArchiveCompression, strips: Bool, place: String,
        to folder: FilePath, progress: (UInt64) -> Void = { _ in }
    ) throws {
        let reader = try ArchiveReader(
            file, range: range, compression: compression, limits: KconfigTree.limits, place: place)
        var top = KconfigTree.TopFolder(strips: strips, place: place)
        var links: [(path: EntryPath, target: String, name: String)] = []
        var seen: Set<EntryPath> = []
        var folders: Set<EntryPath> = []
        var bytes: UInt64 = 0
        while let member = try reader.next() {
            try Task.checkCancellation()
            guard member.kind != .directory, let path = try top.path(of: member) else { continue }
            guard seen.insert(path).inserted else {
                throw Failure(at: "\(place): \(member.name)", "the path stands twice in the archive")
            }
            let target = folder.pushing(FilePath(String(decoding: path.bytes, as: UTF8.self)))
            switch member.kind {
            case .regular:
                if let parent = path.parent, folders.insert(parent).inserted {
                    try createFolder(target.removingLastComponent())
                }
                let made = try OpenFile.creating(target, mode: member.attributes.mode & 0o100 != 0 ? 0o755 : 0o644)
                try reader.forEachBlock { try made.write(at: $0, $1) }
                bytes += member.size
                progress(bytes)
            case .symlink(let raw):
                let text = String(decoding: raw, as: UTF8.self)
                guard staysInTree(text, at: path) else {
                    throw Failure(
                        at: "\(place): \(member.name)", "the link leads out of the source", expected: "a path in it",
                        found: String(text.prefix(200)))
                }
                links.append((path, text, member.name))
            default:
                throw Failure(
                    at: "\(place): \(member.name)", "a kernel's source holds nothing of this kind",
                    expected: "files, folders and symbolic links")
            }
        }
        // Last, so that nothing is written through one.
        for link in links {
            let target = folder.pushing(FilePath(String(decoding: link.path.bytes, as: UTF8.self)))
            try createFolder(target.removingLastComponent())
            guard symlink(link.target, target.string) == 0 else {
                throw Failure(at: "\(place): \(link.name)", "the link could not be made")
            }
        }
        guard seen.contains("Makefile"), seen.contains("Kconfig") else {
            throw Failure(
                at: place, "this is no source of a Linux kernel",
                expected: "Makefile and Kconfig in the archive's folder")
        }
    }

    /// Whether a link's target lies in the tree, read as it is written.
    static func staysInTree(_ target: String, at path: EntryPath) -> Bool {
        guard !target.hasPrefix("/"), !target.isEmpty else { return false }
        var depth = path.components.count - 1
        for part in target.split(separator: "/") where part != "." {
            depth += part == ".." ? -1 : 1
            if depth < 0 { return false }
        }
        return true
    }
}
