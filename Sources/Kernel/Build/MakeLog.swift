/// Reads what the kernel's make says: the files that it compiles, and its first error.
///
///       CC      init/main.o
///       CC [M]  lib/crc7.o
///     drivers/x.c:12:5: error: 'y' undeclared
package struct MakeLog: Sendable {
    /// The objects and device trees that were made, each once.
    package private(set) var files: Set<String> = []
    /// The last of them.
    package private(set) var latest = ""
    private var errors: [Substring] = []
    private var errorRank = Int.max
    private var wantsMore = 0
    private var tail: [UInt8] = []
    private var last: [String] = []

    package init() {}

    /// Takes the next bytes of the log, which may end within a line.
    package mutating func add(_ bytes: some Collection<UInt8>) {
        var lines = (tail + bytes).split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        tail = Array(lines.popLast() ?? [])
        // No line of make's is as long.
        if tail.count > 1 << 20 { tail = [] }
        for line in lines { add(line: String(decoding: line.prefix(2000), as: UTF8.self)) }
    }

    /// Forgets the errors, but not the files: another run goes on with the same objects.
    package mutating func beginRun() {
        errors = []
        errorRank = .max
        wantsMore = 0
        last = []
    }

    private mutating func add(line: String) {
        if line.hasPrefix("  "), let file = Self.file(line) {
            files.insert(file)
            latest = file
        }
        last.append(line)
        if last.count > 6 { last.removeFirst() }
        if let rank = Self.rank(line), rank < errorRank {
            errorRank = rank
            errors = [Substring(line)]
            wantsMore = rank == 0 ? 3 : 0
        } else if wantsMore > 0 {
            // The compiler's excerpt of the source: `  12 | text`, `     |     ^`.
            wantsMore = line.contains(" | ") || line.hasSuffix(" |") ? wantsMore - 1 : 0
            if wantsMore > 0 { errors.append(Substring(line)) }
        }
    }

    private static let tags: Set<Substring> = ["CC", "AS", "DTC", "DTCO", "DTOVL"]

    private static func file(_ line: String) -> String? {
        let words = line.split(separator: " ")
        guard words.count >= 2, let tag = words.first, tags.contains(tag), let file = words.last else { return nil }
        // What modpost makes besides is not of the source.
        if file.hasSuffix(".mod.o") { return nil }
        return words.count == 2 || words[1].hasPrefix("[") ? String(file) : nil
    }

    /// How much a line tells of what went wrong: 0 is a compiler's error with its place. nil for what tells nothing.
    private static func rank(_ line: String) -> Int? {
        if line.contains(": error: ") || line.contains(": fatal error: ") || line.contains(": Error: ") { return 0 }
        if line.contains(": undefined reference to ") || line.hasPrefix("ERROR: ") || line.contains("-ld: ") {
            return 1
        }
        if line.hasPrefix("dpkg-") && line.contains(": error: ") || line.hasPrefix("dh_") && line.contains("error") {
            return 1
        }
        return line.contains("*** ") && !line.contains("Waiting for unfinished jobs") ? 2 : nil
    }

    /// The first error and where it is, else the last lines.
    package var firstError: String {
        (errors.isEmpty ? last : errors.map(String.init)).joined(separator: "\n            ")
    }
}
