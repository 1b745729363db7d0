/// Picks the name a person probably meant: the closest of `candidates` by Levenshtein distance.
///
/// - Returns: nil when nothing is near: further than a third of the name's length, and than one edit.
package func nearestName(to name: String, in candidates: some Sequence<String>) -> String? {
    let limit = max(1, name.count / 3)
    return
        candidates
        .map { ($0, editDistance(name.lowercased(), $0.lowercased())) }
        .filter { $0.1 <= limit }
        .min { ($0.1, $0.0) < ($1.1, $1.0) }?.0
}

/// The names closest to a name, the closest first; those of equal distance by their letters.
///
/// - Parameter count: the most that are wanted.
/// - Returns: those that are no further than a third of the name's length, or one edit.
package func nearestNames(to name: String, in candidates: some Sequence<String>, count: Int) -> [String] {
    let limit = max(1, name.count / 3)
    return
        candidates
        // As many insertions are needed as the lengths differ by.
        .filter { abs($0.count - name.count) <= limit }
        .map { (editDistance(name.lowercased(), $0.lowercased()), $0) }
        .filter { $0.0 <= limit }
        .sorted { $0 < $1 }
        .prefix(max(0, count)).map(\.1)
}

/// The Levenshtein distance with adjacent transpositions (optimal string alignment).
func editDistance(_ a: String, _ b: String) -> Int {
    let a = Array(a.unicodeScalars)
    let b = Array(b.unicodeScalars)
    var rows = [Array(0...b.count)]
    for i in 0..<a.count {
        var row = [i + 1]
        for j in 0..<b.count {
            var best = min(rows[i][j + 1] + 1, row[j] + 1, rows[i][j] + (a[i] == b[j] ? 0 : 1))
            if i > 0, j > 0, a[i] == b[j - 1], a[i - 1] == b[j] { best = min(best, rows[i - 1][j - 1] + 1) }
            row.append(best)
        }
        rows.append(row)
    }
    return rows[a.count][b.count]
}
