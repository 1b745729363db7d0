import Diagnostics
import Layers

/// A package's `triggers` control file (deb-triggers(5)).
struct PackageTriggers {
    struct Interest: Hashable {
        /// A path, or a name.
        let trigger: String
        /// Whether whoever activates the trigger waits until it has been processed.
        let awaits: Bool
    }

    /// In the file's order, each trigger once.
    var interests: [Interest] = []

    /// - Throws: `Failure` at `place`, with the line, for a directive that does not exist or an impossible name.
    init(_ text: String, place: String) throws {
        for (number, line) in text.splitLines(keepingEmpty: true).enumerated() {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            // The manual lets a comment begin anywhere; dpkg itself takes only lines that begin with one.
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            let place = "\(place):\(number + 1)"
            guard words.count == 2 else {
                throw Failure(at: place, "the line is not a directive and a trigger", found: String(line))
            }
            switch words[0] {
            case "interest", "interest-await", "interest-noawait":
                guard Self.isTriggerName(words[1]) else {
                    throw Failure(at: place, "'\(words[1])' is not a trigger's name")
                }
                if interests.contains(where: { $0.trigger == words[1] }) { continue }
                interests.append(Interest(trigger: words[1], awaits: words[0] != "interest-noawait"))
            case "activate", "activate-await", "activate-noawait": continue
            default: throw Failure(at: place, "unknown directive '\(words[0])'")
            }
        }
    }

    /// A path without empty components, or a name like a package's, without `_`.
    private static func isTriggerName(_ name: String) -> Bool {
        if !name.hasPrefix("/") { return isControlName(name) && !name.contains("_") }
        return (try? EntryPath(validating: name))?.description == name
    }
}

/// The files of dpkg's `triggers` folder: who is interested in what.
///
/// `Unincorp`, the list of activations that no run of dpkg has looked at yet, is empty, as `dpkg --unpack` leaves it: dpkg drops
/// an activation whose interested package is not configured yet, since that package's own configuration does all that the
/// trigger would. With nothing configured, that is every one.
struct TriggerFiles {
    /// Lines of `File`: path, space, package.
    private var file = ""
    /// Lines of the file of each named trigger.
    private var named: [String: String] = [:]

    mutating func add(_ package: UnpackedPackage) throws {
        guard let content = package.controlFile("triggers") else { return }
        let text = try ContentReader().text(of: content, limit: 1 << 20)
        for interest in try PackageTriggers(text, place: "\(package.identity): triggers").interests {
            let who = interest.awaits ? package.databaseName : "\(package.databaseName)/noawait"
            if interest.trigger.hasPrefix("/") {
                file += "\(interest.trigger) \(who)\n"
            } else {
                named[interest.trigger, default: ""] += "\(who)\n"
            }
        }
    }

    /// The files' names and texts, sorted.
    var files: [(name: String, text: String)] {
        (named.map { ($0.key, $0.value) } + [("File", file), ("Unincorp", "")]).sorted { $0.0 < $1.0 }
    }
}
