/// What a command has checked, ready to be printed: the form that `verify` and `prove` share.
package struct Report: Sendable, Equatable {
    /// How a check ended.
    package enum State: Sendable, Equatable {
        case ok
        case failed
        /// Nothing is known, in the command's own words: `not run`. What was seen says why.
        case notMade(String)
    }

    /// One check.
    package struct Row: Sendable, Equatable {
        /// What the check belongs to: a machine, a file. Empty for nothing.
        package var group: String
        /// What is checked, in a few words.
        package var name: String
        /// For a person; may have several lines.
        package var expected: String
        /// For a person; may have several lines. Of a check that was not made, why.
        package var seen: String
        /// How long the check took.
        package var seconds: Double
        /// How the check ended. A row that failed is told again at the report's end.
        package var state: State
        /// What to do when it failed, where that is known.
        package var next: String?

        package init(
            group: String = "", name: String, expected: String, seen: String, seconds: Double, state: State,
            next: String? = nil
        ) {
            self.group = group
            self.name = name
            self.expected = expected
            self.seen = seen
            self.seconds = seconds
            self.state = state
            self.next = next
        }
    }

    /// The name of the column with the rows' groups in a pipe. Without one, a group stands above its rows.
    package var groupColumn: String?
    /// In the order in which they are printed.
    package var rows: [Row]
    /// What is to be known besides, one line each.
    package var notes: [String]
    /// The last line: how many checks passed.
    package var summary: String

    package init(groupColumn: String? = nil, rows: [Row], notes: [String] = [], summary: String) {
        self.groupColumn = groupColumn
        self.rows = rows
        self.notes = notes
        self.summary = summary
    }

    var failures: [Row] { rows.filter { $0.state == .failed } }

    /// A row's name, with its group where one report has several.
    func title(of row: Row) -> String {
        groupColumn == nil || row.group.isEmpty ? row.name : "\(row.group): \(row.name)"
    }
}

extension Report.Row {
    /// Whether the expectation has a word that is not in what was seen, and is not its beginning, as `/dev/vda…` is.
    var expectsMoreThanSeen: Bool {
        if expected.hasSuffix("…"), seen.hasPrefix(expected.dropLast()) { return false }
        return !Self.words(expected).isSubset(of: Self.words(seen))
    }

    private static func words(_ text: String) -> Set<Substring> {
        Set(text.lowercased().split { !$0.isLetter && !$0.isNumber })
    }
}
