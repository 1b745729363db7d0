extension StringProtocol {
    /// The lines of a text, ended by LF or CRLF, without their ends. To Swift "\r\n" is one character, so a split at "\n" alone takes a
    /// file from Windows for one line.
    ///
    /// - Parameter keepingEmpty: whether empty lines count, that behind the last line end too; then a line's index is its number less 1.
    package func splitLines(keepingEmpty: Bool = false) -> [SubSequence] {
        split(omittingEmptySubsequences: !keepingEmpty) { $0 == "\n" || $0 == "\r\n" }
    }

    /// The text without a byte order mark at its start (Unicode, section 23.8).
    package var withoutByteOrderMark: SubSequence {
        unicodeScalars.first == "\u{feff}" ? self[unicodeScalars.index(after: startIndex)...] : self[...]
    }
}
