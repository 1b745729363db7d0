extension Report {
    /// The whole text, as a pipe or a file gets it: nothing is shortened or folded, so that a search finds it.
    package var plainText: String {
        let groups = Set(rows.map(\.group)).filter { !$0.isEmpty }
        let heading = groupColumn == nil ? groups.sorted() : []
        let table = TextTable(
            ["state", "time"] + [groupColumn].compactMap { $0 } + ["check", "expected", "seen"], rightAligned: [1],
            isFolded: false,
            rows: rows.map { row in
                let state = row.state.word
                let group = groupColumn == nil ? [] : [row.group]
                return [state, TextTable.time(row.seconds)] + group + [row.name, row.expected, row.seen]
            })
        return text([heading + table.lines], ends(mark: Terminal.Marks.ascii.failed, width: .max) { $0 })
    }

    /// The report for a terminal: no line is wider than that.
    ///
    /// - Parameter rowsShown: whether the rows were shown while the checks were made. Then only the failures are told again.
    package func text(on terminal: Terminal, rowsShown: Bool) -> String {
        var lines: [String] = []
        if !rowsShown {
            let nameWidth = min(terminal.nameWidth, rows.map(\.name.count).max() ?? 0)
            var group = ""
            for row in rows {
                lines += terminal.heading(of: row, after: group)
                lines += terminal.lines(of: row, nameWidth: nameWidth)
                group = row.group
            }
        }
        return text(
            [lines], ends(mark: terminal.marks.failed, width: terminal.width) { $0.withoutControls })
    }

    /// What follows the rows: each failure again, the notes, the summary.
    private func ends(mark: String, width: Int, _ clean: (String) -> String) -> [[String]] {
        var parts = failures.map { row in
            ["\(mark) \(title(of: row))"].flatMap { clean($0).folded(to: width, indent: 2) }
                + details(of: row, next: true, width: width, clean)
        }
        parts.append(notes.flatMap { clean($0).folded(to: width, indent: 2) })
        parts.append([summary])
        return parts
    }

    private func text(_ parts: [[String]], _ ends: [[String]]) -> String {
        // Rows that were shown stand above already: the first empty line parts them from what follows.
        let ends = ends.filter { !$0.isEmpty }.map { [""] + $0 }
        return (parts + ends).flatMap { $0 }.joined(separator: "\n") + "\n"
    }
}

/// What a failed row says below its name.
private func details(of row: Report.Row, next: Bool, width: Int, _ clean: (String) -> String) -> [String] {
    var facts = [("expected: ", row.expected), ("found:    ", row.seen)]
    if next, let step = row.next { facts.append(("next:     ", step)) }
    return facts.flatMap { label, text in
        ("  " + label + clean(text)).folded(to: width, indent: 2 + label.count)
    }
}

extension Report.State {
    /// As a pipe gets it.
    fileprivate var word: String {
        switch self {
        case .ok: "ok"
        case .failed: "FAILED"
        case .notMade(let words): words
        }
    }
}

extension Terminal {
    /// Characters for a check's name where the names to come are not known.
    var nameWidth: Int { min(34, width * 7 / 20) }

    /// Characters for a time: `155.3 s`.
    private static let timeWidth = 7
    private static let gap = 2

    /// A row's group as a line of its own, where it is another than that of the row before; else nothing.
    package func heading(of row: Report.Row, after group: String) -> [String] {
        row.group == group || row.group.isEmpty ? [] : row.group.withoutControls.folded(to: width, indent: 2)
    }

    /// One row: its mark, its name, what was seen, and the time at the right edge. A failed row has what was expected and
    /// found below.
    package func lines(of row: Report.Row) -> [String] { lines(of: row, nameWidth: nameWidth) }

    func lines(of row: Report.Row, nameWidth: Int) -> [String] {
        let time = TextTable.time(row.seconds)
        let lead = marks.width + 1
        let room = width - lead - nameWidth - Self.gap - Self.gap - max(Self.timeWidth, time.count)
        let names = row.name.withoutControls.folded(to: nameWidth)
        let seen = row.state == .failed ? [] : shown(row).withoutControls.folded(to: room)
        var lines: [String] = []
        for index in 0..<max(names.count, seen.count) {
            let mark = index == 0 ? marks.mark(of: row.state) : ""
            let name = index < names.count ? names[index] : ""
            var line = mark.padding(to: lead) + name.padding(to: nameWidth + Self.gap)
            if index < seen.count { line += seen[index] }
            if index == 0 { line = line.padding(to: width - time.count) + time }
            lines.append(line.trimmedEnd)
        }
        guard row.state == .failed else { return lines }
        return lines + details(of: row, next: false, width: width) { $0.withoutControls }
    }

    /// What was seen, and the expectation where it says more. What a check that was not made would have expected is not told:
    /// why it was not made is.
    private func shown(_ row: Report.Row) -> String {
        if case .notMade(let words) = row.state { return "\(words): \(row.seen)" }
        let seen = shortening(row.seen, where: row.expected)
        guard row.expectsMoreThanSeen else { return seen }
        let expected = shortening(row.expected, where: row.seen).split(whereSeparator: \.isNewline)
        return "\(seen) (expected: \(expected.joined(separator: ", ")))"
    }

    /// The text with 12 digits of each SHA-256 or SHA-512 that the other text has, too.
    private func shortening(_ text: String, where other: String) -> String {
        text.replacing(/\b(?:[0-9a-f]{64}){1,2}\b/.wordBoundaryKind(.simple)) { match in
            other.contains(match.output) ? match.output.prefix(12) + marks.leftOut : match.output
        }
    }
}

extension String {
    /// For a terminal: a space for a tab, a question mark for every other control character but line ends.
    fileprivate var withoutControls: String {
        guard unicodeScalars.contains(where: { $0.properties.generalCategory == .control }) else { return self }
        return String(
            map { character in
                guard !character.isNewline, let scalar = character.unicodeScalars.first,
                    scalar.properties.generalCategory == .control
                else { return character }
                return scalar == "\t" ? " " : "?"
            })
    }
}
