extension Shape where Value == JSON {
    /// A mapping whose keys belong to another program, which alone knows what they mean.
    static func freeMapping(_ summary: String) -> Shape {
        Shape(
            summary: summary, schema: .members(["type": .string("object")]), hasOwnDefault: false,
            decode: { node, path, decoding in
                guard case .map = node.value else {
                    decoding.refuse(path, at: node.place, "not a mapping", expected: summary, found: describe(node))
                    return nil
                }
                return JSON(node)
            }, encode: { $0 })
    }
}

extension JSON {
    /// The value that a node's YAML stands for: plain `true`, `3` and `null` are what they look like (YAML 1.2, core schema).
    init(_ node: Node) {
        switch node.value {
        case .scalar(let text, plain: true):
            if node.isNull {
                self = .null
            } else if text == "true" || text == "false" {
                self = .bool(text == "true")
            } else if let integer = Int64(text) {
                self = .integer(integer)
            } else if matches(text, "-?[0-9]+\\.[0-9]+"), let number = Double(text) {
                self = .number(number)
            } else {
                self = .string(text)
            }
        case .scalar(let text, plain: false): self = .string(text)
        case .list(let items): self = .array(items.map { JSON($0) })
        case .map(let pairs): self = .object(pairs.map { Member(key: $0.key, value: JSON($0.value)) })
        }
    }
}
