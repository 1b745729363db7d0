import Diagnostics
import Digests
import Foundation
import Packages

extension PackageLock {
    private static let advice = "take the file from version control, or make it anew with --update-lock"

    /// Parses a lock file's text.
    ///
    /// - Parameter place: the file's name, for errors.
    /// - Throws: `Failure` with `place:line` for anything that piforge would not have written so.
    package static func parse(_ text: String, place: String) throws -> PackageLock {
        let lines = text.splitLines(keepingEmpty: true).map(String.init)
        func refuse(_ line: Int, _ message: String, expected: String? = nil, found: String? = nil) -> Failure {
            Failure(.usage, at: "\(place):\(line)", message, expected: expected, found: found, next: advice)
        }
        func line(_ number: Int) -> String { number <= lines.count ? lines[number - 1] : "" }

        guard line(1) == "{" else { throw refuse(1, "this is not a lock file", expected: "{", found: line(1)) }
        guard let version = value(line(2), key: "format", quoted: false) else {
            throw refuse(2, "the format's version is missing", expected: "  \"format\": 1,", found: line(2))
        }
        guard version == "1" || version == "2" else {
            throw refuse(2, "the lock file has another format", expected: "format 1 or 2", found: "format \(version)")
        }
        var number = 3
        /// The objects of a list that begins at `number`, one a line; leaves `number` behind them.
        func objects<Line: Decodable, Value>(_: Line.Type, _ what: String, _ make: (Line) throws -> Value) throws
            -> [Value]
        {
            var values: [Value] = []
            let start = "  \"\(what)s\": ["
            guard line(number) == start else {
                throw refuse(number, "the \(what)s are missing", expected: start, found: line(number))
            }
            number += 1
            while line(number).hasPrefix("    {") {
                var object = line(number)
                if object.hasSuffix(",") { object.removeLast() }
                do {
                    values.append(try make(JSONDecoder().decode(Line.self, from: Data(object.utf8))))
                } catch let failure as Failure {
                    throw refuse(number, failure.message)
                } catch {
                    throw refuse(number, "the \(what)'s line cannot be read: \(describe(error, in: object))")
                }
                number += 1
            }
            return values
        }
        var inputs: [PinnedInput] = []
        var removed: [String] = []
        if version == "2" {
            inputs = try objects(InputLine.self, "input") { try $0.input() }
            number += 1
            let none = "  \"removed\": \"\","
            guard let names = line(number) == none ? "" : value(line(number), key: "removed", quoted: true) else {
                throw refuse(
                    number, "the packages that go are missing", expected: "  \"removed\": \"…\",", found: line(number))
            }
            removed = names.split(separator: " ").map(String.init)
            guard removed.allSatisfy({ isPackageName($0) }) else {
                throw refuse(number, "not all of them are package names", found: names)
            }
            number += 1
        }
        let digest = value(line(number), key: "request", quoted: true).flatMap { text in
            text.hasPrefix("sha256:") ? SHA256Digest(hex: text.dropFirst("sha256:".count)) : nil
        }
        guard let digest else {
            throw refuse(
                number, "the request's digest is missing", expected: "  \"request\": \"sha256:…\",",
                found: line(number))
        }
        number += 1
        let first = number + 1
        let packages = try objects(LockedPackage.self, "package") { $0 }
        let lock = PackageLock(request: digest, packages: packages, removed: removed, inputs: inputs)
        // What reads well must also be written exactly so: order, doubles, blanks and unknown keys show here.
        let written = lock.text.splitLines(keepingEmpty: true).map(String.init)
        for index in 0..<max(lines.count, written.count) {
            let found = index < lines.count ? lines[index] : "the end of the file"
            let expected = index < written.count ? written[index] : "the end of the file"
            guard found == expected else {
                throw refuse(
                    index + 1, "the line is not as piforge writes it",
                    expected: expected.drop { $0 == " " }.description, found: found.drop { $0 == " " }.description)
            }
        }
        for (package, following) in zip(lock.packages, lock.packages.dropFirst())
        where (package.name, package.architecture) == (following.name, following.architecture) {
            let index = lock.packages.firstIndex(of: package) ?? 0
            throw refuse(first + index + 1, "the package '\(package.name)' stands there twice")
        }
        return lock
    }

    /// The value of a header line `  "key": value,`.
    private static func value(_ line: String, key: String, quoted: Bool) -> String? {
        let quote = quoted ? "\"" : ""
        let start = "  \"\(key)\": \(quote)"
        let end = "\(quote),"
        guard line.hasPrefix(start), line.hasSuffix(end), line.count > start.count + end.count else { return nil }
        return String(line.dropFirst(start.count).dropLast(end.count))
    }

    private static func describe(_ error: any Error, in line: String) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "'\(key.stringValue)' is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "'\(context.codingPath.last?.stringValue ?? "")' has a wrong value"
        case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
            "'\(context.codingPath.last?.stringValue ?? "")' has a wrong value"
        // Foundation says the same of a number that does not fit as of a text that is not JSON.
        default:
            (try? JSONSerialization.jsonObject(with: Data(line.utf8))) == nil
                ? "it is not JSON" : "a number is out of its range"
        }
    }

    /// An input's line, as decoded.
    private struct InputLine: Decodable {
        let name, use: String
        let size: UInt64
        let sha256: SHA256Digest
        let trust: PinnedInput.Trust

        func input() throws -> PinnedInput {
            try PinnedInput(name: name, use: use, size: size, sha256: sha256, trust: trust)
        }
    }
}

extension LockedPackage: Decodable {
    private enum Key: String, CodingKey { case path, source, sourceVersion, size, sha256, archive }

    /// A package's line of a lock file.
    package init(from decoder: any Decoder) throws {
        let identity = try PackageIdentity(from: decoder)
        let line = try decoder.container(keyedBy: Key.self)
        let path = try line.decode(String.self, forKey: .path)
        let source = try line.decode(String.self, forKey: .source)
        let sourceVersion = try line.decode(String.self, forKey: .sourceVersion)
        try self.init(
            identity, size: try line.decode(UInt64.self, forKey: .size),
            sha256: try line.decode(SHA256Digest.self, forKey: .sha256), path: path,
            archive: try line.decode(ArchiveSource.Kind.self, forKey: .archive), source: source,
            sourceVersion: sourceVersion)
    }
}
