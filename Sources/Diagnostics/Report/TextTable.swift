/// Rows of text as a table: columns as wide as they need to be.
package struct TextTable: Sendable {
    /// The widest a folded cell gets, in characters.
    private static let widestCell = 44

    private let header: [String]
    private let rows: [[String]]
    private let rightAligned: Set<Int>
    private let isFolded: Bool

    /// - Parameters:
    ///   - header: the columns' names.
    ///   - rightAligned: the columns, from 0, whose cells end where the column ends.
    ///   - isFolded: whether long cells are folded at spaces, for a terminal. Line ends fold every cell.
    ///   - rows: as many cells each as the header has.
    package init(_ header: [String], rightAligned: Set<Int> = [], isFolded: Bool = true, rows: [[String]]) {
        self.header = header
        self.rows = rows
        self.rightAligned = rightAligned
        self.isFolded = isFolded
    }

    /// The header, a rule, and the rows, without spaces at a line's end.
    package var lines: [String] {
        let folded = rows.map { $0.map { $0.folded(to: isFolded ? Self.widestCell : .max) } }
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
    package static func time(_ seconds: Double) -> String {
        let tenths = Int((seconds * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) s"
    }
}
