import Diagnostics
import Layers
import Packages

/// dpkg's database of a tree that has one already: a stock image's. Read from the tree, never changed in place.
package struct InstalledPackages: Sendable {
    /// A paragraph of the status file.
    struct Record: IdentifiedPackage, Sendable {
        var paragraph: ControlParagraph
        /// Version and architecture are empty where the paragraph has none.
        var identity: PackageIdentity
        /// The three words of the field Status: want, error flag, state (dpkg-query(1)).
        var state: [String]
    }

    /// The status file as it stands.
    package let status: [UInt8]
    let records: [Record]
    /// What lies under a name that packages' files are moved away from (dpkg-divert(1)).
    private let diverted: Set<EntryPath>
    private let overridden: Set<EntryPath>
    /// Paths and folders whose change a package wants to hear of, with its name (deb-triggers(5)).
    private let fileTriggers: [EntryPath]
    private let tree: Tree

    static let root: EntryPath = "var/lib/dpkg"

    /// Reads the database.
    ///
    /// - Throws: `Failure` naming the file when the tree has no status file, or dpkg could not read it either.
    package init(reading tree: Tree) throws {
        self.tree = tree
        let reader = ContentReader()
        func lines(_ name: String) throws -> [String] {
            guard let content = tree.content(Self.root.appending(name)) else { return [] }
            return try reader.text(of: content, limit: 4 << 20).splitLines().map(String.init)
        }
        let path = Self.root.appending("status")
        guard let content = tree.content(path), content.size <= 64 << 20 else {
            throw Failure(
                at: path.description, "the image has no dpkg status file that could be read",
                expected: "an image of Debian or a system made from it")
        }
        status = try reader.bytes(of: content)
        records = try ControlParagraph.parse(status, place: path.description).map { paragraph in
            let place = path.description
            let name = try paragraph.required("Package", place: place)
            let state = try paragraph.required("Status", place: "\(place): \(name)").split(separator: " ")
            guard state.count == 3 else {
                throw Failure(at: "\(place): \(name)", "the field Status has not three words")
            }
            let identity = PackageIdentity(
                name: name, version: paragraph["Version"] ?? "", architecture: paragraph["Architecture"] ?? "")
            return Record(paragraph: paragraph, identity: identity, state: state.map(String.init))
        }
        let diversions = try lines("diversions")
        diverted = try Set(
            stride(from: 0, to: diversions.count - diversions.count % 3, by: 3).flatMap {
                [try EntryPath(validating: diversions[$0]), try EntryPath(validating: diversions[$0 + 1])]
            })
        overridden = try Set(
            // user, group, mode, and a path that may hold blanks.
            lines("statoverride").compactMap { line in
                let fields = line.split(separator: " ", maxSplits: 3)
                return fields.count == 4 ? try EntryPath(validating: fields[3].utf8) : nil
            })
        fileTriggers = try lines("triggers/File").compactMap { line in
            try line.split(separator: " ").first.map { try EntryPath(validating: $0.utf8) }
        }
    }

    /// The version of a package that is installed in full or in part; nil for one that is not.
    package func version(of name: String) -> String? {
        records.first { $0.name == name && !["not-installed", "config-files"].contains($0.state[2]) }?.version
    }

    /// Packages that are neither installed nor gone: something was broken off.
    package var unfinished: [String] {
        records.filter { !["installed", "not-installed", "config-files"].contains($0.state[2]) }.map(\.name)
    }

    /// The names of the packages that are installed.
    package var names: Set<String> { Set(records.filter { $0.state[2] == "installed" }.map(\.name)) }

    /// The packages that are installed, in the file's order.
    package var list: [PackageIdentity] { records.filter { $0.state[2] == "installed" }.map(\.identity) }

    /// How many packages are installed.
    package var count: Int { records.count { $0.state[2] == "installed" } }

    /// Why a package cannot be unpacked by copying its files into this tree; nil when it can.
    ///
    /// A file that is there already belongs to a package, which would have to give it up, or to the administrator, who is
    /// asked; a diversion or an override moves or changes what the package brings. All that is dpkg's work.
    package func obstacle(to package: UnpackedPackage) -> String? {
        if let record = records.first(where: { $0.name == package.name && $0.state[2] != "not-installed" }) {
            return record.state[2] == "config-files"
                ? "its configuration files are still there" : "version \(record.version) is installed"
        }
        for entry in package.data.entries {
            let isFolder = entry.kind == .directory
            if diverted.contains(entry.path) { return "\(entry.path) is diverted" }
            if overridden.contains(entry.path) { return "\(entry.path) has an override" }
            guard let place = resolved(entry.path), let node = tree[place] else { continue }
            if isFolder, node.kind == .directory || tree.lookup(place)?.kind == .directory { continue }
            return "\(entry.path) is there already"
        }
        return nil
    }

    /// The status file without what it remembers of packages that are gone.
    func status(without names: Set<String>) -> [UInt8] {
        guard records.contains(where: { names.contains($0.name) }) else { return status }
        return records.filter { !names.contains($0.name) }.flatMap { Array(($0.paragraph.text + "\n").utf8) }
    }

    /// The activations (deb-triggers(5)) that unpacking these packages makes, as lines of triggers/Unincorp: the trigger,
    /// and `-` for a package that nobody has to wait for.
    ///
    /// A path activates its own trigger and those of the folders above it, by name: dpkg follows no links here. What a package's
    /// own directives activate, its configuration activates too.
    func activations(by packages: [PlacedPackage]) -> String {
        var names: Set<EntryPath> = []
        for path in packages.flatMap(\.paths) {
            var name = Optional(path)
            while let current = name, names.insert(current).inserted { name = current.parent }
        }
        var seen: Set<EntryPath> = []
        return fileTriggers.filter { names.contains($0) && seen.insert($0).inserted }.map { "\($0) -\n" }.joined()
    }

    /// Where a path lies in the tree: its folder's links followed, the last component as it stands.
    private func resolved(_ path: EntryPath) -> EntryPath? {
        guard let parent = path.parent else { return path }
        return tree.resolve(parent)?.appending(path.name)
    }
}

extension DpkgDatabase {
    /// What unpacking fresh packages adds to a database that is there: their records, `install ok unpacked`, behind those of
    /// the installed ones.
    ///
    /// - Parameters:
    ///   - packages: in installation order; none of them is installed.
    ///   - epoch: the time of the files that no package brings.
    /// - Throws: as ``layer(for:epoch:)``.
    package static func layer(
        for packages: [PlacedPackage], over installed: InstalledPackages, in tree: Tree, epoch: Timestamp
    ) throws -> Layer {
        var fresh = try layer(for: packages, epoch: epoch)
        let root = InstalledPackages.root
        let triggers = root.appending("triggers")
        let reader = ContentReader()
        func text(_ path: EntryPath) throws -> [UInt8] { try tree.content(path).map { try reader.bytes(of: $0) } ?? [] }
        // These begin a database; this one has begun.
        let starters = ["available", "diversions", "statoverride", "lock", "lock-frontend", "info/format"]
        fresh.entries = try fresh.entries.compactMap { entry in
            var entry = entry
            let isList = entry.path.parent == triggers && entry.path.name != Array("Lock".utf8)[...]
            if entry.path == root.appending("status") {
                var bytes = installed.status(without: Set(packages.map(\.package.name)))
                while bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
                if !bytes.isEmpty { bytes += Array("\n\n".utf8) }
                entry.kind = .regular(Content(bytes + (try content(of: entry, reader))))
            } else if entry.path == triggers.appending("Unincorp") {
                let lines = try text(entry.path) + Array(installed.activations(by: packages).utf8)
                entry.kind = .regular(Content(lines))
            } else if isList {
                entry.kind = .regular(Content(try text(entry.path) + content(of: entry, reader)))
            } else if starters.contains(where: { root.bytes + Array("/\($0)".utf8) == entry.path.bytes })
                || entry.kind == .directory || entry.path == triggers.appending("Lock")
            {
                if tree[entry.path] != nil { return nil }
            }
            return entry
        }
        return fresh
    }

    private static func content(of entry: Entry, _ reader: ContentReader) throws -> [UInt8] {
        guard case .regular(let content) = entry.kind else { return [] }
        return try reader.bytes(of: content)
    }
}
