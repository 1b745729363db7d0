import Diagnostics
import Layers

extension SystemStep {
    /// What is wrong with a time zone that a tree does not have: an old name, of which the image's own time zone database knows the
    /// present one, a slip of the pen, or nothing that is known.
    func unknownZone(_ tree: Tree) throws -> Failure {
        func failure(_ message: String, _ next: String) -> Failure {
            Failure(
                .usage, at: "system.timezone", "the image has no time zone '\(timezone)'\(message)",
                next: next)
        }
        let database = try tree.content("usr/share/zoneinfo/tzdata.zi").map {
            TimeZoneNames(try ContentReader().text(of: $0, limit: 4 << 20))
        }
        // Where one old name is there, all are: the release has not split them off, or the package is installed.
        let hasOldNames = try tree.content(Self.file(of: "US/Eastern")) != nil
        let legacy = hasOldNames ? "" : ", or add tzdata-legacy to packages.install for the old name"
        if let present = database?.present(of: timezone), let zone = try? Self.file(of: present),
            tree.content(zone) != nil
        {
            return failure(", an old name of \(present)", "write timezone: \(present)\(legacy)")
        }
        let names = database?.names.filter { name in
            (try? Self.file(of: name)).map { tree.content($0) != nil } ?? false
        }
        if let near = nearestName(to: timezone, in: names ?? []) {
            return failure(". Did you mean '\(near)'?", "write timezone: \(near)")
        }
        return failure("", "choose one of /usr/share/zoneinfo\(legacy)")
    }

    static func file(of zone: String) throws -> EntryPath {
        try EntryPath(validating: "usr/share/zoneinfo/\(zone)")
    }
}

/// The names in tzdata.zi, the time zone database in one file: `Z NAME …` is a zone, `L PRESENT OLD` another name for one (zic(8),
/// where keywords may be cut short).
struct TimeZoneNames {
    private var zones: [String] = []
    private var links: [String: String] = [:]

    init(_ text: String) {
        for line in text.splitLines() {
            let words = line.split(separator: " ", maxSplits: 3)
            switch words.first {
            case "Z" where words.count > 1: zones.append(String(words[1]))
            case "L" where words.count == 3: links[String(words[2])] = String(words[1])
            default: break
            }
        }
    }

    /// All names, old ones too.
    var names: [String] { zones + links.keys.sorted() }

    /// The zone that an old name leads to, over other old names where it has to; nil for an unknown name, and for one that leads back to
    /// itself.
    func present(of old: String) -> String? {
        guard var name = links[old] else { return nil }
        var seen: Set = [old]
        while let next = links[name] {
            guard seen.insert(name).inserted else { return nil }
            name = next
        }
        return name
    }
}
