import Foundation

extension Recipe {
    /// An archive that packages come from: a stanza of sources.list(5), and what may be taken from it.
    package struct PackageSource: Sendable, Equatable {
        /// What locks and messages call it.
        package var name = ""
        /// Base URIs, tried in this order; empty for the Debian mirrors of this machine.
        package var uris: [String] = []
        /// Names, or paths of a flat archive, which end in a slash (sources.list(5)).
        package var suites: [String] = []
        /// Empty for a flat archive.
        package var components: [String] = []
        /// nil: Debian's own keyring.
        package var keyring: Keyring?
        /// Names and globs of the only packages that are taken from it; empty for all.
        package var only: [String] = []
        /// Whether the board's own apt gets it too.
        package var onBoard = true

        package init() {}

        /// Whether a URI is of a folder on this machine, which no board has.
        package static func isLocal(_ uri: String) -> Bool {
            uri.hasPrefix("file:") || uri.hasPrefix("copy:")
        }

        /// What apt knows the packages of a URI by (`origin` of apt_preferences(5)): its host, without user and port; empty for a
        /// folder of this machine; nil where there is none.
        package static func host(of uri: String) -> String? {
            guard !isLocal(uri) else { return "" }
            guard let host = URL(string: uri)?.host(percentEncoded: true),
                host.wholeMatch(of: /[A-Za-z0-9._:-]+/) != nil
            else { return nil }
            return host
        }

        /// The URIs that a board can reach.
        package var boardURIs: [String] { uris.filter { !Self.isLocal($0) } }
    }
}

extension Recipe.PackageSource {
    static let shape = Shape<Recipe.PackageSource>.object(
        Self(),
        [
            Key(
                "name", \.name,
                .text(
                    "a source's name", pattern: "[a-z][a-z0-9-]+",
                    expected: "a-z first, then a-z, 0-9 and '-', two characters or more",
                    limit: 64
                ).refusing {
                    ["updates", "security"].contains($0)
                        ? Refusal("'\($0)' has a meaning of its own here", expected: "another name") : nil
                }, required: true, example: .string("ports"), "What the lock and messages call it."),
            Key(
                "uris", \.uris, .list(of: uri, called: "list of base URIs", limit: 16),
                fallback: "the Debian mirrors of this machine",
                example: .array([.string("http://ports.ubuntu.com/ubuntu-ports")]),
                "The archive's base URIs, tried in this order. `file:/srv/repo` (or `copy:`) is a folder of this machine: the image is "
                    + "built from it, and the board's own apt does not get it."),
            Key(
                "suites", \.suites, suiteList, required: true,
                example: .array([.string("bionic"), .string("bionic-updates")]),
                "The suites that are used. For a flat archive, the path from the base URI to its indices, with a slash at its end: "
                    + "`[./]`."),
            Key(
                "components", \.components,
                .list(
                    of: .text(
                        "a component", pattern: "[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)*",
                        expected: "a component such as main, 20.04 or main/debian-installer", limit: 64),
                    called: "list of components", limit: 16, identity: { $0 }
                ), fallback: "none: a flat archive",
                example: .array([.string("main"), .string("universe")]),
                "The components of each suite; a flat archive has none."),
            Key(
                optional: "keyring", \.keyring, Keyring.shape, fallback: "Debian's own",
                example: .members(["package": .string("ubuntu-archive-keyring")]),
                "The OpenPGP keys that the archive's signatures are checked against."),
            Key(
                "only", \.only,
                .list(
                    of: .text(
                        "a package", pattern: "[a-z0-9*?][a-z0-9+.*?-]*", expected: "a package's name, or a glob",
                        limit: 128), called: "list of packages", limit: 256, identity: { $0 }),
                fallback: "all", example: .array([.string("linux-image-*")]),
                "The only packages that are taken from this source: names and globs."),
            Key(
                "on_board", \.onBoard, .flag,
                "Whether the board's own apt gets this source, with its keys and limits."),
        ]
    ).checked(refusal)

    private static let uri = Shape<String>.text(
        "a base URI", pattern: "https?://[!-~]+|(file|copy):(//)?/[!-~]*",
        expected: "http://…, https://…, or file:/… for a folder of this machine, without blanks",
        limit: 1024
    ).refusing { Recipe.PackageSource.host(of: $0) == nil ? Refusal("'\($0)' names no host") : nil }

    private static let suiteList = Shape<[String]>.list(
        of: .text(
            "a suite",
            pattern: "/|\\./|(\\./)?[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*/?",
            expected: "a suite such as bookworm or bookworm/updates, or a flat archive's path such as ./",
            limit: 128
        ).refusing { $0.contains("..") ? Refusal("the path climbs with '..'") : nil },
        called: "list of suites", limit: 16, identity: { $0 }
    ).refusing { $0.isEmpty ? Refusal("the list is empty", expected: "at least one suite") : nil }

    /// What the keys of a source must have in common (sources.list(5), "THE DEB AND DEB-SRC TYPES").
    private static func refusal(_ source: Self) -> Refusal? {
        let flat = source.suites.filter { $0.hasSuffix("/") }
        guard let path = flat.first else {
            guard source.components.isEmpty else { return nil }
            return Refusal(
                "'\(source.suites[0])' is a suite's name, and no components are given",
                expected: "components such as [main]",
                next: "add components, or write suites: [./] for a flat archive, which has none")
        }
        guard flat.count == source.suites.count else {
            return Refusal(
                "'\(path)' is the path of a flat archive, and stands beside suites",
                expected: "a source of its own for each kind")
        }
        guard source.components.isEmpty else {
            return Refusal(
                "'\(path)' is the path of a flat archive, which has no components",
                next: "take components out, or the slash off the suite's end")
        }
        guard !source.uris.isEmpty else {
            return Refusal(
                "'\(path)' is the path of a flat archive, and Debian's is none", next: "add uris")
        }
        return nil
    }
}
