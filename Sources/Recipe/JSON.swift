/// A JSON value whose objects keep the order of their keys, so that the same value always gives the same bytes.
package indirect enum JSON: Sendable, Equatable {
    case null
    case bool(Bool)
    case integer(Int64)
    case number(Double)
    case string(String)
    case array([JSON])
    case object([Member])

    /// A key of an object, and its value.
    package struct Member: Sendable, Equatable {
        package var key: String
        package var value: JSON

        package init(key: String, value: JSON) {
            self.key = key
            self.value = value
        }
    }

    /// An object from pairs; a pair without a value is left out.
    package static func members(_ pairs: KeyValuePairs<String, JSON?>) -> JSON {
        .object(pairs.compactMap { key, value in value.map { Member(key: key, value: $0) } })
    }

    /// The value of an object's key; nil where there is none.
    package subscript(key: String) -> JSON? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.key == key }?.value
    }

    /// Text in two-space indentation, ending in a line feed (RFC 8259; strings in UTF-8, escaped only where they must be).
    package var pretty: String { rendered(indent: 0) + "\n" }

    /// The value on one line of YAML, as a person would write it in a recipe.
    var flow: String {
        switch self {
        case .string(let text):
            matches(text, "(?=.*[A-Za-z-])[A-Za-z0-9./~][A-Za-z0-9 ./_=~+-]*")
                && !["true", "false", "null"].contains(text)
                ? text : Self.quoted(text)
        case .array(let items): "[" + items.map(\.flow).joined(separator: ", ") + "]"
        case .object(let members): "{" + members.map { "\($0.key): \($0.value.flow)" }.joined(separator: ", ") + "}"
        default: inline
        }
    }

    /// A schema with its description first (JSON Schema 2020-12, "Meta-Data Annotations").
    func described(_ text: String, default fallback: JSON? = nil, example: JSON? = nil) -> JSON {
        guard case .object(let members) = self else { return self }
        var all = [Member(key: "description", value: .string(text.replacing("`", with: "")))]
        if let fallback { all.append(Member(key: "default", value: fallback)) }
        if let example { all.append(Member(key: "examples", value: .array([example]))) }
        return .object(all + members)
    }

    /// The value on one line.
    package var inline: String {
        switch self {
        case .null: "null"
        case .bool(let value): value ? "true" : "false"
        case .integer(let value): String(value)
        case .number(let value): String(value)
        case .string(let value): Self.quoted(value)
        case .array(let items): "[" + items.map(\.inline).joined(separator: ", ") + "]"
        case .object(let members):
            "{" + members.map { Self.quoted($0.key) + ": " + $0.value.inline }.joined(separator: ", ") + "}"
        }
    }

    private func rendered(indent: Int) -> String {
        let inner = String(repeating: "  ", count: indent + 1)
        let outer = String(repeating: "  ", count: indent)
        switch self {
        case .array(let items) where !items.isEmpty:
            let lines = items.map { inner + $0.rendered(indent: indent + 1) }
            return "[\n" + lines.joined(separator: ",\n") + "\n\(outer)]"
        case .object(let members) where !members.isEmpty:
            let lines = members.map { inner + Self.quoted($0.key) + ": " + $0.value.rendered(indent: indent + 1) }
            return "{\n" + lines.joined(separator: ",\n") + "\n\(outer)}"
        default: return inline
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
