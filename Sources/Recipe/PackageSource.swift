extension Recipe {
    /// An archive that packages come from: a stanza of sources.list(5), and what may be taken from it.
    public struct PackageSource: Sendable, Equatable {
        /// What locks and messages call it.
        public var name = ""
        /// Base URIs, tried in this order; empty for the Debian mirrors of this machine.
        public var uris: [String] = []
        public var suites: [String] = []
        public var components: [String] = []
        /// nil: Debian's own keyring.
        public var keyring: Keyring?
        /// Names and globs of the only packages that are taken from it; empty for all.
        public var only: [String] = []
        /// Whether the board's own apt gets it too.
        public var onBoard = true

        public init() {}
    }
}

extension Recipe.PackageSource {
    static let shape = Shape<Recipe.PackageSource>.object(
        Self(),
        [
            Key(
                "name", \.name,
                .text(
                    "a source's name", pattern: "[a-z][a-z0-9-]*", expected: "a-z first, then a-z, 0-9 and '-'",
                    limit: 64
                ).refusing {
                    ["updates", "security"].contains($0)
                        ? Refusal("'\($0)' has a meaning of its own here", expected: "another name") : nil
                }, required: true, example: .string("ports"), "What the lock and messages call it."),
            Key(
                "uris", \.uris, .list(of: Recipe.Packages.uri, called: "list of base URIs", limit: 16),
                fallback: "the Debian mirrors of this machine",
                example: .array([.string("http://ports.ubuntu.com/ubuntu-ports")]),
                "The archive's base URIs, tried in this order."),
            Key(
                "suites", \.suites, Recipe.Packages.suiteList, required: true,
                example: .array([.string("bionic"), .string("bionic-updates")]), "The suites that are used."),
            Key(
                "components", \.components,
                .list(
                    of: .text(
                        "a component", pattern: "[a-z][a-z-]*", expected: "a component such as main", limit: 64),
                    called: "list of components", limit: 16, identity: { $0 }
                ).refusing { $0.isEmpty ? Refusal("the list is empty", expected: "at least one component") : nil },
                required: true, example: .array([.string("main"), .string("universe")]), "The components of each suite."
            ),
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
        ])
}
