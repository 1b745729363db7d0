import Diagnostics
import Digests
import Foundation
import Packages
import SystemPackage

#if canImport(Glibc)
    import Glibc
#endif

/// The Packages indices of an archive, as `apt-get update` verified and stored them (Debian RepositoryFormat,
/// "Packages" Indices; stanzas of deb822(5)).
///
/// The files are mapped, not read: a suite's index is some 60 MB.
struct PackageIndex {
    private struct List {
        let kind: ArchiveSource.Kind
        let path: FilePath
        let data: Data
    }

    private struct Stanza {
        let list: Int
        let range: Range<Int>
    }

    private var lists: [List] = []
    private var stanzas: [String: [Stanza]] = [:]
    /// The values of all Provides fields.
    private var provides: [Stanza] = []
    /// The names of the packages marked `Essential: yes`, sorted.
    private(set) var essential: [String] = []

    /// - Parameter files: each index with its archive, in the order in which they are searched.
    /// - Throws: `Failure` when a file cannot be read.
    init(_ files: [(ArchiveSource.Kind, FilePath)]) throws {
        var essential: Set<String> = []
        for (kind, path) in files {
            let data: Data
            do { data = try Data(contentsOf: URL(fileURLWithPath: path.string), options: .alwaysMapped) } catch {
                throw Failure(at: path.string, "the package index cannot be read: \(error.localizedDescription)")
            }
            lists.append(List(kind: kind, path: path, data: data))
            data.withUnsafeBytes { scan($0, list: lists.count - 1, essential: &essential) }
        }
        self.essential = essential.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
    }

    /// Notes every stanza's place. The lines are found by libc, since this goes over all of an archive's index.
    private mutating func scan(_ bytes: UnsafeRawBufferPointer, list: Int, essential: inout Set<String>) {
        guard let base = bytes.baseAddress else { return }
        func starts(_ line: Range<Int>, _ text: StaticString) -> Bool {
            line.count >= text.utf8CodeUnitCount
                && memcmp(base + line.lowerBound, text.utf8Start, text.utf8CodeUnitCount) == 0
        }
        var start = 0
        var stanza = 0
        var name: String?
        func text(_ range: Range<Int>) -> String {
            String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self)
        }
        while start < bytes.count {
            let newline = memchr(base + start, CInt(UInt8(ascii: "\n")), bytes.count - start)
            let end = newline.map { UnsafeRawPointer($0) - base } ?? bytes.count
            let line = start..<end
            switch line.isEmpty ? UInt8(ascii: "\n") : bytes[start] {
            case UInt8(ascii: "P") where starts(line, "Package: "): name = text(start + 9..<end)
            case UInt8(ascii: "P") where starts(line, "Provides: "):
                provides.append(Stanza(list: list, range: start + 10..<end))
            case UInt8(ascii: "E") where starts(line, "Essential: yes"): if let name { essential.insert(name) }
            case UInt8(ascii: "\n"):
                if let name { stanzas[name, default: []].append(Stanza(list: list, range: stanza..<start)) }
                name = nil
                stanza = end + 1
            default: break
            }
            start = end + 1
        }
        if let name { stanzas[name, default: []].append(Stanza(list: list, range: stanza..<bytes.count)) }
    }

    /// Whether a package of that name can be installed from the archive.
    func contains(_ name: String) -> Bool { stanzas[name] != nil }

    /// The versions of a package, in the order of the indices.
    func versions(of name: String) -> [String] {
        (stanzas[name] ?? []).compactMap { fields(of: $0)["version"] }
    }

    /// Whether some package provides that virtual name (Debian Policy, section 7.5).
    func isProvided(_ name: String) -> Bool {
        provides.contains { field in
            // "a, b (= 1.2), c:any"
            text(of: field).split(separator: ",").contains { item in
                item.drop { $0 == " " }.prefix { !" (:".contains($0) } == name
            }
        }
    }

    private func text(of stanza: Stanza) -> String {
        String(decoding: lists[stanza.list].data[stanza.range], as: UTF8.self)
    }

    /// The name that a person probably meant.
    func nearest(to name: String) -> String? {
        // Over all names the edit distance is too slow; names of another length are no candidates, and most typing
        // errors leave the first letter alone.
        let limit = max(1, name.count / 3)
        let near = stanzas.keys.filter { abs($0.count - name.count) <= limit }
        return nearestName(to: name, in: near.filter { $0.first == name.first }) ?? nearestName(to: name, in: near)
    }

    /// The package's entry in the index, down to its bytes.
    ///
    /// - Throws: `Failure` when the index has no such version, or its entry lacks what proves the file.
    func package(_ identity: PackageIdentity) throws -> LockedPackage {
        let (name, version) = (identity.name, identity.version)
        for stanza in stanzas[name] ?? [] {
            let fields = fields(of: stanza)
            guard fields["version"] == version, fields["architecture"] == identity.architecture else { continue }
            let list = lists[stanza.list]
            guard let path = fields["filename"], let size = fields["size"].flatMap({ UInt64($0) }),
                let sha256 = fields["sha256"].flatMap({ SHA256Digest(hex: $0) })
            else {
                throw Failure(
                    at: list.path.string, "the index's entry for '\(name)' is incomplete",
                    expected: "Filename, Size and SHA256")
            }
            // "Source: name (version)"; absent when the same as the package (Debian Policy, section 5.6.1).
            let source = (fields["source"] ?? name).split(separator: " ")
            let sourceVersion = source.dropFirst().first.map { $0.dropFirst().dropLast() }.map(String.init)
            return try LockedPackage(
                identity, size: size, sha256: sha256,
                path: path.hasPrefix("./") ? String(path.dropFirst(2)) : path, archive: list.kind,
                source: source.first.map(String.init) ?? name, sourceVersion: sourceVersion ?? version)
        }
        throw Failure(at: name, "the index has no version \(version) for \(identity.architecture)")
    }

    /// A stanza's one-line fields; names in lower case.
    private func fields(of stanza: Stanza) -> [String: String] {
        let text = text(of: stanza)
        var fields: [String: String] = [:]
        for line in text.splitLines() where line.first != " " && line.first != "\t" {
            guard let colon = line.firstIndex(of: ":") else { continue }
            fields[line[..<colon].lowercased()] = String(line[line.index(after: colon)...].drop { $0 == " " })
        }
        return fields
    }
}
