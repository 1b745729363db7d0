import Diagnostics
import Digests
import SystemPackage

/// A `NAME.SHA256SUMS` file: the digests of files in its own folder, as `sha256sum -c` reads them (coreutils manual, section 6.5).
///
///     64 hex digits | space | space (text) or * (binary) | file name | newline
package struct ChecksumList: Sendable, Equatable {
    /// One line of the list.
    package struct Entry: Sendable, Equatable {
        /// A name in the list's own folder.
        package var name: String
        /// SHA-256 of the file's bytes.
        package var digest: SHA256Digest

        package init(name: String, digest: SHA256Digest) {
            self.name = name
            self.digest = digest
        }
    }

    /// In the list's order. The initialisers refuse a name twice, and a name that is a path.
    package var entries: [Entry]

    /// - Throws: `Failure` when a name is a path, is listed twice, or has characters that the format must escape.
    package init(_ entries: [Entry]) throws {
        var seen: Set<String> = []
        for entry in entries {
            try Self.check(entry.name, &seen, at: "SHA256SUMS")
        }
        self.entries = entries
    }

    /// Parses a list strictly: every line must be an entry, the last one ends with a newline too.
    ///
    /// - Parameter place: the file's path, for errors.
    /// - Throws: `Failure` at `place:line`.
    package init(parsing text: String, at place: String) throws {
        guard text.last == "\n" else {
            throw Failure(
                at: place, text.isEmpty ? "the list of sums is empty" : "the list of sums does not end with a newline")
        }
        var entries: [Entry] = []
        var seen: Set<String> = []
        for (number, line) in text.dropLast().splitLines(keepingEmpty: true).enumerated() {
            let place = "\(place):\(number + 1)"
            let separator = line.dropFirst(64).prefix(2)
            guard let digest = SHA256Digest(hex: line.prefix(64)), separator == "  " || separator == " *" else {
                throw Failure(
                    at: place, "this is not a line of SHA-256 sums", expected: "64 hex digits, two spaces, a file name",
                    found: String(line.prefix(100)))
            }
            let name = String(line.dropFirst(66))
            try Self.check(name, &seen, at: place)
            entries.append(Entry(name: name, digest: digest))
        }
        self.entries = entries
    }

    /// Reads a list of at most 1 MiB.
    ///
    /// - Throws: `Failure` when it is missing or not such a list.
    package static func read(_ path: FilePath) throws -> ChecksumList {
        let bytes = try readFile(path, limit: 1 << 20)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(at: path.string, "the list of sums is not UTF-8 text")
        }
        return try ChecksumList(parsing: text, at: path.string)
    }

    /// The digest listed for a file.
    package subscript(name: String) -> SHA256Digest? { entries.first { $0.name == name }?.digest }

    /// The list as text, in its order.
    package var text: String { entries.map { "\($0.digest.hex)  \($0.name)\n" }.joined() }

    /// Writes the list, whole or not at all.
    package func write(to path: FilePath) throws { try writeAtomically(to: path, bytes: Array(text.utf8)) }

    private static func check(_ name: String, _ seen: inout Set<String>, at place: String) throws {
        guard isPlainFileName(name) else {
            throw Failure(
                at: place, "the file name is not allowed in a list of sums",
                expected: "a name in the list's own folder",
                found: name)
        }
        guard seen.insert(name).inserted else { throw Failure(at: place, "the file is listed twice", found: name) }
    }
}

/// Whether a name stays in its folder and needs no escapes: no slash, no backslash, no control character, not `.` or `..`.
package func isPlainFileName(_ name: String) -> Bool {
    !name.isEmpty && name != "." && name != ".."
        && name.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 && $0 != "/" && $0 != "\\" }
}
