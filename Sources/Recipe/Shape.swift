/// How values of one type are written in a recipe: the one description that decodes them, names their mistakes, prints them
/// as JSON, and makes the JSON Schema and the reference table.
struct Shape<Value: Sendable>: Sendable {
    /// What a reader may write there, in a few words: `size`, `list of package names`.
    var summary: String
    /// The JSON Schema of the value.
    var schema: JSON
    /// The keys below the value, for the reference table.
    var rows: [ReferenceRow] = []
    /// Whether the reference shows a default for the value itself; a mapping's defaults are those of its keys.
    var hasOwnDefault = true
    /// Reads a node; nil when something was wrong, which has then been reported.
    var decode: @Sendable (Node, [PathStep], Decoding) -> Value?
    /// The value as JSON, without secrets.
    var encode: @Sendable (Value) -> JSON

    /// The same form for another type: `read` may refuse what the form allows.
    func mapped<Other: Sendable>(
        _ read: @escaping @Sendable (Value, Decoding) throws -> Other, back write: @escaping @Sendable (Other) -> Value
    ) -> Shape<Other> {
        let shape = self
        return Shape<Other>(
            summary: summary, schema: schema, rows: rows, hasOwnDefault: hasOwnDefault,
            decode: { node, path, decoding in
                guard let value = shape.decode(node, path, decoding) else { return nil }
                do {
                    return try read(value, decoding)
                } catch let refusal as Refusal {
                    decoding.refuse(path, at: node.place, refusal)
                } catch let mistakes as ForeignMistakes {
                    decoding.refuse(path, at: node.place, mistakes)
                } catch {
                    decoding.refuse(path, at: node.place, "\(error)")
                }
                return nil
            },
            encode: { shape.encode(write($0)) })
    }

    /// As ``refusing(_:)``, for a mapping whose keys need each other: what a refused key would have said is not missed as well.
    func checked(_ check: @escaping @Sendable (Value) -> Refusal?) -> Shape<Value> {
        var shape = self
        let read = decode
        shape.decode = { node, path, decoding in
            guard let value = read(node, path, decoding), decoding.isClean(path.text) else { return nil }
            guard let refusal = check(value) else { return value }
            decoding.refuse(path, at: node.place, refusal)
            return nil
        }
        return shape
    }

    /// A shape that accepts less.
    func refusing(_ check: @escaping @Sendable (Value) -> Refusal?) -> Shape<Value> {
        mapped({ value, _ in if let refusal = check(value) { throw refusal } else { value } }, back: { $0 })
    }
}

/// A row of the reference table.
struct ReferenceRow: Sendable {
    var key: String
    var value: String
    var fallback: String
    var meaning: String

    func prefixed(_ prefix: String) -> ReferenceRow {
        var row = self
        row.key = prefix + (key.hasPrefix("[") ? "" : ".") + key
        return row
    }
}

extension Shape where Value == Bool {
    static let flag = Shape(
        summary: "`true` or `false`", schema: .members(["type": .string("boolean")]),
        decode: { node, path, decoding in
            switch node.value {
            case .scalar("true", plain: true): return true
            case .scalar("false", plain: true): return false
            default:
                let text = scalarText(node)
                let yes = text.map { ["yes", "on", "y", "1"].contains($0.lowercased()) } ?? false
                let no = text.map { ["no", "off", "n", "0"].contains($0.lowercased()) } ?? false
                decoding.refuse(
                    path, at: node.place, "not true or false", expected: "true or false", found: describe(node),
                    next: yes ? "write true" : no ? "write false" : nil)
                return nil
            }
        },
        encode: { .bool($0) })
}

extension Shape where Value == Int {
    /// A decimal integer.
    static func integer(_ summary: String, in range: ClosedRange<Int>) -> Shape {
        Shape(
            summary: "\(summary), \(range.lowerBound) to \(range.upperBound)",
            schema: .members([
                "type": .string("integer"), "minimum": .integer(Int64(range.lowerBound)),
                "maximum": .integer(Int64(range.upperBound)),
            ]),
            decode: { node, path, decoding in
                let expected = "an integer from \(range.lowerBound) to \(range.upperBound)"
                guard case .scalar(let text, plain: true) = node.value, let value = Int(text) else {
                    decoding.refuse(path, at: node.place, "not an integer", expected: expected, found: describe(node))
                    return nil
                }
                guard range.contains(value) else {
                    decoding.refuse(path, at: node.place, "\(value) is out of range", expected: expected)
                    return nil
                }
                return value
            },
            encode: { .integer(Int64($0)) })
    }
}

extension Shape where Value == String {
    /// Text that matches a whole pattern (a regular expression that ICU and ECMA-262 read alike).
    ///
    /// - Parameters:
    ///   - kind: with its article: `a host name`.
    ///   - expected: the rule in words.
    static func text(_ kind: String, pattern: String? = nil, expected: String? = nil, limit: Int = 4096) -> Shape {
        Shape(
            summary: kind,
            schema: .members([
                "type": .string("string"), "pattern": pattern.map { .string("^(?:\($0))$") },
                "maxLength": .integer(Int64(limit)),
            ]),
            decode: { node, path, decoding in
                guard let text = scalarText(node) else {
                    decoding.refuse(path, at: node.place, "not \(kind)", expected: expected, found: describe(node))
                    return nil
                }
                guard text.unicodeScalars.count <= limit else {
                    decoding.refuse(path, at: node.place, "longer than \(limit) characters")
                    return nil
                }
                if let pattern, !matches(text, pattern) {
                    decoding.refuse(path, at: node.place, "'\(text)' is not \(kind)", expected: expected)
                    return nil
                }
                return text
            },
            encode: { .string($0) })
    }

    /// One of a few words.
    static func word(_ kind: String, of words: [String]) -> Shape {
        Shape(
            summary: words.map { "`\($0)`" }.joined(separator: ", "),
            schema: .members(["enum": .array(words.map { .string($0) })]),
            decode: { node, path, decoding in
                guard let text = scalarText(node), words.contains(text) else {
                    let found = scalarText(node)
                    decoding.refuse(
                        path, at: node.place,
                        found.map { "unknown \(kind) '\($0)'\(didYouMean($0, words))" } ?? "not a \(kind)",
                        expected: "one of \(words.joined(separator: ", "))", found: found == nil ? describe(node) : nil)
                    return nil
                }
                return text
            },
            encode: { .string($0) })
    }
}

extension Shape {
    /// A list whose items are all of one shape.
    ///
    /// - Parameters:
    ///   - identity: what two items may not have in common; nil allows equal items.
    static func list<Item: Sendable>(
        of item: Shape<Item>, called summary: String, limit: Int = 5000,
        identity: (@Sendable (Item) -> String)? = nil
    ) -> Shape<[Item]> where Value == [Item] {
        Shape(
            summary: summary,
            schema: .members([
                "type": .string("array"), "items": item.schema, "maxItems": .integer(Int64(limit)),
            ]),
            rows: item.rows.map { $0.prefixed("[]") },
            decode: { node, path, decoding in
                guard case .list(let nodes) = node.value else {
                    decoding.refuse(
                        path, at: node.place, "not a list", expected: summary, found: describe(node),
                        next: node.isNull
                            ? "write [] for an empty list, or leave the key out" : "write [a, b] or lines of '- a'")
                    return nil
                }
                guard nodes.count <= limit else {
                    decoding.refuse(path, at: node.place, "more than \(limit) items")
                    return nil
                }
                var seen: [String: Node.Place] = [:]
                var items: [Item] = []
                for (index, node) in nodes.enumerated() {
                    let path = path + [.index(index)]
                    guard let value = item.decode(node, path, decoding) else { continue }
                    if let name = identity?(value), !name.isEmpty,
                        let first = seen.updateValue(node.place, forKey: name)
                    {
                        decoding.refuse(
                            path, at: node.place, "'\(name)' is there twice",
                            found: "first at \(first.text(in: decoding.file))")
                    }
                    items.append(value)
                }
                return items.count == nodes.count ? items : nil
            },
            encode: { .array($0.map(item.encode)) })
    }
}

/// The text of a scalar that has one; nil for lists, mappings and nothing.
func scalarText(_ node: Node) -> String? {
    guard case .scalar(let text, _) = node.value, !node.isNull else { return nil }
    return text
}

/// What a node is, in an error: its text when it has one, else what kind it is of.
func describe(_ node: Node) -> String {
    guard let text = scalarText(node) else { return node.kind }
    return "'\(text.prefix(60))'"
}
