import Diagnostics
import Digests
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
///
/// Format 2 is that of a build on a stock image. Before `request` it has the files that were fetched, one a line, and the
/// packages of the image that go:
///
///       "inputs": [
///         {"name":"ubuntu-….img.xz","use":"base image","size":497000000,"sha256":"…","trust":"signature 8439…"}
///       ],
///       "removed": "ubuntu-advantage-tools",
package struct PackageLock: Sendable, Equatable {
    /// The digest of the ``PackageRequest`` this lock answers.
    package let request: SHA256Digest
    /// Sorted by name, then architecture (as bytes).
    package let packages: [LockedPackage]
    /// The names of installed packages that go, sorted.
    package let removed: [String]
    /// The fetched files besides packages, sorted by use and name.
    package private(set) var inputs: [PinnedInput]

    /// The version of the format that this lock is written in.
    private var format: Int { inputs.isEmpty && removed.isEmpty ? 1 : 2 }

    /// Sorts what it is given. A name in `removed` counts once; of two inputs of the same name and use the later one stays.
    package init(
        request: SHA256Digest, packages: [LockedPackage], removed: [String] = [], inputs: [PinnedInput] = []
    ) {
        self.request = request
        self.removed = Set(removed).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        self.inputs = []
        self.packages = packages.sorted { $0.identity < $1.identity }
        for input in inputs { pin(input) }
    }

    /// The input of that name and use.
    package func input(_ name: String, use: String) -> PinnedInput? {
        inputs.first { $0.name == name && $0.use == use }
    }

    /// Pins an input, in place of one of the same name and use.
    package mutating func pin(_ input: PinnedInput) {
        inputs.removeAll { $0.name == input.name && $0.use == input.use }
        inputs.append(input)
        inputs.sort { ($0.use, $0.name) < ($1.use, $1.name) }
    }

    /// The file's text.
    package var text: String {
        var lines = ["{", "  \"format\": \(format),"]
        if format == 2 {
            lines.append("  \"inputs\": [")
            for (index, input) in inputs.enumerated() {
                lines.append("    \(Self.line(input))\(index == inputs.count - 1 ? "" : ",")")
            }
            lines += ["  ],", "  \"removed\": \"\(removed.joined(separator: " "))\","]
        }
        lines += ["  \"request\": \"sha256:\(request.hex)\",", "  \"packages\": ["]
        for (index, package) in packages.enumerated() {
            lines.append("    \(Self.line(package))\(index == packages.count - 1 ? "" : ",")")
        }
        return (lines + ["  ]", "}"]).joined(separator: "\n") + "\n"
    }

    /// The values need no escapes: LockedPackage lets no quote, backslash or control character in.
    private static func line(_ package: LockedPackage) -> String {
        line(
            [
                ("name", package.name), ("version", package.version), ("architecture", package.architecture),
                ("size", nil), ("sha256", package.sha256.hex), ("archive", package.archive.rawValue),
                ("path", package.path), ("source", package.source), ("sourceVersion", package.sourceVersion),
            ], size: package.size)
    }

    /// As a package's: PinnedInput lets nothing in that needs an escape.
    private static func line(_ input: PinnedInput) -> String {
        line(
            [
                ("name", input.name), ("use", input.use), ("size", nil), ("sha256", input.sha256.hex),
                ("trust", input.trust.text),
            ], size: input.size)
    }

    /// - Parameter size: the value of the field that has none here.
    private static func line(_ fields: [(String, String?)], size: UInt64) -> String {
        "{"
            + fields.map { key, value in "\"\(key)\":" + (value.map { "\"\($0)\"" } ?? String(size)) }
            .joined(separator: ",") + "}"
    }

    /// Writes the lock file, whole or not at all.
    package func write(to path: FilePath) throws { try writeAtomically(to: path, bytes: Array(text.utf8)) }

    /// Reads a lock file.
    ///
    /// - Throws: `Failure` with `file:line` for anything that piforge would not have written so.
    package static func read(_ path: FilePath) throws -> PackageLock {
        try parse(String(decoding: readFile(path, limit: 16 << 20), as: UTF8.self), place: path.string)
    }

    /// What changes from one lock to another, one line a package, sorted by name: `name old → new`, `name new added`,
    /// `name old removed`.
    package static func difference(from old: PackageLock, to new: PackageLock) -> [String] {
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
