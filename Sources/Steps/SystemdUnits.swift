import Diagnostics
import Foundation
import Layers

/// Enables and disables systemd units in a tree, as `systemctl --root=… enable` does (systemd.unit(5), [Install]
/// section).
struct SystemdUnits {
    private let tree: Tree
    /// Where units lie, the administrator's first. Before /lib became a link into /usr, packages' units were in /lib.
    private static let folders: [EntryPath] = [
        "etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system",
    ]

    init(_ tree: Tree) { self.tree = tree }

    /// Whether the tree has a unit of that name.
    func has(_ unit: String) -> Bool {
        Self.folders.contains { tree.content($0.appending(unit)) != nil }
    }

    /// Where a unit's file is.
    ///
    /// - Throws: `Failure` when the tree has no such unit.
    func path(of unit: String, for place: String) throws -> EntryPath { try file(of: unit, place: place) }

    /// Whether some target wants the unit already.
    func isEnabled(_ unit: String) -> Bool {
        let folder: EntryPath = "etc/systemd/system"
        return tree.children(of: folder).contains { tree[$0.appending(unit)] != nil }
    }

    /// Whether a unit is masked: linked to /dev/null (systemd.unit(5)).
    func isMasked(_ unit: String) -> Bool {
        tree[Self.folders[0].appending(unit)]?.kind == .symlink(Array("/dev/null".utf8))
    }

    /// The units that a target brings along by links, an administrator's and packages', by name.
    func wanted(by target: String) -> [String] {
        let names = Self.folders.flatMap { folder in
            ["wants", "requires"].flatMap { tree.children(of: folder.appending("\(target).\($0)")) }
        }.map { String(decoding: $0.name, as: UTF8.self) }
        return Set(names).sorted()
    }

    /// A unit's values of a key, in the order of its file.
    ///
    /// - Throws: `Failure` when the tree has no such unit.
    func values(of key: String, in section: String, of unit: String, for place: String) throws -> [String] {
        try settings(of: file(of: unit, place: place), in: section).filter { $0.0 == key }.map(\.1)
    }

    /// Adds the links that enable a unit: one for each `WantedBy=`, `RequiredBy=` and `Alias=`, and those of the units
    /// in `Also=`.
    ///
    /// - Parameter unit: `ssh.service`, or an instance such as `wpa_supplicant@wlan0.service`.
    /// - Throws: `Failure` when the tree has no such unit, or it has no [Install] section.
    func enable(_ unit: String, for place: String, epoch: Int64, in layer: inout Layer) throws {
        var pending = [unit]
        var seen: Set<String> = []
        while let name = pending.popLast() {
            guard seen.insert(name).inserted else { continue }
            let (path, name) = try real(file(of: name, place: place), name)
            let install = try settings(of: path, in: "Install")
            guard !install.isEmpty else {
                throw Failure(.usage, at: place, "the unit \(name) has no [Install] section, so it cannot be enabled")
            }
            for (key, value) in install {
                let words = value.split(separator: " ").map(String.init)
                switch key {
                case "WantedBy":
                    for target in words { try link(name, to: path, from: "\(target).wants/\(name)", epoch, &layer) }
                case "RequiredBy":
                    for target in words { try link(name, to: path, from: "\(target).requires/\(name)", epoch, &layer) }
                case "Alias":
                    for alias in words { try link(name, to: path, from: alias, epoch, &layer) }
                case "Also": pending += words
                default: break
                }
            }
        }
    }

    /// Takes away the links that enable a unit.
    ///
    /// - Throws: `Failure` when the tree has no such unit.
    func disable(_ alias: String, for place: String, in layer: inout Layer) throws {
        let (_, unit) = real(try file(of: alias, place: place), alias)
        let root: EntryPath = "etc/systemd/system"
        for folder in [root] + tree.children(of: root) where tree[folder]?.kind == .directory {
            for path in tree.children(of: folder) {
                guard case .symlink(let target) = tree[path]?.kind else { continue }
                let targetName = target.split(separator: UInt8(ascii: "/")).last.map(Array.init) ?? []
                if Array(path.name) == Array(unit.utf8) || targetName == Array(unit.utf8) {
                    layer.whiteouts.append(path)
                }
            }
        }
    }

    private func link(
        _ unit: String, to path: EntryPath, from name: String, _ epoch: Int64, _ layer: inout Layer
    ) throws {
        let place = try EntryPath(validating: "etc/systemd/system/\(name)")
        if place != path { layer.addSymlink(place, to: path.description, .root(0o777, epoch: epoch)) }
    }

    /// The unit behind an alias: its file and its own name. An instance keeps its name.
    private func real(_ path: EntryPath, _ name: String) -> (path: EntryPath, name: String) {
        guard case .symlink = tree[path]?.kind, let target = tree.resolve(path) else { return (path, name) }
        return (target, String(decoding: target.name, as: UTF8.self))
    }

    /// The unit's file; an instance's is its template's.
    private func file(of unit: String, place: String) throws -> EntryPath {
        var names = [unit]
        if let at = unit.firstIndex(of: "@"), let dot = unit.lastIndex(of: "."), at < dot {
            names.append("\(unit[...at])\(unit[dot...])")
        }
        for folder in Self.folders {
            for name in names {
                let path = folder.appending(name)
                if tree.content(path) != nil { return path }
            }
        }
        let known = Self.folders.flatMap { tree.children(of: $0) }.map { String(decoding: $0.name, as: UTF8.self) }
        let near = nearestName(to: unit, in: known).map { ". Did you mean '\($0)'?" } ?? ""
        throw Failure(.usage, at: place, "the image has no unit '\(unit)'\(near)")
    }

    private func settings(of path: EntryPath, in section: String) throws -> [(String, String)] {
        guard let content = tree.content(path) else { return [] }
        var pairs: [(String, String)] = []
        var inside = false
        for line in try ContentReader().text(of: content, limit: 1 << 20).splitLines() {
            let line = line.trimmingCharacters(in: .whitespaces)
            if line.hasPrefix("[") {
                inside = line == "[\(section)]"
            } else if inside, let equals = line.firstIndex(of: "="), !line.hasPrefix("#") {
                let value = line[line.index(after: equals)...].trimmingCharacters(in: .whitespaces)
                pairs.append((line[..<equals].trimmingCharacters(in: .whitespaces), value))
            }
        }
        return pairs
    }
}
