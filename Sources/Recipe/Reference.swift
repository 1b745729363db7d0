extension Recipe {
    /// The JSON Schema of recipes (draft 2020-12), closed at every level, always the same bytes.
    package static func schema() -> String {
        guard case .object(let members) = shape.schema else { return shape.schema.pretty }
        return JSON.object(
            [
                .init(key: "$schema", value: .string("https://json-schema.org/draft/2020-12/schema")),
                .init(key: "title", value: .string("piforge recipe")),
                .init(key: "description", value: .string("What a Raspberry Pi 4 image is made of.")),
            ] + members
        ).pretty
    }

    /// The recipe as JSON with every default filled in, always the same bytes for the same recipe.
    ///
    /// It holds no secret: of passwords and wifi keys it has where they come from, and of a hash or key its digest. What files and
    /// environment variables hold is not in it; whoever reads them adds their digest.
    package var canonical: String { Self.shape.encode(self).pretty }

    /// The table of all keys, in Markdown, for docs/recipe.md.
    package static func referenceText() -> String { referenceTable(shape.rows) }
}

/// Rows as tables in Markdown, one for each first word of a key that others stand below.
func referenceTable(_ rows: [ReferenceRow]) -> String {
    var lines: [String] = []
    var section = ""
    for row in rows {
        let first = String(row.key.prefix { $0 != "." && $0 != "[" })
        if first != section || lines.isEmpty {
            let isSection = rows.contains { $0.key.hasPrefix(first + ".") || $0.key.hasPrefix(first + "[") }
            if isSection || lines.isEmpty {
                if !lines.isEmpty { lines.append("") }
                lines += ["| key | value | default | meaning |", "| --- | --- | --- | --- |"]
            }
            section = first
        }
        let cells = ["`\(row.key)`", row.value, row.fallback, row.meaning].map { $0.replacing("|", with: "\\|") }
        lines.append("| " + cells.joined(separator: " | ") + " |")
    }
    return lines.joined(separator: "\n") + "\n"
}
