import Diagnostics
import Packages
import SystemPackage

/// One suite of the Debian archive, and the keyring that proves it: a stanza of sources.list(5) without its mirror.
package struct ArchiveSource: Sendable, Hashable {
    /// Which archive a suite, and so a package, belongs to: one of Debian's, or one that the recipe names.
    package struct Kind: RawRepresentable, Sendable, Codable, Hashable {
        /// As a lock's `archive` has it. There it must be a package's name in form (``isPackageName(_:)``).
        package let rawValue: String

        package init(rawValue: String) { self.rawValue = rawValue }

        /// Debian's main archive: `trixie`, and what is not named below.
        package static let debian = Kind(rawValue: "debian")
        /// The main archive's stable updates: `trixie-updates`. The same pool as ``debian``.
        package static let updates = Kind(rawValue: "updates")
        /// The security archive: `trixie-security`. A pool of its own.
        package static let security = Kind(rawValue: "security")
    }

    /// Debian's own keyring, as the package debian-archive-keyring installs it.
    package static let debianKeyring: FilePath = "/usr/share/keyrings/debian-archive-keyring.gpg"

    /// A suite's name, with slashes or without; for a flat archive the path from its base URI to its indices, which ends in a
    /// slash (sources.list(5)).
    package let suite: String
    /// Empty for a flat archive.
    package let components: [String]
    /// The only keys whose signature on the suite's Release file counts.
    package let keyring: FilePath
    /// What locks and messages call an archive that is not Debian's, or that has base URIs of its own; nil for Debian's.
    package let name: String?
    /// Base URIs in the order of preference; empty for Debian's mirrors.
    package let uris: [String]

    /// Whether the archive has no `dists`: its indices lie in one folder, and it has no components.
    package var isFlat: Bool { suite.hasSuffix("/") }

    /// The archive: from the suite's name where it is Debian's.
    package var kind: Kind {
        if let name, !uris.isEmpty { return Kind(rawValue: name) }
        if suite.hasSuffix("-security") { return .security }
        return suite.hasSuffix("-updates") && !suite.hasSuffix("-proposed-updates") ? .updates : .debian
    }

    /// - Throws: `Failure` for a suite or component that is no plain name, and for a URI that apt cannot read: they go into
    ///   apt's configuration.
    package init(
        suite: String, components: [String], keyring: FilePath = ArchiveSource.debianKeyring, name: String? = nil,
        uris: [String] = []
    ) throws {
        for (what, name) in [("suite", suite)] + components.map({ ("component", $0) }) {
            guard isArchiveName(name) else {
                throw Failure(
                    .usage, at: "packages", "the \(what) '\(name)' is not a name",
                    expected: "letters, digits, '-', '.', '_' and '/'")
            }
        }
        let isFlat = suite.hasSuffix("/")
        guard isFlat || !components.isEmpty else {
            throw Failure(
                .usage, at: "packages", "the suite '\(suite)' has no components", next: "add 'main'")
        }
        guard !isFlat || components.isEmpty && name != nil && !uris.isEmpty else {
            throw Failure(
                .usage, at: "packages", "'\(suite)' is the path of a flat archive",
                expected: "no components, and URIs of its own")
        }
        self.suite = suite
        self.components = components
        self.keyring = keyring
        self.name = name
        self.uris = try ArchiveMirrors.checked(uris, name ?? "packages")
    }

    /// The same components of several suites.
    ///
    /// - Throws: as ``init(suite:components:keyring:)``, and when there is no suite.
    package static func suites(
        _ suites: [String], components: [String], keyring: FilePath = ArchiveSource.debianKeyring
    ) throws -> [ArchiveSource] {
        guard !suites.isEmpty else {
            throw Failure(.usage, at: "packages", "no suite is named", next: "add a suite such as 'trixie'")
        }
        return try suites.map { try ArchiveSource(suite: $0, components: components, keyring: keyring) }
    }
}

/// The mirrors that serve the archives; each list in the order of preference.
package struct ArchiveMirrors: Sendable, Equatable {
    /// Base URIs of the main archive, those that end before `/dists` and `/pool`, without a slash at the end.
    package let debian: [String]
    /// Base URIs of the security archive; may be empty when no security suite is asked for.
    package let security: [String]

    /// Base URIs of archives that sources name themselves.
    package private(set) var named: [ArchiveSource.Kind: [String]] = [:]

    /// - Throws: `Failure` for a URI that is not http, https, file or copy, or holds a blank or a control character.
    package init(debian: [String], security: [String]) throws {
        self.debian = try Self.checked(debian, "--mirror")
        self.security = try Self.checked(security, "--security-mirror")
    }

    /// How the URIs begin that apt is given.
    static let schemes = ["http://", "https://", "file:/", "copy:/"]

    /// Base URIs without slashes at their ends.
    ///
    /// - Throws: as ``init(debian:security:)``.
    static func checked(_ uris: [String], _ place: String) throws -> [String] {
        try uris.map { uri in
            let isKnown = schemes.contains { uri.hasPrefix($0) }
            guard isKnown, uri.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
                throw Failure(
                    .usage, at: place, "'\(uri)' is not a mirror's URI",
                    expected: "a http:, https:, file: or copy: URI without blanks")
            }
            var uri = uri
            // An empty host is this machine (RFC 8089, section 2).
            for scheme in ["file:", "copy:"] where uri.hasPrefix("\(scheme)///") {
                uri = scheme + uri.dropFirst("\(scheme)//".count)
            }
            while uri.hasSuffix("/"), uri.count > 1 { uri.removeLast() }
            return uri
        }
    }

    /// These mirrors, and those that the sources name themselves.
    package func adding(_ sources: [ArchiveSource]) -> ArchiveMirrors {
        var mirrors = self
        for source in sources where !source.uris.isEmpty { mirrors.named[source.kind] = source.uris }
        return mirrors
    }

    /// The base URIs of the mirrors that serve an archive.
    package func bases(for kind: ArchiveSource.Kind) -> [String] {
        named[kind] ?? (kind == .security ? security : kind == .debian || kind == .updates ? debian : [])
    }

    /// The URLs of a file of an archive's pool, in the order of preference.
    ///
    /// - Parameter path: as the index's Filename field has it: `pool/main/…`.
    package func urls(for kind: ArchiveSource.Kind, path: String) -> [String] {
        bases(for: kind).map { base in
            // apt's own scheme for a folder of this machine whose files it copies.
            let base = base.hasPrefix("copy:") ? "file:" + base.dropFirst("copy:".count) : base
            return "\(base)/\(escapedPath(path))"
        }
    }
}

/// A pool path as it stands in a URL: everything but unreserved characters and `/` is percent-encoded (RFC 3986,
/// section 2.3). A pool's `+` is encoded too, since some servers read it as a blank.
func escapedPath(_ path: String) -> String {
    let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-._~".utf8)
    let digits = Array("0123456789ABCDEF")
    return path.utf8.map { byte in
        plain.contains(byte)
            ? String(UnicodeScalar(byte)) : "%\(digits[Int(byte >> 4)])\(digits[Int(byte & 15)])"
    }.joined()
}
