import Diagnostics
import Foundation
import Storage
import SystemPackage

/// Finds Debian's mirrors in the host's own apt configuration (sources.list(5): `sources.list`, and `*.list` and
/// `*.sources` in `sources.list.d`).
///
/// Only lines for Debian's own suites count: third-party archives are known by their suite, their component, their
/// keyring, or a URI that does not end in Debian's names.
package enum HostMirror {
    /// The mirrors to use.
    ///
    /// - Parameters:
    ///   - root: where the host's `etc/apt` lies; `/` but for tests.
    ///   - debian: what `--mirror` names; it takes the place of the host's mirrors.
    ///   - security: what `--security-mirror` names.
    /// - Throws: `Failure` when the host's configuration names no mirror for the main or the security archive, and
    ///   the option was not given either.
    package static func find(root: FilePath = "/", debian: String? = nil, security: String? = nil) throws
        -> ArchiveMirrors
    {
        let configured = debian == nil || security == nil ? try read(root: root) : []
        func choose(_ named: String?, _ isSecurity: Bool) throws -> [String] {
            if let named { return [named] }
            var uris: [String] = []
            for entry in configured where entry.isSecurity == isSecurity && !uris.contains(entry.uri) {
                uris.append(entry.uri)
            }
            guard !uris.isEmpty else {
                let option = isSecurity ? "--security-mirror" : "--mirror"
                let archive = isSecurity ? "Debian's security archive" : "Debian's archive"
                throw Failure(
                    .usage, at: root.appending("etc/apt").string, "the host's apt names no mirror of \(archive)",
                    expected: "a source with one of Debian's suites and the component main",
                    next: "name one: \(option) URL")
            }
            return uris
        }
        return try ArchiveMirrors(debian: choose(debian, false), security: choose(security, true))
    }

    /// One URI of one source.
    struct Entry: Equatable {
        var uri: String
        var isSecurity: Bool
    }

    /// All of Debian's URIs in the configuration, in apt's order.
    static func read(root: FilePath) throws -> [Entry] {
        let apt = root.appending("etc").appending("apt")
        let parts = apt.appending("sources.list.d")
        var files = [apt.appending("sources.list")]
        let names = (try? FileManager.default.contentsOfDirectory(atPath: parts.string)) ?? []
        files += names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }.map { parts.appending($0) }
        var entries: [Entry] = []
        for file in files where exists(file) {
            let text: String
            switch file.extension {
            case "list", "sources": text = String(decoding: try readFile(file, limit: 1 << 20), as: UTF8.self)
            default: continue
            }
            entries += file.extension == "list" ? oneLine(text) : deb822(text)
        }
        return entries
    }

    /// `deb [options] URI suite component…`, one a line.
    static func oneLine(_ text: String) -> [Entry] {
        text.splitLines().flatMap { line -> [Entry] in
            var rest = line.prefix { $0 != "#" }.drop { $0.isWhitespace }
            guard rest.hasPrefix("deb "), let blank = rest.firstIndex(of: " ") else { return [] }
            rest = rest[blank...].drop { $0.isWhitespace }
            var signedBy: String?
            if rest.hasPrefix("["), let end = rest.firstIndex(of: "]") {
                for option in rest[..<end].dropFirst().split(separator: " ") where option.hasPrefix("signed-by=") {
                    signedBy = String(option.dropFirst("signed-by=".count))
                }
                rest = rest[rest.index(after: end)...]
            }
            let words = rest.split { $0.isWhitespace }.map(String.init)
            guard words.count >= 3 else { return [] }
            return entries(
                uris: [words[0]], suites: [words[1]], components: Array(words.dropFirst(2)), signedBy: signedBy)
        }
    }

    /// Stanzas of `Types:`, `URIs:`, `Suites:`, `Components:`, `Signed-By:` (sources.list(5), deb822 style).
    static func deb822(_ text: String) -> [Entry] {
        var entries: [Entry] = []
        var fields: [String: String] = [:]
        var last = ""
        func close() {
            defer { fields = [:] }
            func words(_ name: String) -> [String] {
                (fields[name] ?? "").split { $0.isWhitespace }.map(String.init)
            }
            let isOff = ["no", "false", "without", "off", "disable"].contains((fields["enabled"] ?? "").lowercased())
            guard words("types").contains("deb"), !isOff else { return }
            entries += Self.entries(
                uris: words("uris"), suites: words("suites"), components: words("components"),
                signedBy: fields["signed-by"])
        }
        for line in text.splitLines(keepingEmpty: true) {
            if line.hasPrefix("#") { continue }
            if line.allSatisfy(\.isWhitespace) {
                close()
            } else if line.first?.isWhitespace == true {
                fields[last, default: ""] += " " + line.drop { $0.isWhitespace }
            } else if let colon = line.firstIndex(of: ":") {
                last = line[..<colon].lowercased()
                fields[last] = String(line[line.index(after: colon)...].drop { $0.isWhitespace })
            }
        }
        close()
        return entries
    }

    private static let codenames: Set<String> = [
        "bullseye", "bookworm", "trixie", "forky", "duke", "sid", "oldoldstable", "oldstable", "stable", "testing",
        "unstable",
    ]
    private static let pockets: Set<String> = ["", "-updates", "-security", "-proposed-updates", "-backports"]

    private static func entries(uris: [String], suites: [String], components: [String], signedBy: String?) -> [Entry] {
        guard components.contains("main") else { return [] }
        let keyring = signedBy?.split(separator: "/").last.map(String.init) ?? ""
        // A keyring that is named decides; without one, Debian's archives are known by their path.
        if signedBy != nil, !keyring.hasPrefix("debian-archive-") { return [] }
        var found: [Entry] = []
        for uri in uris where ["http://", "https://", "file:/"].contains(where: { uri.hasPrefix($0) }) {
            let path = uri.split(separator: "/").last ?? ""
            guard signedBy != nil || path.hasPrefix("debian") else { continue }
            for suite in suites {
                let codename = suite.prefix { $0 != "-" }
                let pocket = String(suite[codename.endIndex...])
                guard codenames.contains(String(codename)), pockets.contains(pocket) else { continue }
                let entry = Entry(uri: uri, isSecurity: pocket == "-security")
                if !found.contains(entry) { found.append(entry) }
            }
        }
        return found
    }
}
