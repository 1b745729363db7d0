extension String {
    /// The text in lines of at most `width` characters, broken at line ends and spaces, and inside a word where it must be.
    ///
    /// - Parameter indent: spaces in front of each line but the first.
    /// - Returns: at least one line.
    package func folded(to width: Int, indent: Int = 0) -> [String] {
        let margin = String(repeating: " ", count: indent)
        var lines: [String] = []
        func room() -> Int { lines.isEmpty ? width : width - indent }
        func end(_ line: some StringProtocol) { lines.append((lines.isEmpty ? "" : margin) + line) }
        for source in split(whereSeparator: \.isNewline) {
            // Spaces in front of a text's first line are its own.
            var line = lines.isEmpty ? String(source.prefix { $0 == " " }) : ""
            var isEmpty = true
            for word in source.dropFirst(line.count).split(separator: " ", omittingEmptySubsequences: false) {
                var word = word
                if !isEmpty, line.count + 1 + word.count > room() {
                    end(line)
                    line = ""
                    isEmpty = true
                }
                while line.count + word.count > room() {
                    let head = word.prefix(room() - line.count)
                    word = word.dropFirst(head.count)
                    end(line + head)
                    line = ""
                }
                line += isEmpty ? String(word) : " " + word
                isEmpty = line.isEmpty
            }
            end(line)
        }
        return lines.isEmpty ? [""] : lines
    }

    /// With spaces at its end, so that it has `width` characters; as it is where it has more.
    package func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

    /// Without spaces at its end.
    package var trimmedEnd: String {
        var text = self[...]
        while text.last == " " { text.removeLast() }
        return String(text)
    }
}
