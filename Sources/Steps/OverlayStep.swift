import Diagnostics
import Digests
import Foundation
import Layers
import Storage
import SystemPackage

/// Lays a folder of the host over the tree: its files, owned by root, at the recipe's epoch.
///
/// Of the host's modes only "may be run" counts, so that a umask or a checkout does not matter: 0755 where the owner
/// may run it, else 0644; folders 0755.
public struct OverlayStep: Step {
    public var name: String { "overlay \(number) \(folder.lastComponent?.string ?? "")" }
    /// Which of the recipe's overlays it is, from 1.
    public let number: Int
    public let folder: FilePath
    public let target: EntryPath
    private let entries: [Entry]

    /// Reads the folder.
    ///
    /// - Parameter modes: modes of single paths, relative to the folder, in place of the rule.
    /// - Throws: `Failure` naming what cannot be read, or what no overlay may hold (devices, sockets, fifos).
    public init(
        number: Int = 1, folder: FilePath, target: EntryPath, uid: UInt32 = 0, gid: UInt32 = 0,
        modes: [EntryPath: UInt16] = [:]
    ) throws {
        self.number = number
        self.folder = folder
        self.target = target
        var entries = try Self.read(folder, as: target, uid: uid, gid: gid)
        for (path, mode) in modes.sorted(by: { $0.key < $1.key }) {
            let place = path.components.reduce(target) { $0.appending($1) }
            guard let index = entries.firstIndex(where: { $0.path == place }) else {
                throw Failure(.usage, at: folder.string, "the overlay has no \(path), whose mode is given")
            }
            entries[index].attributes.mode = mode
        }
        self.entries = entries
    }

    public var summary: String { "\(entries.count) entries to \(target)" }

    public var inputs: [StepInput] {
        [
            StepInput(
                "overlay \(folder.lastComponent?.string ?? "") to \(target)",
                Layer(name: "", entries: entries).digest.hex)
        ]
    }

    public func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        let dated = entries.map { entry in
            var entry = entry
            entry.attributes.mtime = Timestamp(seconds: epoch)
            return entry
        }
        return Layer(name: name, entries: dated)
    }

    private static func read(_ folder: FilePath, as target: EntryPath, uid: UInt32, gid: UInt32) throws -> [Entry] {
        let names: [String]
        do { names = try FileManager.default.contentsOfDirectory(atPath: folder.string) } catch {
            throw Failure(
                .usage, at: folder.string, "the overlay's folder cannot be read: \(error.localizedDescription)")
        }
        var entries: [Entry] = []
        // By bytes: the host's order of names must not matter.
        for name in names.sorted(by: { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }) {
            let path = folder.appending(name)
            let place = target.appending(name)
            func attributes(_ mode: UInt16) -> Attributes {
                Attributes(mode: mode, uid: uid, gid: gid, mtime: Timestamp(seconds: 0))
            }
            switch try fileKind(path) {
            case .directory:
                entries.append(Entry(place, attributes(0o755), .directory))
                entries += try read(path, as: place, uid: uid, gid: gid)
            case .symlink(let link): entries.append(Entry(place, attributes(0o777), .symlink(link)))
            case .regular(let runs):
                let content = try content(of: path)
                entries.append(Entry(place, attributes(runs ? 0o755 : 0o644), .regular(content)))
            case .other: throw Failure(.usage, at: path.string, "an overlay holds files, folders and links only")
            }
        }
        return entries
    }

    private static func content(of path: FilePath) throws -> Content {
        let file = try OpenFile.reading(path)
        let size = try file.size()
        let hasher = SHA256Hasher()
        var buffer = [UInt8](repeating: 0, count: Int(min(size, 1 << 20)))
        var offset: UInt64 = 0
        while offset < size {
            let count = Int(min(UInt64(buffer.count), size - offset))
            try buffer.withUnsafeMutableBytes { raw in
                let piece = UnsafeMutableRawBufferPointer(rebasing: raw[..<count])
                try file.readExactly(at: offset, into: piece)
                hasher.update(UnsafeRawBufferPointer(piece))
            }
            offset += UInt64(count)
        }
        return Content(size: size, digest: hasher.finalize(), source: .file(path, offset: 0))
    }
}
