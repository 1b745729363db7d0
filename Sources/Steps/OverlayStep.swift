import Diagnostics
import Digests
import Foundation
import Layers
import Storage
import SystemPackage

/// Lays a folder of the host over the tree: its files, owned by root, at the recipe's epoch.
///
/// A folder that is there already keeps its owner and mode: the overlay only passes through it. A new one below a person's home
/// belongs to the home's owner. A folder of the tree is not replaced by a file or a link unless the recipe says so.
///
/// Of the host's modes only "may be run" counts, so that a umask or a checkout does not matter: 0755 where the owner
/// may run it, else 0644; folders 0755.
package struct OverlayStep: TreeStep {
    /// With its number, so that two overlays of folders with the same name differ.
    package var name: String { "overlay \(number) \(folder.lastComponent?.string ?? "")" }
    /// Which of the recipe's overlays it is, from 1.
    package let number: Int
    /// The folder of the host. What is in it is listed and hashed once, when the step is made.
    package let folder: FilePath
    /// The folder of the image that the files go to.
    package let target: EntryPath
    private let entries: [Entry]
    /// Folders of the overlay whose mode the recipe gives.
    private let givenModes: Set<EntryPath>
    /// What of the tree the overlay may replace.
    private let replaced: Set<EntryPath>

    /// Reads the folder.
    ///
    /// - Parameters:
    ///   - modes: modes of single paths, relative to the folder, in place of the rule.
    ///   - replaced: paths, relative to the folder, at which the overlay may replace a folder of the tree with a file or a link, or a
    ///     file with a folder.
    /// - Throws: `Failure` naming what cannot be read, or what no overlay may hold (devices, sockets, fifos).
    package init(
        number: Int = 1, folder: FilePath, target: EntryPath, uid: UInt32 = 0, gid: UInt32 = 0,
        modes: [EntryPath: UInt16] = [:], replaced: [EntryPath] = []
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
        func place(_ path: EntryPath) -> EntryPath { path.components.reduce(target) { $0.appending($1) } }
        givenModes = Set(modes.keys.map(place))
        self.replaced = Set(replaced.map(place))
        for path in replaced where !entries.contains(where: { $0.path == place(path) }) {
            throw Failure(.usage, at: folder.string, "the overlay has no \(path), which is to replace something")
        }
        self.entries = entries
    }

    /// What the overlay brings below a folder of the image, as far as its own names say: a link of the tree may lead there, too.
    package func entries(below folder: EntryPath) -> [Entry] {
        entries.filter { $0.path.isInside(folder) }
    }

    /// The overlay's own file that comes to a path of the image; nil where it brings none.
    package func file(at path: EntryPath) -> FilePath? {
        guard entries.contains(where: { $0.path == path }), let inside = path.relative(to: target)
        else { return nil }
        return inside.components.reduce(folder) { $0.appending(name: Array($1)) }
    }

    package var summary: String { "\(entries.count) entries to \(target)" }

    /// The digest of all that the folder brings, and which modes and replacements the recipe gives.
    package var inputs: [StepInput] {
        let given = (givenModes.map { "mode \($0)" } + replaced.map { "replace \($0)" }).sorted()
        return brought.flatMap { files in
            [StepInput(files.name, files.digest.hex)]
                + (given.isEmpty ? [] : [StepInput("\(files.name), what is given", given.joined(separator: ", "))])
        }
    }

    /// One: all that the folder brings, named by its last component and ``target``.
    package var brought: [BroughtFiles] {
        let name = "overlay \(folder.lastComponent?.string ?? "") to \(target)"
        return [BroughtFiles(name: name, digest: Layer(name: "", entries: entries).digest)]
    }

    /// What the overlay adds: folders that are there already are left out, unless the recipe gives their modes.
    ///
    /// - Throws: `Failure` of kind usage for a file or link in place of a folder, or a folder in place of a file, that the recipe does not
    ///   allow.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        let homes = Self.homes(in: tree)
        for entry in entries {
            var entry = entry
            entry.attributes.mtime = Timestamp(seconds: epoch)
            guard let place = tree.place(of: entry.path), let there = tree[place] else {
                if entry.kind == .directory, entry.attributes.uid == 0, entry.attributes.gid == 0,
                    let home = homes.first(where: { entry.path.isInside($0.path) })
                {
                    entry.attributes.uid = home.attributes.uid
                    entry.attributes.gid = home.attributes.gid
                }
                layer.entries.append(entry)
                continue
            }
            let leadsTo = tree.resolve(entry.path)
            let folder = leadsTo.flatMap { tree[$0]?.kind == .directory ? $0 : nil }
            if entry.kind == .directory, let folder, let known = tree[folder] {
                // Passed through, unless the recipe says what its mode is.
                guard givenModes.contains(entry.path) else { continue }
                var attributes = known.attributes
                attributes.mode = entry.attributes.mode
                attributes.mtime = entry.attributes.mtime
                layer.entries.append(Entry(folder, attributes, .directory))
                continue
            }
            let losesFolder = entry.kind != .directory && folder != nil && there.kind != entry.kind
            let losesFile = entry.kind == .directory && folder == nil
            guard !(losesFolder || losesFile) || replaced.contains(entry.path) else {
                throw refusal(entry.path, folder: folder, isLink: place != leadsTo, in: tree)
            }
            layer.entries.append(entry)
        }
        return layer
    }

    private func refusal(_ path: EntryPath, folder: EntryPath?, isLink: Bool, in tree: Tree) -> Failure {
        let name = path.relative(to: target)?.description.drop { $0 == "/" } ?? ""
        var lost = "a file of the tree"
        if let folder {
            let files = tree.contents(of: folder)
            let shown = files.prefix(3).map(\.description).joined(separator: ", ")
            lost = "\(isLink ? "a link to the folder \(folder)" : "a folder") with \(files.count) files and folders"
            if !files.isEmpty { lost += ": \(shown)\(files.count > 3 ? ", …" : "")" }
        }
        return Failure(
            .usage, at: "\(self.folder.lastComponent?.string ?? "overlay")/\(name)",
            folder == nil
                ? "the overlay would put a folder in place of the file \(path)"
                : "the overlay would put a file or a link in place of the folder \(path)",
            expected: "what is there, or the overlay's word that it is to go", found: lost,
            next: "take it out of the overlay, or add replace: [\(name)]")
    }

    /// The home folders of people that are in the tree (passwd(5)), the deepest first.
    private static func homes(in tree: Tree) -> [(path: EntryPath, attributes: Attributes)] {
        guard let content = tree.content("etc/passwd"), let text = try? ContentReader().text(of: content) else {
            return []
        }
        return text.split(whereSeparator: \.isNewline).compactMap {
            line -> (path: EntryPath, attributes: Attributes)? in
            let fields = line.split(separator: ":", omittingEmptySubsequences: false)
            guard fields.count >= 7, let uid = UInt32(fields[2]), (1000..<60_000).contains(uid),
                let path = try? EntryPath(validating: String(fields[5])), !path.isRoot, let node = tree[path],
                node.kind == .directory
            else { return nil }
            return (path, node.attributes)
        }.sorted { $0.path.components.count > $1.path.components.count }
    }

    private static func read(_ folder: FilePath, as target: EntryPath, uid: UInt32, gid: UInt32) throws -> [Entry] {
        let names: [[UInt8]]
        // In the order of their bytes: the host's order of names must not matter.
        do { names = try nameBytes(in: folder) } catch let error as Errno {
            throw Failure(
                .usage, at: folder.string,
                "the overlay's folder cannot be read: \(error.description.lowercased())")
        }
        var entries: [Entry] = []
        for name in names {
            let path = folder.appending(name: name)
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
        var summer = ContentSummer()
        try file.forEachPiece(of: 0..<size) { summer.add($0) }
        return summer.content(.file(path, offset: 0))
    }
}
