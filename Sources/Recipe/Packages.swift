import Packages
import SystemPackage

extension Recipe {
    /// Which Debian packages are installed, and from where.
    package struct Packages: Sendable, Equatable {
        /// The suites apt may take packages from. After loading empty only where ``sources`` takes their place, and on a stock
        /// image.
        package var suites: [String] = []
        /// The components of each of ``suites``: `main`, and of `contrib`, `non-free` and `non-free-firmware` any.
        package var components = ["main", "non-free-firmware"]
        /// Base URIs for the board's own apt; nil for those that the packages came from.
        package var mirror: String?
        /// As ``mirror``, for Debian's security archive.
        package var securityMirror: String?
        /// The archives that packages come from; empty for Debian's, with the suites and components above.
        package var sources: [PackageSource] = []
        /// Archives beside those.
        package var extraSources: [PackageSource] = []
        /// Whether packages of a stock image are brought up to date.
        package var upgrade = false
        /// Packages as apt names them: `name`, `name=version` or `name/suite`.
        package var install: [String] = []
        /// Whether recommended packages are installed too.
        package var recommends = false
        /// Which version apt prefers where there are several; empty for no pins.
        package var preferences: [Preference] = []
        /// The file of OpenPGP keys that archive signatures are checked against.
        package var keyring = HostPath(
            path: defaultKeyring, written: defaultKeyring.string)

        private static let defaultKeyring = FilePath("/usr/share/keyrings/debian-archive-keyring.gpg")

        package init() {}

        /// A pin (apt_preferences(5)).
        package struct Preference: Sendable, Equatable {
            /// A package's name, several with spaces between, a glob, or `*`.
            package var package = ""
            /// `release n=trixie-backports`, `version 1.2*` or `origin host`.
            package var pin = ""
            /// −32,768 to 32,767, not 0; above 1000 it allows a downgrade.
            package var priority = 0

            package init(package: String = "", pin: String = "", priority: Int = 0) {
                self.package = package
                self.pin = pin
                self.priority = priority
            }
        }

        /// ``suites`` as a recipe writes them: not at all, or at least one.
        var writtenSuites: [String]? {
            get { suites.isEmpty ? nil : suites }
            set { suites = newValue ?? [] }
        }

        /// The names of the packages to install, without versions and suites.
        package var installNames: [String] {
            install.compactMap { PackageWish.parse($0) }.filter { !$0.keepsOut }.map(\.name)
        }
    }
}

extension Recipe.Packages {
    static let suiteList = Shape<[String]>.list(
        of: .text(
            "a suite", pattern: "[a-z][a-z0-9-]*", expected: "a code name such as trixie-backports", limit: 64),
        called: "list of suites", limit: 16, identity: { $0 }
    ).refusing { $0.isEmpty ? Refusal("the list is empty", expected: "at least one suite") : nil }

    static let uri = Shape<String>.text(
        "a mirror", pattern: "https?://[!-~]+", expected: "an http: or https: URI without blanks", limit: 1024)

    static let name = Shape<String>.text(
        "a package name", pattern: "[a-z0-9][a-z0-9+.-]+",
        expected: "a-z, 0-9, '+', '-' and '.', at least two characters",
        limit: 128)

    static let shape = Shape<Recipe.Packages>.object(
        Self(),
        [
            Key(
                optional: "suites", \.writtenSuites, suiteList,
                fallback: "the base's suite, its -updates and its -security",
                example: .array([.string("trixie"), .string("trixie-backports")]),
                "The suites of Debian's archive that are used."),
            Key(
                "components", \.components,
                .list(
                    of: .word("component", of: ["main", "contrib", "non-free", "non-free-firmware"]),
                    called: "list of components", identity: { $0 }
                ).refusing {
                    $0.contains("main") ? nil : Refusal("main is missing", expected: "main and what else is needed")
                },
                "The components of each suite; `non-free-firmware` has the Pi's boot firmware."),
            Key(
                "install", \.install,
                .list(
                    of: .text(
                        "a package", pattern: "[a-z0-9][a-z0-9+.-]+(=[A-Za-z0-9.+:~-]+|/[a-z][a-z0-9-]*)?",
                        expected: "a Debian package: name, name=version or name/suite", limit: 256),
                    called: "list of packages",
                    identity: { PackageWish.parse($0).map { $0.keepsOut ? "\($0.name)-" : $0.name } ?? $0 }),
                example: .array([.string("sudo"), .string("qemu-utils/trixie-backports")]),
                "The packages to install beside the base system; what they depend on comes along."),
            Key(
                "sources", \.sources,
                .list(of: Recipe.PackageSource.shape, called: "list of archives", limit: 16, identity: { $0.name }),
                fallback: "Debian, with the suites and components above",
                "The archives that packages come from, where Debian's of one suite will not do: for a stock image, its own and what is added to it."
            ),
            Key(
                "extra_sources", \.extraSources,
                .list(
                    of: Recipe.PackageSource.shape, called: "list of archives", limit: 16,
                    identity: { $0.name }),
                "Archives beside Debian's, or beside `packages.sources`; each with the keys of one of those."
            ),
            Key(
                "upgrade", \.upgrade, .flag,
                "Whether the packages that a stock image brings are upgraded too, through dpkg in the micro-VM: hundreds of packages take many minutes."
            ),
            Key("recommends", \.recommends, .flag, "Whether recommended packages are installed too."),
            Key(
                "preferences", \.preferences, .list(of: Preference.shape, called: "list of pins", limit: 256),
                "Which version apt prefers where there are several (apt_preferences(5))."),
            Key(
                "keyring", \.keyring, .existing(.file),
                "The OpenPGP keys that the archive's signatures are checked against."),
            Key(
                optional: "mirror", \.mirror, uri, fallback: "the mirror that the packages came from",
                example: .string("https://mirror.example.org/debian"),
                "Where the board's own apt finds Debian. Set it when images that are built on different machines must be identical."
            ),
            Key(
                optional: "security_mirror", \.securityMirror, uri, fallback: "the one that the packages came from",
                example: .string("https://mirror.example.org/debian-security"),
                "Where the board's own apt finds Debian's security updates."),
        ])
}

extension Recipe.Packages.Preference {
    static let shape = Shape<Recipe.Packages.Preference>.object(
        Self(),
        [
            Key(
                "package", \.package,
                .text(
                    "a pin's package", pattern: "[A-Za-z0-9+.*?:/ -]+", expected: "package names, a glob, or '*'",
                    limit: 1024),
                required: true, example: .string("qemu-*"), "Which packages: names, a glob, or `*`."),
            Key(
                "pin", \.pin,
                .text(
                    "a pin", pattern: "(release|version|origin) [^\\n]+",
                    expected: "'release n=…', 'version …' or 'origin …'", limit: 1024),
                required: true, example: .string("release n=trixie-backports"), "Which versions of them."),
            Key(
                "priority", \.priority,
                .integer("integer", in: -32768...32767).refusing {
                    $0 == 0 ? Refusal("0 means nothing to apt", expected: "an integer that is not 0") : nil
                },
                required: true, example: .integer(500),
                "500 is as good as any version, 990 better, above 1000 even a downgrade, below 0 never."),
        ])
}
