/// A key of a mapping: its name, the property it sets, the shape of its value, and what a reader is told of it.
struct Key<Root: Sendable>: Sendable {
    let name: String
    let required: Bool
    let doc: String
    let example: JSON?
    let schema: JSON
    let rows: @Sendable (Root) -> [ReferenceRow]
    let read: @Sendable (Node, [PathStep], Decoding, inout Root) -> Void
    let write: @Sendable (Root) -> JSON?
    /// The value without the key, when it is not made from other keys.
    let fallback: @Sendable (Root) -> JSON?

    /// - Parameters:
    ///   - fallback: what the reference says of the default, where that is made from other keys.
    ///   - example: YAML's flow form, which is shown as it stands.
    init<Value: Sendable>(
        _ name: String, _ property: any WritableKeyPath<Root, Value> & Sendable, _ shape: Shape<Value>,
        required: Bool = false, fallback: String? = nil, example: JSON? = nil, _ doc: String
    ) {
        self.init(
            name: name, shape: shape, required: required, fallback: fallback, example: example, doc: doc,
            set: { $0[keyPath: property] = $1 }, get: { $0[keyPath: property] })
    }

    /// A key without a default: the property stays nil when the key is not there.
    init<Value: Sendable>(
        optional name: String, _ property: any WritableKeyPath<Root, Value?> & Sendable, _ shape: Shape<Value>,
        fallback: String? = nil, example: JSON? = nil, _ doc: String
    ) {
        self.init(
            name: name, shape: shape, required: false, fallback: fallback ?? "none", example: example, doc: doc,
            set: { $0[keyPath: property] = $1 }, get: { $0[keyPath: property] })
    }

    private init<Value: Sendable>(
        name: String, shape: Shape<Value>, required: Bool, fallback fallbackText: String?, example: JSON?, doc: String,
        set: @escaping @Sendable (inout Root, Value) -> Void, get: @escaping @Sendable (Root) -> Value?
    ) {
        self.name = name
        self.required = required
        self.doc = doc
        self.example = example
        schema = shape.schema
        read = { node, path, decoding, root in
            if let value = shape.decode(node, path, decoding) { set(&root, value) }
        }
        write = { get($0).map(shape.encode) }
        let unset: @Sendable (Root) -> JSON? = { root in
            required || fallbackText != nil ? nil : get(root).map(shape.encode)
        }
        fallback = unset
        rows = { root in
            let text =
                required
                ? "required"
                : fallbackText ?? (shape.hasOwnDefault ? unset(root).map { "`\($0.flow)`" } ?? "none" : "")
            let shown = example.map { " Example: `\($0.flow)`" } ?? ""
            let row = ReferenceRow(key: name, value: shape.summary, fallback: text, meaning: doc + shown)
            return [row] + shape.rows.map { $0.prefixed(name) }
        }
    }
}

/// A key that has a place in the schema's future: writing it gets an answer of its own.
struct ReservedKey: Sendable {
    var name: String
    var message: String
    var next: String?
}

extension Shape {
    /// A mapping with these keys and no other.
    ///
    /// - Parameters:
    ///   - start: the value before any key is read: every default is written there, and only there.
    ///   - reserved: keys that get an answer of their own instead of "unknown key".
    static func object(
        _ start: Value, called summary: String = "mapping", _ keys: [Key<Value>], reserved: [ReservedKey] = []
    ) -> Shape<Value> {
        Shape(
            summary: summary,
            schema: .members([
                "type": .string("object"), "additionalProperties": .bool(false),
                "required": keys.contains(where: \.required)
                    ? .array(keys.filter(\.required).map { .string($0.name) }) : nil,
                "properties": .object(
                    keys.map {
                        .init(
                            key: $0.name,
                            value: $0.schema.described($0.doc, default: $0.fallback(start), example: $0.example))
                    }),
            ]),
            rows: keys.flatMap { $0.rows(start) }, hasOwnDefault: false,
            decode: { node, path, decoding in
                guard case .map(let pairs) = node.value else {
                    decoding.refuse(
                        path, at: node.place, path.isEmpty ? "the recipe is not a mapping" : "not a mapping",
                        expected: "keys: \(keys.map(\.name).joined(separator: ", "))", found: describe(node))
                    return nil
                }
                var value = start
                for pair in pairs {
                    let path = path + [.key(pair.key)]
                    if let key = keys.first(where: { $0.name == pair.key }) {
                        if pair.value.isNull {
                            decoding.refuse(
                                path, at: pair.value.place, "has no value",
                                next: "write one ([] is an empty list), or leave the key out for its default")
                        } else {
                            key.read(pair.value, path, decoding, &value)
                        }
                    } else if let key = reserved.first(where: { $0.name == pair.key }) {
                        decoding.refuse(path, at: pair.keyPlace, key.message, next: key.next)
                    } else {
                        refuseUnknown(pair, at: path, known: keys.map(\.name), decoding)
                    }
                }
                var complete = true
                for key in keys where key.required && node[key.name] == nil {
                    complete = false
                    decoding.refuse(
                        path, at: node.place, "the key '\(key.name)' is missing", expected: "\(key.name): \(key.doc)")
                }
                return complete ? value : nil
            },
            encode: { value in
                .object(keys.compactMap { key in key.write(value).map { .init(key: key.name, value: $0) } })
            })
    }
}

/// Reports a key that its mapping does not have, with the near one, or all of them when none is near.
func refuseUnknown(_ pair: Node.Pair, at path: [PathStep], known: [String], _ decoding: Decoding) {
    let near = didYouMean(pair.key, known)
    decoding.refuse(
        path, at: pair.keyPlace, "unknown key '\(pair.key)'\(near)",
        expected: near.isEmpty ? "one of \(known.joined(separator: ", "))" : nil)
}
