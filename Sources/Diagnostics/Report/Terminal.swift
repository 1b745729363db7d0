/// What a text must know of the terminal it is printed on.
package struct Terminal: Sendable, Equatable {
    /// The marks in front of lines, and what stands for text that was left out.
    package struct Marks: Sendable, Equatable {
        /// Before a check that passed, and before a step that ended.
        package var ok: String
        /// Before a check that failed.
        package var failed: String
        /// Before a check that was not made.
        package var notMade: String
        /// Before a step that is running.
        package var running: String
        /// In place of what was cut off: the end of a live line, the last digits of a digest.
        package var leftOut: String

        /// One character each, for encodings of Unicode.
        package static let unicode = Marks(ok: "✓", failed: "✗", notMade: "–", running: "▸", leftOut: "…")
        /// For all other encodings.
        package static let ascii = Marks(ok: "ok", failed: "FAILED", notMade: "-", running: ">", leftOut: "...")

        /// Characters of the widest mark of a row.
        var width: Int { max(ok.count, failed.count, notMade.count) }

        func mark(of state: Report.State) -> String {
            switch state {
            case .ok: ok
            case .failed: failed
            case .notMade: notMade
            }
        }
    }

    /// The narrowest terminal that tables are made for, in characters.
    package static let leastWidth = 80

    /// Characters that a line may have.
    package var width: Int
    /// Those that the terminal's encoding can show.
    package var marks: Marks

    /// - Parameter width: characters of a line; less than ``leastWidth`` counts as that.
    package init(width: Int, marks: Marks = .unicode) {
        self.width = max(Self.leastWidth, width)
        self.marks = marks
    }

    /// - Parameters:
    ///   - columns: what the terminal says of itself; nil or 0 where it does not know.
    ///   - environment: `COLUMNS` stands in for a terminal that does not know; `LC_ALL`, `LC_CTYPE` or `LANG` names the
    ///     encoding (POSIX.1-2024, Environment Variables, 8.2 and 8.3).
    package init(columns: Int?, environment: [String: String]) {
        let told = [columns, environment["COLUMNS"].flatMap { Int($0) }].compactMap { $0 }.first { $0 > 0 }
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].compactMap { environment[$0] }.first { !$0.isEmpty } ?? "C"
        let encoding = locale.lowercased().replacing("-", with: "")
        self.init(width: told ?? Self.leastWidth, marks: encoding.contains("utf8") ? .unicode : .ascii)
    }
}
