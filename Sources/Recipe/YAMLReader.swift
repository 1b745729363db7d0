import Diagnostics
import Yams

/// Reads YAML text into nodes that know their lines.
///
/// A recipe needs little of YAML: one document of mappings, lists and plain values. Tags are refused, and so is what makes
/// a short text long: deep nesting and aliases of aliases.
struct YAMLReader {
    /// The file's name in messages.
    let file: String
    private var nodesLeft = Self.nodeLimit

    /// A recipe of this size has thousands of packages; only aliases of aliases come further.
    static let nodeLimit = 20_000
    private static let depthLimit = 32
    private static let bracketLimit = 1000
    private static let aliasLimit = 16

    init(file: String) { self.file = file }

    /// - Throws: `Failure` with line and column when the text is not YAML, or not YAML a recipe may hold.
    static func read(_ text: String, file: String) throws -> Node {
        var reader = YAMLReader(file: file)
        try reader.checkSize(of: text)
        let root: Yams.Node?
        do {
            root = try Yams.compose(yaml: text, .basic, .default, .utf8)
        } catch let error as YamlError {
            throw reader.failure(error, text: text)
        }
        guard let root else {
            throw Failure(.usage, at: file, "the recipe is empty", next: "start from a copy of recipes/debian-13.yaml")
        }
        return try reader.convert(root, line: 1, depth: 0)
    }

    /// Reads the value of an override: any YAML on one line.
    static func readValue(_ text: String, place: Node.Place) throws -> Node {
        var reader = YAMLReader(file: place.text(in: ""))
        try reader.checkSize(of: text)
        do {
            guard let root = try Yams.compose(yaml: text, .basic, .default, .utf8) else {
                return Node(value: .scalar("", plain: true), place: place)
            }
            return try reader.convert(root, line: 1, depth: 0).moved(to: place)
        } catch let error as YamlError {
            throw Failure(.usage, at: reader.file, "the value is not YAML: \(error.problem)")
        }
    }

    /// The library recurses for every level and hashes whole keys, so the text is bounded before it sees it.
    private func checkSize(of text: String) throws {
        var brackets = 0
        var aliases = 0
        for (index, line) in text.splitLines(keepingEmpty: true).enumerated() {
            let bytes = Array(line.utf8)
            let marks = bytes.prefix { [UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: " ")].contains($0) }
            if marks.count(where: { $0 != UInt8(ascii: " ") }) > Self.depthLimit {
                throw refusal("the recipe is nested too deeply", line: index + 1)
            }
            if bytes.first(where: { $0 != UInt8(ascii: " ") }) == UInt8(ascii: "#") { continue }
            for (position, byte) in bytes.enumerated() {
                switch byte {
                case UInt8(ascii: "["), UInt8(ascii: "{"): brackets += 1
                case UInt8(ascii: "*")
                where (position == 0 || Self.opensToken.contains(bytes[position - 1]))
                    && position + 1 < bytes.count && bytes[position + 1] != UInt8(ascii: " "):
                    aliases += 1
                default: break
                }
            }
            if brackets > Self.bracketLimit { throw refusal("the recipe has too many brackets", line: index + 1) }
            if aliases > Self.aliasLimit { throw refusal("the recipe has too many aliases (*name)", line: index + 1) }
        }
    }

    private static let opensToken = Array(" \t[{,:?-".utf8)

    private mutating func convert(_ node: Yams.Node, line: Int, depth: Int) throws -> Node {
        let line = node.scalar.flatMap(\.mark).map(\.line) ?? line
        nodesLeft -= 1
        guard nodesLeft > 0 else {
            throw refusal(
                "the recipe has more than \(Self.nodeLimit) values; are there aliases of aliases?", line: line)
        }
        guard depth <= Self.depthLimit else { throw refusal("the recipe is nested too deeply", line: line) }
        let place = Node.Place.line(line)
        switch node {
        case .scalar(let scalar):
            try refuseTag(scalar.tag, line: line)
            return Node(value: .scalar(scalar.string, plain: scalar.style == .plain), place: place)
        case .sequence(let sequence):
            try refuseTag(sequence.tag, line: line)
            let items = try sequence.map { try convert($0, line: $0.mark?.line ?? line, depth: depth + 1) }
            return Node(value: .list(items), place: place)
        case .mapping(let mapping):
            try refuseTag(mapping.tag, line: line)
            let pairs = try mapping.map { key, value in
                guard case .scalar(let name) = key else {
                    throw refusal("a key must be a single word", line: key.mark?.line ?? line)
                }
                let keyLine = name.mark?.line ?? line
                let node = try convert(value, line: keyLine, depth: depth + 1)
                return Node.Pair(key: name.string, keyPlace: .line(keyLine), value: node)
            }
            return Node(value: .map(pairs), place: place)
        case .alias: throw refusal("aliases are not used in recipes", line: line)
        }
    }

    private func refuseTag(_ tag: Tag, line: Int) throws {
        let name = tag.description
        // The library writes the resolved tag into nodes that it compared, so the three plain ones are let through.
        guard ["", "tag:yaml.org,2002:str", "tag:yaml.org,2002:seq", "tag:yaml.org,2002:map"].contains(name) else {
            throw refusal("the tag '\(name)' is not used in recipes", line: line)
        }
    }

    private func refusal(_ message: String, line: Int) -> Failure {
        Failure(.usage, at: Node.Place.line(line).text(in: file), message)
    }

    private func failure(_ error: YamlError, text: String) -> Failure {
        switch error {
        case .composer(_?, _, let mark, _):
            return Failure(.usage, at: "\(file):\(mark.line)", "a second document begins here, and a recipe is one")
        case .scanner(let context, _, let mark, _), .parser(let context, _, let mark, _),
            .composer(let context, _, let mark, _):
            let begun = context.map { " \($0.text) begun on line \($0.mark.line)" } ?? ""
            return Failure(
                .usage, at: "\(file):\(mark.line):\(mark.column)", "the recipe is not YAML: \(error.problem)\(begun)",
                next: advice(for: mark, in: text))
        case .duplicatedKeysInMapping(let keys, let context):
            let key = keys.first ?? ""
            let again = lineOfRepeat(of: key, after: context.mark, in: text)
            return Failure(
                .usage, at: "\(file):\(again ?? context.mark.line)", "the key '\(key)' is there twice",
                found: "'\(key)' on line \(context.mark.line)"
                    + (again.map { " and on line \($0)" } ?? ", and again behind it"),
                next: "keep one of the two")
        default: return Failure(.usage, at: file, "the recipe is not YAML: \(error.problem)")
        }
    }

    private func advice(for mark: Mark, in text: String) -> String? {
        let lines = text.splitLines(keepingEmpty: true)
        guard lines.indices.contains(mark.line - 1) else { return nil }
        let indent = lines[mark.line - 1].prefix { $0 == " " || $0 == "\t" }
        return indent.contains("\t") ? "indent with spaces; YAML allows no tab there" : nil
    }

    /// The library names only the first of two equal keys; the second stands in the same column further down.
    private func lineOfRepeat(of key: String, after first: Mark, in text: String) -> Int? {
        let lines = text.splitLines(keepingEmpty: true)
        for (index, line) in lines.enumerated().dropFirst(first.line) {
            let rest = line.dropFirst(first.column - 1).drop { $0 == "\"" || $0 == "'" }
            guard line.prefix(first.column - 1).allSatisfy({ " -?".contains($0) }), rest.hasPrefix(key) else {
                continue
            }
            let after = rest.dropFirst(key.count).drop { $0 == "\"" || $0 == "'" || $0 == " " }
            if after.first == ":" { return index + 1 }
        }
        return nil
    }
}

extension YamlError {
    /// What is wrong, without the place.
    fileprivate var problem: String {
        switch self {
        case .scanner(_, let problem, _, _), .parser(_, let problem, _, _), .composer(_, let problem, _, _): problem
        case .reader(let problem, _, _, _): problem
        case .duplicatedKeysInMapping(let keys, _): "the key '\(keys.first ?? "")' is there twice"
        default: "it could not be read"
        }
    }
}

extension Node {
    /// The same node as if it had been written at `place`.
    func moved(to place: Place) -> Node {
        switch value {
        case .scalar: Node(value: value, place: place)
        case .list(let items): Node(value: .list(items.map { $0.moved(to: place) }), place: place)
        case .map(let pairs):
            Node(
                value: .map(pairs.map { Pair(key: $0.key, keyPlace: place, value: $0.value.moved(to: place)) }),
                place: place)
        }
    }
}
