/// What a command has checked, ready to be printed: the form that `verify` and `prove` share.
public struct Report: Sendable, Equatable {
    /// How a check ended.
    public enum State: Sendable, Equatable {
        case ok
        case failed
        /// Nothing is known, in the command's own words: `not run`. What was seen says why.
        case notMade(String)
    }

    /// One check.
    public struct Row: Sendable, Equatable {
        /// What the check belongs to: a machine, a file. Empty for nothing.
        public var group: String
        public var name: String
        public var expected: String
        public var seen: String
        /// How long the check took.
        public var seconds: Double
        public var state: State
        /// What to do when it failed, where that is known.
        public var next: String?

        public init(
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
    public var groupColumn: String?
    public var rows: [Row]
    /// What is to be known besides, one line each.
    public var notes: [String]
    /// The last line: how many checks passed.
    public var summary: String

    public init(groupColumn: String? = nil, rows: [Row], notes: [String] = [], summary: String) {
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
