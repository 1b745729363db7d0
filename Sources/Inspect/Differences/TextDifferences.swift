import Layers

/// Unified diffs of files that are text, bounded in every way.
struct TextDifferences {
    typealias Side = (disk: ImageDisk, files: [EntryPath: ImageFile], tree: ImageFiles)

    /// Longer files are not compared line by line, in bytes.
    private static let largest: UInt64 = 256 << 10
    /// As many files are compared.
    private static let mostFiles = 200
    /// As many lines are shown of each.
    private static let mostLines = 60

    let lines: [EntryPath: [String]]

    /// - Parameter paths: files that differ, of both sides.
    init(of paths: [EntryPath], _ a: Side, _ b: Side) throws {
        let chosen = paths.filter { path in
            [a.files[path], b.files[path]].allSatisfy { ($0?.size ?? .max) <= Self.largest }
        }.prefix(Self.mostFiles)
        try a.disk.hold(chosen.compactMap { a.files[$0] })
        try b.disk.hold(chosen.compactMap { b.files[$0] })
        var lines: [EntryPath: [String]] = [:]
        for path in chosen {
            guard let old = a.files[path], let new = b.files[path],
                let one = Self.text(try a.tree.bytes(of: old, limit: Self.largest)),
                let other = Self.text(try b.tree.bytes(of: new, limit: Self.largest))
            else { continue }
            lines[path] = UnifiedDiff(one, other).lines(most: Self.mostLines)
        }
        self.lines = lines
    }

    /// The lines of a text; nil for what is none.
    private static func text(_ bytes: [UInt8]) -> [String]? {
        guard !bytes.contains(0), String(validating: bytes, as: UTF8.self) != nil else { return nil }
        var lines = bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .map { printable($0, keeping: ["\t", "\\"]) }
        if lines.last == "" { lines.removeLast() } else { lines.append("\\ no newline at end of file") }
        return lines
    }
}

/// The difference of two texts as diff(1) -u shows it.
struct UnifiedDiff {
    /// Lines of context.
    private static let context = 3
    /// More lines differ on each side than it is worth to compare: their product.
    private static let mostWork = 4_000_000

    private enum Edit { case keep, remove, insert }

    /// nil: the texts are too far apart.
    private let edits: [(edit: Edit, line: String)]?
    private let counts: (old: Int, new: Int)

    init(_ old: [String], _ new: [String]) {
        counts = (old.count, new.count)
        let head = zip(old, new).prefix { $0 == $1 }.count
        let tail = zip(old.dropFirst(head).reversed(), new.dropFirst(head).reversed()).prefix { $0 == $1 }.count
        let left = Array(old[head..<old.count - tail])
        let right = Array(new[head..<new.count - tail])
        guard left.count * right.count <= Self.mostWork else {
            edits = nil
            return
        }
        var edits: [(Edit, String)] = old[..<head].map { (.keep, $0) }
        let difference = right.difference(from: left)
        let removed = Set(difference.removals.map(Self.offset))
        let inserted = Set(difference.insertions.map(Self.offset))
        var (i, j) = (0, 0)
        while i < left.count || j < right.count {
            if i < left.count, removed.contains(i) {
                edits.append((.remove, left[i]))
                i += 1
            } else if j < right.count, inserted.contains(j) {
                edits.append((.insert, right[j]))
                j += 1
            } else if i < left.count {
                edits.append((.keep, left[i]))
                i += 1
                j += 1
            } else {
                break
            }
        }
        edits += old[(old.count - tail)...].map { (.keep, $0) }
        self.edits = edits
    }

    private static func offset(_ change: CollectionDifference<String>.Change) -> Int {
        switch change {
        case .insert(let offset, _, _), .remove(let offset, _, _): offset
        }
    }

    /// The hunks, at most `most` lines of them.
    func lines(most: Int) -> [String] {
        guard let edits else { return ["(\(counts.old) lines became \(counts.new): too different to show)"] }
        var result: [String] = []
        // Where each edit stands in the two texts.
        var (oldLine, newLine) = (1, 1)
        var positions: [(old: Int, new: Int)] = []
        for edit in edits {
            positions.append((oldLine, newLine))
            if edit.edit != .insert { oldLine += 1 }
            if edit.edit != .remove { newLine += 1 }
        }
        for hunk in Self.hunks(edits.map { $0.edit != .keep }) {
            let part = edits[hunk]
            let removed = part.count { $0.edit != .insert }
            let inserted = part.count { $0.edit != .remove }
            let start = positions[hunk.lowerBound]
            // Of no lines, the line before is named.
            let (from, to) = (removed == 0 ? start.old - 1 : start.old, inserted == 0 ? start.new - 1 : start.new)
            result.append("@@ -\(Self.range(from, removed)) +\(Self.range(to, inserted)) @@")
            result += part.map { edit in
                switch edit.edit {
                case .keep: " " + edit.line
                case .remove: "-" + edit.line
                case .insert: "+" + edit.line
                }
            }
        }
        guard result.count > most else { return result }
        return result.prefix(most) + ["(\(result.count - most) lines more)"]
    }

    private static func range(_ start: Int, _ count: Int) -> String { count == 1 ? "\(start)" : "\(start),\(count)" }

    /// The stretches around changes, joined where their context touches.
    private static func hunks(_ changed: [Bool]) -> [Range<Int>] {
        var hunks: [Range<Int>] = []
        for index in changed.indices where changed[index] {
            let range = max(0, index - context)..<min(changed.count, index + context + 1)
            if let last = hunks.last, last.upperBound >= range.lowerBound {
                hunks[hunks.count - 1] = last.lowerBound..<range.upperBound
            } else {
                hunks.append(range)
            }
        }
        return hunks
    }
}
