import Diagnostics
import Layers

/// A package and the files it owns once every package of a set is unpacked.
package struct PlacedPackage: Sendable {
    /// As it was unpacked: its data still has the files that other packages replace.
    package let package: UnpackedPackage
    /// The paths dpkg lists for it, in its archive's order; the root first where the archive has it.
    package let paths: [EntryPath]
    /// What it adds to the tree.
    package let layer: Layer
}

/// Decides who owns a path that several packages ship, as `dpkg --unpack` does, one package after the other.
package enum FileOwnership {
    /// - Parameter packages: in installation order.
    /// - Returns: the packages in the same order. A file that another package replaces is in neither the layer nor the paths of
    ///   the one that lost it; a folder keeps the attributes of the first package that ships it.
    /// - Throws: `Failure` naming both packages where neither replaces the other.
    package static func settle(_ packages: [UnpackedPackage]) throws -> [PlacedPackage] {
        let links = topLevelLinks(packages)
        var owners: [EntryPath: (package: Int, isFolder: Bool)] = [:]
        var lost = [Set<EntryPath>](repeating: [], count: packages.count)
        var repeated = [Set<EntryPath>](repeating: [], count: packages.count)
        for (index, package) in packages.enumerated() {
            for entry in package.data.entries {
                // A folder over a link to a folder is the folder behind the link.
                let path = real(entry.path, isFolder: entry.kind == .directory, links)
                guard let owner = owners[path] else {
                    owners[path] = (index, entry.kind == .directory)
                    continue
                }
                if owner.isFolder, entry.kind == .directory {
                    repeated[index].insert(entry.path)
                    continue
                }
                guard !owner.isFolder, entry.kind != .directory else {
                    throw conflict(entry.path, packages[owner.package], package, "; one of them has a folder there")
                }
                if try replaces(package, packages[owner.package]) {
                    lost[owner.package].insert(path)
                    owners[path] = (index, false)
                } else if try replaces(packages[owner.package], package) {
                    lost[index].insert(path)
                } else {
                    throw conflict(entry.path, packages[owner.package], package, "")
                }
            }
        }
        return packages.enumerated().map { index, package in
            let gone = lost[index]
            if gone.isEmpty {
                var layer = package.data
                layer.entries.removeAll { repeated[index].contains($0.path) }
                return PlacedPackage(package: package, paths: package.data.entries.map(\.path), layer: layer)
            }
            let kept = keeping(package.data.entries) {
                !gone.contains(real($0.path, isFolder: $0.kind == .directory, links))
            }
            return PlacedPackage(
                package: package, paths: kept.map(\.path),
                layer: Layer(name: package.data.name, entries: kept.filter { !repeated[index].contains($0.path) }))
        }
    }

    /// The links in the root that lead to a folder elsewhere (/lib → usr/lib).
    private static func topLevelLinks(_ packages: [UnpackedPackage]) -> [ArraySlice<UInt8>: EntryPath] {
        var links: [ArraySlice<UInt8>: EntryPath] = [:]
        for entry in packages.lazy.flatMap(\.data.entries) {
            guard case .symlink(let target) = entry.kind, entry.path.parent == .root else { continue }
            if let target = try? EntryPath(validating: target) { links[entry.path.name] = target }
        }
        return links
    }

    private static func real(_ path: EntryPath, isFolder: Bool, _ links: [ArraySlice<UInt8>: EntryPath]) -> EntryPath {
        let components = path.components
        guard let first = components.first, let target = links[first], components.count > 1 || isFolder else {
            return path
        }
        return components.dropFirst().reduce(target) { $0.appending($1) }
    }

    private static func replaces(_ new: UnpackedPackage, _ old: UnpackedPackage) throws -> Bool {
        try new.dependencies("Replaces").contains { dependency in
            dependency.alternatives.contains { $0.name == old.name && $0.accepts(version: old.parsedVersion) }
        }
    }

    /// The entries that stay. Where a file goes that others of the archive are hard links to, the first of those
    /// becomes the file.
    private static func keeping(_ entries: [Entry], _ isKept: (Entry) -> Bool) -> [Entry] {
        var moved: [EntryPath: EntryKind] = [:]
        var successor: [EntryPath: EntryPath] = [:]
        var origin: [EntryPath: EntryPath] = [:]
        var kept: [Entry] = []
        for var entry in entries {
            if case .hardLink(let target) = entry.kind {
                let file = origin[target] ?? target
                origin[entry.path] = file
                if isKept(entry), let kind = moved.removeValue(forKey: file) {
                    entry.kind = kind
                    successor[file] = entry.path
                } else {
                    entry.kind = .hardLink(successor[file] ?? file)
                }
            }
            if isKept(entry) {
                kept.append(entry)
            } else if case .regular = entry.kind {
                moved[entry.path] = entry.kind
            }
        }
        return kept
    }

    private static func conflict(_ path: EntryPath, _ a: UnpackedPackage, _ b: UnpackedPackage, _ detail: String)
        -> Failure
    {
        Failure(
            at: "\(b.identity): \(path)",
            "\(a.identity) ships the same path, and neither replaces the other\(detail)",
            next: "leave one of the two packages out")
    }
}
