import Layers

/// Looks into a package's preinst script for what a plain unpack cannot express.
package enum PreinstScript {
    /// Whether the script diverts files and moves them while it does: dpkg has to unpack such a package itself, since
    /// where its files land depends on it.
    ///
    /// A diversion that says `--no-rename` moves nothing, and `--truename`, `--list` and `--listpackage` only ask. Any
    /// other call counts, a removal too.
    package static func divertsWithRename(_ script: String) -> Bool {
        let joined = script.replacing("\\\n", with: " ")
        for line in joined.split(whereSeparator: \.isNewline) {
            let code = line.drop(while: \.isWhitespace)
            if code.hasPrefix("#") { continue }
            for call in code.split(separator: "dpkg-divert", omittingEmptySubsequences: false).dropFirst() {
                // Up to the end of the command: what follows belongs to another.
                let end = call.firstIndex { ";|&)`".contains($0) } ?? call.endIndex
                let words = call[..<end].split(whereSeparator: \.isWhitespace)
                if words.contains("--no-rename") { continue }
                if words.contains(where: { ["--truename", "--list", "--listpackage"].contains($0) }) { continue }
                // No arguments: a comment, a message, or a test for the command.
                guard words.contains(where: { $0.hasPrefix("-") }) else { continue }
                return true
            }
        }
        return false
    }
}
