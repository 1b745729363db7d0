import Diagnostics
import Foundation
import SystemPackage

/// What a decoding is given and what it gathers: the mistakes of one recipe, all of them.
final class Decoding {
    /// The recipe's path, as messages write it.
    let file: String
    /// The folder that relative paths start at.
    let folder: FilePath
    /// What `~/` stands for; nil refuses it.
    let home: FilePath?
    /// The folder with what comes with piforge; nil for none.
    let share: FilePath?
    private var mistakes: [(place: Node.Place, path: [PathStep], failure: Failure)] = []

    init(file: String, folder: FilePath, home: FilePath?, share: FilePath? = nil) {
        self.share = share
        self.file = file
        self.folder = folder
        self.home = home
    }

    /// Notes a mistake; decoding goes on behind it.
    func refuse(
        _ path: [PathStep], at place: Node.Place, _ message: String, expected: String? = nil, found: String? = nil,
        next: String? = nil
    ) {
        let named = path.isEmpty ? message : "\(path.text): \(message)"
        let failure = Failure(.usage, at: place.text(in: file), named, expected: expected, found: found, next: next)
        mistakes.append((place, path, failure))
    }

    /// Notes mistakes of another file that the recipe names at `place`; they keep their own places.
    func refuse(_ path: [PathStep], at place: Node.Place, _ refusal: Refusal) {
        refuse(
            path, at: place, refusal.message, expected: refusal.expected, found: refusal.found, next: refusal.next)
    }

    func refuse(_ path: [PathStep], at place: Node.Place, _ foreign: ForeignMistakes) {
        for failure in foreign.failures { mistakes.append((place, path, failure)) }
    }

    /// Whether nothing at, below or above `path` was refused, so that a check across keys may rely on it.
    func isClean(_ path: String) -> Bool {
        guard let steps = [PathStep](parsing: path) else { return false }
        return !mistakes.contains { $0.path.overlaps(steps) && !$0.path.isEmpty }
    }

    /// - Throws: the one mistake as a `Failure`, or several as a `FailureList` in the order of the file's lines.
    func finish() throws {
        let sorted = mistakes.enumerated().sorted {
            ($0.element.place.order, $0.offset) < ($1.element.place.order, $1.offset)
        }
        switch sorted.count {
        case 0: return
        case 1: throw sorted[0].element.failure
        default: throw FailureList(sorted.map(\.element.failure))
        }
    }

    /// An absolute path from one a recipe wrote: relative ones start at the recipe's folder, `~/` at the home folder.
    func resolve(_ path: String) -> FilePath? {
        if path == "~" || path.hasPrefix("~/") {
            return home.map { $0.pushing(FilePath(String(path.dropFirst(2)))).lexicallyNormalized() }
        }
        return folder.pushing(FilePath(path)).lexicallyNormalized()
    }

    /// The names of what lies in these folders and ends in `suffix`, without it; sorted.
    func names(in folders: [FilePath], ending suffix: String) -> [String] {
        let found = folders.flatMap { folder in
            (try? FileManager.default.contentsOfDirectory(atPath: folder.string)) ?? []
        }
        return Set(found.filter { $0.hasSuffix(suffix) && $0 != suffix }.map { String($0.dropLast(suffix.count)) })
            .sorted()
    }
}

/// Why a value that has the right form is not accepted.
struct Refusal: Error {
    var message: String
    var expected: String?
    var found: String?
    var next: String?

    init(_ message: String, expected: String? = nil, found: String? = nil, next: String? = nil) {
        self.message = message
        self.expected = expected
        self.found = found
        self.next = next
    }
}

/// The mistakes of a file that a recipe names.
struct ForeignMistakes: Error {
    var failures: [Failure]
}

/// `. Did you mean 'x'?` when a candidate is near, or nothing.
func didYouMean(_ name: String, _ candidates: some Sequence<String>) -> String {
    nearestName(to: name, in: candidates).map { ". Did you mean '\($0)'?" } ?? ""
}
