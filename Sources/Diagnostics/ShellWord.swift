extension String {
    /// The text in single quotes, as one word of a line for a shell (POSIX.1-2024, Shell Command Language, 2.2.2).
    package var shellQuoted: String { "'\(replacing("'", with: "'\\''"))'" }

    /// The text as one word of a command that is shown to a person: as it is where a shell takes it so, else in quotes.
    package var shellWord: String {
        let isPlain =
            !isEmpty
            && allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_./=:@%+-".contains($0)) }
        return isPlain ? self : shellQuoted
    }

    /// The path of a file as one word of such a command: no option, and no protocol or archive's host before a colon.
    package var shellFile: String {
        let first = prefix { $0 != "/" }
        return (hasPrefix("-") || first.contains(":") ? "./\(self)" : self).shellWord
    }
}

/// The option of a command that is shown to a person, so that it finds the same cache: empty where none was given.
///
/// - Parameter folder: as the command line wrote it; nil for the default.
package func cacheArguments(_ folder: String?) -> [String] { folder.map { ["--cache", $0.shellWord] } ?? [] }
