import Diagnostics
import Digests
import Foundation
import Storage
import SystemPackage

/// The exact packages that answer a request: what `recipes/NAME.lock` holds.
///
/// The file is JSON with one package a line, sorted by name, so that a version's change is one line in a diff:
///
///     {
///       "format": 1,
///       "request": "sha256:6f1c…",
///       "packages": [
///         {"name":"adduser","version":"3.152","architecture":"all","size":191000,"sha256":"…",
///          "archive":"debian","path":"pool/main/a/adduser/adduser_3.152_all.deb","source":"adduser","sourceVersion":"3.152"},
///         …
///       ]
///     }
///
/// (a package stands on one line). `request` is the digest of the request it answers. No mirror is named in it. piforge
/// alone writes the file: what it would write differently is refused, with the line.
public struct PackageLock: Sendable, Equatable {
    /// The version of the format this piforge writes and reads.
    public static let format = 1

    /// The digest of the ``PackageRequest`` this lock answers.
    public let request: SHA256Digest
    /// Sorted by name, then architecture (as bytes).
    public let packages: [LockedPackage]

    public init(request: SHA256Digest, packages: [LockedPackage]) {
        self.request = request
        self.packages = packages.sorted {
            $0.name == $1.name
                ? $0.architecture.utf8.lexicographicallyPrecedes($1.architecture.utf8)
                : $0.name.utf8.lexicographicallyPrecedes($1.name.utf8)
        }
    }

    /// The file's text.
    public var text: String {
        var lines = [
            "{", "  \"format\": \(Self.format),", "  \"request\": \"sha256:\(request.hex)\",", "  \"packages\": [",
        ]
        for (index, package) in packages.enumerated() {
            lines.append("    \(Self.line(package))\(index == packages.count - 1 ? "" : ",")")
        }
        return (lines + ["  ]", "}"]).joined(separator: "\n") + "\n"
    }

    /// The values need no escapes: LockedPackage lets no quote, backslash or control character in.
    private static func line(_ package: LockedPackage) -> String {
        let fields = [
            ("name", package.name), ("version", package.version), ("architecture", package.architecture),
            ("size", nil), ("sha256", package.sha256.hex), ("archive", package.archive.rawValue),
            ("path", package.path), ("source", package.source), ("sourceVersion", package.sourceVersion),
        ]
        return "{"
            + fields.map { key, value in "\"\(key)\":" + (value.map { "\"\($0)\"" } ?? String(package.size)) }
            .joined(separator: ",") + "}"
    }

    /// Writes the lock file, whole or not at all.
    public func write(to path: FilePath) throws { try writeAtomically(to: path, bytes: Array(text.utf8)) }

    /// Reads a lock file.
    ///
    /// - Throws: `Failure` with `file:line` for anything that piforge would not have written so.
    public static func read(_ path: FilePath) throws -> PackageLock {
        try parse(String(decoding: readFile(path, limit: 16 << 20), as: UTF8.self), place: path.string)
    }

    /// Parses a lock file's text.
    ///
    /// - Parameter place: the file's name, for errors.
    public static func parse(_ text: String, place: String) throws -> PackageLock {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        let next = "take the file from version control, or make it anew with --update-lock"
        func refuse(_ line: Int, _ message: String, expected: String? = nil, found: String? = nil) -> Failure {
            Failure(.usage, at: "\(place):\(line)", message, expected: expected, found: found, next: next)
        }
        func line(_ number: Int) -> String { number <= lines.count ? lines[number - 1] : "" }

        guard line(1) == "{" else { throw refuse(1, "this is not a lock file", expected: "{", found: line(1)) }
        guard let version = value(line(2), key: "format", quoted: false) else {
            throw refuse(2, "the format's version is missing", expected: "  \"format\": \(format),", found: line(2))
        }
        guard version == String(format) else {
            throw refuse(
                2, "the lock file has another format", expected: "format \(format)", found: "format \(version)")
        }
        let digest = value(line(3), key: "request", quoted: true).flatMap { text in
            text.hasPrefix("sha256:") ? SHA256Digest(hex: text.dropFirst("sha256:".count)) : nil
        }
        guard let digest else {
            throw refuse(
                3, "the request's digest is missing", expected: "  \"request\": \"sha256:…\",", found: line(3))
        }

        var packages: [LockedPackage] = []
        var number = 5
        while line(number).hasPrefix("    {") {
            var object = line(number)
            if object.hasSuffix(",") { object.removeLast() }
            do {
                packages.append(try JSONDecoder().decode(Line.self, from: Data(object.utf8)).package())
            } catch let failure as Failure {
                throw refuse(number, failure.message)
            } catch {
                throw refuse(number, "the package's line cannot be read: \(describe(error))")
            }
            number += 1
        }
        let lock = PackageLock(request: digest, packages: packages)
        // What reads well must also be written exactly so: order, doubles, blanks and unknown keys show here.
        let written = lock.text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        for index in 0..<max(lines.count, written.count) {
            let found = index < lines.count ? lines[index] : "the end of the file"
            let expected = index < written.count ? written[index] : "the end of the file"
            guard found == expected else {
                throw refuse(
                    index + 1, "the line is not as piforge writes it",
                    expected: expected.drop { $0 == " " }.description, found: found.drop { $0 == " " }.description)
            }
        }
        for (package, following) in zip(packages, packages.dropFirst())
        where package.name == following.name && package.architecture == following.architecture {
            let index = packages.firstIndex(of: package) ?? 0
            throw refuse(index + 6, "the package '\(package.name)' stands there twice")
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

    private static func describe(_ error: any Error) -> String {
        switch error {
        case DecodingError.keyNotFound(let key, _): "'\(key.stringValue)' is missing"
        case DecodingError.typeMismatch(_, let context), DecodingError.valueNotFound(_, let context):
            "'\(context.codingPath.last?.stringValue ?? "")' has a wrong value"
        case DecodingError.dataCorrupted(let context) where !context.codingPath.isEmpty:
            "'\(context.codingPath.last?.stringValue ?? "")' has a wrong value"
        default: "it is not JSON"
        }
    }

    /// A package's line, as decoded.
    private struct Line: Decodable {
        let name, version, architecture, path, source, sourceVersion: String
        let size: UInt64
        let sha256: SHA256Digest
        let archive: ArchiveSource.Kind

        func package() throws -> LockedPackage {
            try LockedPackage(
                name: name, version: version, architecture: architecture, size: size, sha256: sha256, path: path,
                archive: archive, source: source, sourceVersion: sourceVersion)
        }
    }

    /// What changes from one lock to another, one line a package, sorted by name: `name old → new`, `name new added`,
    /// `name old removed`.
    public static func difference(from old: PackageLock, to new: PackageLock) -> [String] {
        func table(_ lock: PackageLock) -> [String: [LockedPackage]] { Dictionary(grouping: lock.packages, by: \.name) }
        let before = table(old)
        let after = table(new)
        let names = Set(before.keys).union(after.keys).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        return names.flatMap { name -> [String] in
            let gone = (before[name] ?? []).filter { package in
                after[name]?.contains { $0.architecture == package.architecture } != true
            }
            let changes = (after[name] ?? []).compactMap { package -> String? in
                guard let was = before[name]?.first(where: { $0.architecture == package.architecture }) else {
                    return "\(name) \(package.version) added"
                }
                if was.version != package.version { return "\(name) \(was.version) → \(package.version)" }
                return was.sha256 == package.sha256 ? nil : "\(name) \(package.version): same version, other bytes"
            }
            return gone.map { "\(name) \($0.version) removed" } + changes
        }
    }
}
