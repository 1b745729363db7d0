/// One of the forms that a value with several forms can take.
struct Form<Value: Sendable>: Sendable {
    enum Head: Sendable, Equatable {
        /// A word that stands alone: `generate`.
        case word(String)
        /// A mapping with this single key: `{file: …}`.
        case key(String)
        /// A mapping with one key of any other name.
        case anyKey
        /// A scalar that is none of the words.
        case scalar
        /// A mapping with keys of its own, when no form has a single key.
        case mapping
    }

    let head: Head
    /// How a reader writes it: `{file: path}`.
    let written: String
    let doc: String
    let schema: JSON
    let rows: [ReferenceRow]
    let read: @Sendable (Node, [PathStep], Decoding) -> Value?
    /// The value as JSON, when it has this form.
    let write: @Sendable (Value) -> JSON?

    static func word(
        _ word: String, _ value: Value, _ doc: String, is same: @escaping @Sendable (Value) -> Bool
    ) -> Form {
        let json: JSON = word == "true" || word == "false" ? .bool(word == "true") : .string(word)
        return Form(
            head: .word(word), written: "`\(word)`", doc: doc, schema: .members(["const": json]), rows: [],
            read: { _, _, _ in value }, write: { same($0) ? json : nil })
    }

    static func key<Part: Sendable>(
        _ name: String, _ shape: Shape<Part>, _ doc: String, make: @escaping @Sendable (Part) -> Value,
        part: @escaping @Sendable (Value) -> Part?
    ) -> Form {
        Form(
            head: .key(name), written: "`{\(name): …}`", doc: doc,
            schema: .members([
                "type": .string("object"), "additionalProperties": .bool(false),
                "required": .array([.string(name)]),
                "properties": .object([.init(key: name, value: shape.schema.described(doc))]),
            ]),
            rows: [ReferenceRow(key: name, value: shape.summary, fallback: "", meaning: doc)]
                + shape.rows.map { $0.prefixed(name) },
            read: { node, path, decoding in shape.decode(node, path, decoding).map(make) },
            write: { part($0).map { .object([.init(key: name, value: shape.encode($0))]) } })
    }

    /// A mapping with a single key of the writer's own, which `make` judges together with what is below it.
    ///
    /// - Parameters:
    ///   - name: what the reference calls the key.
    ///   - others: single keys of other forms.
    ///   - make: the key, its place, the value below it, and where mistakes of the key are reported.
    static func anyKey<Part: Sendable>(
        _ name: String, besides others: [String], _ shape: Shape<Part>, _ doc: String,
        make: @escaping @Sendable (String, Node.Place, Part, [PathStep], Decoding) -> Value?,
        part: @escaping @Sendable (Value) -> (key: String, part: Part)?
    ) -> Form {
        Form(
            head: .anyKey, written: "`{\(name): …}`", doc: doc,
            schema: .members([
                "type": .string("object"), "minProperties": .integer(1), "maxProperties": .integer(1),
                "propertyNames": .members(["not": .members(["enum": .array(others.map { .string($0) })])]),
                "additionalProperties": shape.schema.described(doc),
            ]),
            rows: [ReferenceRow(key: name, value: shape.summary, fallback: "", meaning: doc)]
                + shape.rows.map { $0.prefixed(name) },
            read: { node, path, decoding in
                guard case .map(let pairs) = node.value, let pair = pairs.first else { return nil }
                let path = path + [.key(pair.key)]
                guard let part = shape.decode(pair.value, path, decoding) else { return nil }
                return make(pair.key, pair.keyPlace, part, path, decoding)
            },
            write: { value in
                part(value).map { .object([.init(key: $0.key, value: shape.encode($0.part))]) }
            })
    }

    static func scalar<Part: Sendable>(
        _ shape: Shape<Part>, _ doc: String, make: @escaping @Sendable (Part) -> Value,
        part: @escaping @Sendable (Value) -> Part?
    ) -> Form {
        Form(
            head: .scalar, written: shape.summary, doc: doc, schema: shape.schema, rows: [],
            read: { node, path, decoding in shape.decode(node, path, decoding).map(make) },
            write: { part($0).map(shape.encode) })
    }

    static func mapping(_ shape: Shape<Value>, _ doc: String) -> Form {
        Form(
            head: .mapping, written: shape.summary, doc: doc, schema: shape.schema, rows: shape.rows,
            read: shape.decode, write: shape.encode)
    }
}

extension Shape {
    /// A value with several forms.
    ///
    /// - Parameters:
    ///   - kind: with its article: `a password`.
    ///   - reserved: single keys that get an answer of their own.
    ///   - otherwise: the answer to a scalar that is none of the words, when no form takes scalars.
    static func oneOf(
        _ kind: String, _ forms: [Form<Value>], reserved: [ReservedKey] = [], otherwise: Refusal? = nil
    ) -> Shape<Value> {
        let words = forms.compactMap { if case .word(let word) = $0.head { word } else { nil } }
        let keys = forms.compactMap { if case .key(let key) = $0.head { key } else { nil } }
        let written = forms.map { $0.written.replacing("`", with: "") }.joined(separator: " or ")
        return Shape(
            summary: forms.map(\.written).joined(separator: " or "),
            schema: forms.count == 1 ? forms[0].schema : .members(["oneOf": .array(forms.map(\.schema))]),
            rows: forms.flatMap(\.rows),
            decode: { node, path, decoding in
                switch node.value {
                case .scalar(let text, _) where !node.isNull:
                    if let form = forms.first(where: { $0.head == .word(text) || $0.head == .scalar }) {
                        return form.read(node, path, decoding)
                    }
                    decoding.refuse(
                        path, at: node.place,
                        otherwise?.message ?? "'\(text)' is not \(kind)\(didYouMean(text, words))",
                        expected: otherwise?.expected ?? written, next: otherwise?.next)
                case .map(let pairs) where !keys.isEmpty:
                    if pairs.count == 1, !keys.contains(pairs[0].key), !pairs[0].value.isNull,
                        let form = forms.first(where: { $0.head == .anyKey })
                    {
                        return form.read(node, path, decoding)
                    }
                    var value: Value?
                    for pair in pairs {
                        let path = path + [.key(pair.key)]
                        if let form = forms.first(where: { $0.head == .key(pair.key) }) {
                            if pair.value.isNull {
                                decoding.refuse(path, at: pair.value.place, "has no value")
                            } else {
                                value = form.read(pair.value, path, decoding)
                            }
                        } else if let key = reserved.first(where: { $0.name == pair.key }) {
                            decoding.refuse(path, at: pair.keyPlace, key.message, next: key.next)
                        } else {
                            refuseUnknown(pair, at: path, known: keys, decoding)
                        }
                    }
                    if pairs.count == 1 { return value }
                    decoding.refuse(
                        path, at: node.place, "takes exactly one of its keys", expected: written,
                        found: pairs.isEmpty ? "none" : pairs.map(\.key).joined(separator: ", "))
                case .map:
                    if let form = forms.first(where: { $0.head == .mapping }) { return form.read(node, path, decoding) }
                    fallthrough
                default:
                    decoding.refuse(path, at: node.place, "not \(kind)", expected: written, found: describe(node))
                }
                return nil
            },
            encode: { value in
                for form in forms { if let json = form.write(value) { return json } }
                return .null
            })
    }
}
