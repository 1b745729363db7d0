import Diagnostics
import SystemPackage

/// One suite of the Debian archive, and the keyring that proves it: a stanza of sources.list(5) without its mirror.
public struct ArchiveSource: Sendable, Hashable {
    /// Which of Debian's archives a suite, and so a package, belongs to.
    public enum Kind: String, Sendable, Codable, CaseIterable {
        /// The main archive: `trixie`, and what is not named below.
        case debian
        /// The main archive's stable updates: `trixie-updates`. The same pool as ``debian``.
        case updates
        /// The security archive: `trixie-security`. A pool of its own.
        case security
    }

    /// Debian's own keyring, as the package debian-archive-keyring installs it.
    public static let debianKeyring: FilePath = "/usr/share/keyrings/debian-archive-keyring.gpg"

    public let suite: String
    public let components: [String]
    /// The only keys whose signature on the suite's Release file counts.
    public let keyring: FilePath

    /// The archive, from the suite's name.
    public var kind: Kind {
        if suite.hasSuffix("-security") { return .security }
        return suite.hasSuffix("-updates") && !suite.hasSuffix("-proposed-updates") ? .updates : .debian
    }

    /// - Throws: `Failure` for a suite or component that is no plain name: it goes into apt's configuration.
    public init(suite: String, components: [String], keyring: FilePath = ArchiveSource.debianKeyring) throws {
        for (what, name) in [("suite", suite)] + components.map({ ("component", $0) }) {
            guard isPlainName(name) else {
                throw Failure(
                    .usage, at: "packages", "the \(what) '\(name)' is not a name",
                    expected: "letters, digits, '-', '.', '_' and '/'")
            }
        }
        guard !components.isEmpty else {
            throw Failure(.usage, at: "packages", "the suite '\(suite)' has no components", next: "add 'main'")
        }
        self.suite = suite
        self.components = components
        self.keyring = keyring
    }

    /// The same components of several suites.
    ///
    /// - Throws: as ``init(suite:components:keyring:)``, and when there is no suite.
    public static func suites(
        _ suites: [String], components: [String], keyring: FilePath = ArchiveSource.debianKeyring
    ) throws -> [ArchiveSource] {
        guard !suites.isEmpty else {
            throw Failure(.usage, at: "packages", "no suite is named", next: "add a suite such as 'trixie'")
        }
        return try suites.map { try ArchiveSource(suite: $0, components: components, keyring: keyring) }
    }
}

/// The mirrors that serve Debian's archives; each list in the order of preference.
public struct DebianMirrors: Sendable, Equatable {
    /// Base URIs of the main archive, those that end before `/dists` and `/pool`, without a slash at the end.
    public let debian: [String]
    /// Base URIs of the security archive; may be empty when no security suite is asked for.
    public let security: [String]

    /// - Throws: `Failure` for a URI that is not http, https or file, or holds a blank or a control character.
    public init(debian: [String], security: [String]) throws {
        func checked(_ uris: [String], _ option: String) throws -> [String] {
            try uris.map { uri in
                let isKnown = ["http://", "https://", "file:/"].contains { uri.hasPrefix($0) }
                guard isKnown, uri.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
                    throw Failure(
                        .usage, at: option, "'\(uri)' is not a mirror's URI",
                        expected: "a http:, https: or file: URI without blanks")
                }
                var uri = uri
                while uri.hasSuffix("/"), uri.count > 1 { uri.removeLast() }
                return uri
            }
        }
        self.debian = try checked(debian, "--mirror")
        self.security = try checked(security, "--security-mirror")
    }

    /// The base URIs of the mirrors that serve an archive.
    public func bases(for kind: ArchiveSource.Kind) -> [String] { kind == .security ? security : debian }

    /// The URLs of a file of an archive's pool, in the order of preference.
    ///
    /// - Parameter path: as the index's Filename field has it: `pool/main/…`.
    public func urls(for kind: ArchiveSource.Kind, path: String) -> [String] {
        bases(for: kind).map { "\($0)/\(escapedPath(path))" }
    }
}

/// Whether a name consists of the characters that suites and components are made of.
func isPlainName(_ name: String) -> Bool {
    let allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/"
    return !name.isEmpty && !name.hasPrefix("-") && !name.contains("..") && name.allSatisfy { allowed.contains($0) }
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
