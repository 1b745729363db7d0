/// Rows of text as a table for a terminal: columns as wide as they need to be, long cells folded.
public struct TextTable: Sendable {
    /// The widest a cell gets, in characters; what is longer is folded at spaces.
    private static let widestCell = 44

    private let header: [String]
    private let rows: [[String]]
    private let rightAligned: Set<Int>

    /// - Parameters:
    ///   - header: the columns' names.
    ///   - rightAligned: the columns, from 0, whose cells end where the column ends.
    ///   - rows: as many cells each as the header has.
    public init(_ header: [String], rightAligned: Set<Int> = [], rows: [[String]]) {
        self.header = header
        self.rightAligned = rightAligned
        self.rows = rows
    }

    /// The header, a rule, and the rows, without spaces at a line's end.
    public var lines: [String] {
        let folded = rows.map { $0.map { Self.fold($0, Self.widestCell) } }
        let widths = header.indices.map { column in
            ([header[column].count] + folded.flatMap { $0[column].map(\.count) }).max() ?? 0
        }
        func line(_ cells: [String]) -> String {
            zip(cells, widths).enumerated().map { column, cell in
                let space = String(repeating: " ", count: max(0, cell.1 - cell.0.count))
                return rightAligned.contains(column) ? space + cell.0 : cell.0 + space
            }
            .joined(separator: "  ").trimmedEnd
        }
        var lines = [line(header), line(widths.map { String(repeating: "-", count: $0) })]
        for row in folded {
            for index in 0..<(row.map(\.count).max() ?? 0) {
                lines.append(line(row.map { index < $0.count ? $0[index] : "" }))
            }
        }
        return lines
    }

    /// Seconds with one digit after the point, as a cell.
    public static func time(_ seconds: Double) -> String {
        let tenths = Int((seconds * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }

    /// Breaks text at line ends and spaces (and inside a word where it must) into lines of at most `width` characters.
    private static func fold(_ text: String, _ width: Int) -> [String] {
        var lines: [String] = []
        for source in text.split(whereSeparator: \.isNewline) {
            var line = ""
            for word in source.split(separator: " ", omittingEmptySubsequences: false) {
                var word = String(word)
                if !line.isEmpty, line.count + 1 + word.count > width {
                    lines.append(line)
                    line = ""
                }
                while word.count > width {
                    lines.append(String(word.prefix(width)))
                    word = String(word.dropFirst(width))
                }
                line += line.isEmpty ? word : " " + word
            }
            lines.append(line)
        }
        return lines.isEmpty ? [""] : lines
    }
}

extension String {
    fileprivate var trimmedEnd: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
