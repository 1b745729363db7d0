import Diagnostics
import Digests
import Layers

/// A package's paragraph in dpkg's status file.
enum DpkgStatus {
    /// The order in which dpkg writes the fields it knows (dpkg, lib/dpkg/parse.c, `fieldinfos`); all others follow as they came.
    private static let order = [
        "Package", "Essential", "Protected", "Status", "Priority", "Section", "Installed-Size", "Origin", "Maintainer",
        "Bugs",
        "Architecture", "Multi-Arch", "Source", "Version", "Replaces", "Provides", "Depends", "Pre-Depends",
        "Recommends",
        "Suggests", "Breaks", "Conflicts", "Enhances", "Conffiles", "Description",
    ]

    private static let relations: Set<String> = [
        "Replaces", "Provides", "Depends", "Pre-Depends", "Recommends", "Suggests", "Breaks", "Conflicts", "Enhances",
    ]

    /// The paragraph of a package that is unpacked and not configured.
    static func paragraph(of placed: PlacedPackage) throws -> ControlParagraph {
        let package = placed.package
        let conffiles = try Conffile.all(of: placed)
        var known: [String: String] = [:]
        var others: [ControlParagraph.Field] = []
        let names = Dictionary(uniqueKeysWithValues: order.map { ($0.lowercased(), $0) })
        for field in package.control.fields {
            guard let name = names[field.name.lowercased()] else {
                others.append(field)
                continue
            }
            let isRelation = relations.contains(name)
            known[name] = isRelation ? Dependency.render(try package.dependencies(name)) : field.value
        }
        known["Status"] = "install ok unpacked"
        known["Conffiles"] = conffiles.isEmpty ? nil : conffiles.map { "\n \($0.path) \($0.state)" }.joined()
        for flag in ["Essential", "Protected"] where known[flag] != "yes" { known[flag] = nil }
        if known["Multi-Arch"] == "no" { known["Multi-Arch"] = nil }
        let fields = order.compactMap { name in
            known[name].flatMap { $0.isEmpty ? nil : ControlParagraph.Field(name, $0) }
        }
        return ControlParagraph(fields: fields + others)
    }
}

extension UnpackedPackage {
    /// The content of each plain file in data.tar, under each of its names.
    var contents: [EntryPath: Content] {
        var contents: [EntryPath: Content] = [:]
        for entry in data.entries {
            switch entry.kind {
            case .regular(let content): contents[entry.path] = content
            case .hardLink(let target): contents[entry.path] = contents[target]
            default: break
            }
        }
        return contents
    }
}

/// A file of a package that its administrator may edit.
struct Conffile {
    let path: EntryPath
    /// What stands after the path in the status file: the MD5 of the version that the package ships.
    let state: String

    /// The conffiles a package declares, each of which it must ship as a plain file.
    ///
    /// They lie in place from the start, under their own names: nothing was there that an administrator could have
    /// edited. `dpkg --configure` has nothing left to do for them, and finds the MD5 recorded.
    static func all(of placed: PlacedPackage) throws -> [Conffile] {
        let package = placed.package
        guard let list = package.controlFile("conffiles") else { return [] }
        let place = "\(package.identity): conffiles"
        let reader = ContentReader()
        let contents = package.contents
        var result: [Conffile] = []
        for line in try reader.text(of: list, limit: 1 << 20).splitLines() {
            let words = line.split(separator: " ").map(String.init)
            if words.count == 2, words[0] == "remove-on-upgrade" {
                // Only an upgrade has something to remove; dpkg notes the wish.
                result.append(
                    Conffile(path: try EntryPath(validating: words[1]), state: "newconffile remove-on-upgrade"))
                continue
            }
            guard words.count == 1, words[0].hasPrefix("/") else {
                throw Failure(at: place, "the line is not an absolute path", found: String(line))
            }
            let path = try EntryPath(validating: words[0])
            guard let content = contents[path] else {
                throw Failure(at: place, "\(path) is not a plain file of the package")
            }
            // Another package replaces it.
            guard placed.paths.contains(path) else { continue }
            let hasher = MD5Hasher()
            try reader.forEachChunk(of: content) { hasher.update($0) }
            result.append(Conffile(path: path, state: hasher.finalize()))
        }
        return result
    }
}
