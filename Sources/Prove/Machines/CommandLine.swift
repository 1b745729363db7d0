/// A kernel's command line as its words (Linux, Documentation/admin-guide/kernel-parameters.rst).
package struct CommandLine: Sendable, Equatable {
    /// In order, with the double quotes that were in them.
    package var words: [String]

    /// Splits at spaces; a pair of double quotes keeps spaces together.
    package init(_ text: String) {
        words = []
        var word = ""
        var quoted = false
        for character in text {
            if character == "\"" { quoted.toggle() }
            if character.isWhitespace, !quoted {
                if !word.isEmpty { words.append(word) }
                word = ""
            } else {
                word.append(character)
            }
        }
        if !word.isEmpty { words.append(word) }
    }

    /// The words with a space between each two.
    package var text: String { words.joined(separator: " ") }

    /// The values of `name=value` words, in order.
    package func values(of name: String) -> [String] {
        words.filter { $0.hasPrefix(name + "=") }.map { String($0.dropFirst(name.count + 1)) }
    }

    /// Adds words at the end, before a `--` that hands the rest to init.
    package mutating func add(_ added: [String]) {
        words.insert(contentsOf: added, at: words.firstIndex(of: "--") ?? words.endIndex)
    }
}
