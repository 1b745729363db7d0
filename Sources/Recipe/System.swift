import Digests

extension Recipe {
    /// How the system is set up.
    package struct System: Sendable, Equatable {
        /// Labels as RFC 1123 has them, in lower case, with dots between them; at most 64 characters. It may be a name with its domain.
        package var hostname = "raspberrypi"
        /// A name of the time zone database, such as `Europe/Berlin`. Whether the image has it shows when the image is made.
        package var timezone = "UTC"
        /// `C.UTF-8`, or a locale such as `de_DE.UTF-8`. Whether the image has it shows when the image is made.
        package var locale = "C.UTF-8"
        /// nil for wired ports alone.
        package var wifi: Wifi?
        package var ssh = SSH()
        /// Whether a login prompt waits on the serial pins.
        package var serialConsole = true
        /// What is enabled and disabled beside what the packages do themselves.
        package var services = Services()

        package init() {}

        /// A wireless network that the board joins.
        package struct Wifi: Sendable, Equatable {
            /// The country whose radio rules apply (ISO 3166-1 alpha-2).
            package var country = ""
            /// The network's name: 1 to 32 bytes.
            package var ssid = ""
            /// Required where there is a network; the value here is a placeholder.
            package var passphrase = Passphrase.environment("")

            package init() {}
        }

        /// Where the wifi passphrase comes from. A recipe holds none in plain text.
        package enum Passphrase: Sendable, Equatable {
            /// The first line of a file of the host; not read here.
            case file(HostPath)
            /// A variable of the environment; not read here.
            case environment(String)
            /// The 256-bit key that `wpa_passphrase` makes of it: 64 lower-case hex digits.
            case psk(String)
        }

        /// The SSH server's settings.
        package struct SSH: Sendable, Equatable {
            /// Whether it starts at boot. Without a stock image the recipe must then install openssh-server.
            package var enable = true
            /// Whether sshd asks for passwords. Keys always work.
            package var passwordLogin = false
            /// The TCP port that it listens on, 1 to 65535.
            package var port = 22

            package init() {}
        }

        /// Units that systemd starts at boot, or not. Names have their suffix after loading: `docker.service`.
        package struct Services: Sendable, Equatable {
            /// Units that are started at boot; none of them stands in ``disable``.
            package var enable: [String] = []
            /// Units that are not started at boot: their links in /etc/systemd/system are taken away.
            package var disable: [String] = []

            package init() {}
        }
    }
}

extension Recipe.System {
    /// A label of a host name (RFC 1123, section 2.1).
    private static let label = "[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

    /// The areas of the time zone database (tzdata 2026f, package tzdata of Debian 13).
    private static let areas = [
        "Africa", "America", "Antarctica", "Arctic", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific",
        "Etc",
    ]

    /// Areas and zones of old names: in Debian 13's package tzdata-legacy, in tzdata before. Whether an image has one shows when its
    /// packages are unpacked.
    private static let oldAreas = [
        "Brazil", "Canada", "CET", "Chile", "CST6CDT", "Cuba", "EET", "Egypt", "Eire", "EST", "EST5EDT",
        "GB", "GB-Eire",
        "GMT", "GMT+0", "GMT-0", "GMT0", "Greenwich", "Hongkong", "HST", "Iceland", "Iran", "Israel",
        "Jamaica", "Japan",
        "Kwajalein", "Libya", "MET", "Mexico", "MST", "MST7MDT", "Navajo", "NZ", "NZ-CHAT", "Poland",
        "Portugal", "PRC",
        "PST8PDT", "ROC", "ROK", "Singapore", "Turkey", "UCT", "Universal", "US", "UTC", "W-SU", "WET",
        "Zulu",
    ]

    static let shape = Shape<Recipe.System>.object(
        Self(),
        [
            Key(
                "hostname", \.hostname,
                .text(
                    "a host name", pattern: "\(label)(\\.\(label))*",
                    expected:
                        "a-z, 0-9 and '-' (RFC 1123), not '-' first or last; at most 63 characters between dots, 64 in all",
                    limit: 64
                ).refusing { name in
                    // RFC 6761, section 6.3: the loopback interface's name on every machine.
                    name == "localhost" || name.hasSuffix(".localhost") || name.hasPrefix("localhost.")
                        ? Refusal(
                            "'\(name)' is the name of every machine for itself", expected: "a name of the board's own")
                        : nil
                },
                example: .string("rpi4"), "The system's name."),
            Key(
                "timezone", \.timezone,
                .text(
                    "a time zone", pattern: "[A-Z][A-Za-z0-9+-]+(/[A-Za-z0-9_+-]+){0,2}",
                    expected: "UTC, or Area/City"
                ).refusing {
                    let area = String($0.prefix { $0 != "/" })
                    if $0 == area, areas.contains(area) {
                        return Refusal("'\(area)' is an area, not a time zone", expected: "\(area)/City")
                    }
                    return areas.contains(area) || oldAreas.contains(area)
                        ? nil
                        : Refusal("unknown area '\(area)'\(didYouMean(area, areas))", expected: "UTC, or Area/City")
                }, example: .string("Europe/Berlin"),
                "The time zone, from the time zone database. In Debian 13 old names such as `US/Eastern` need the package tzdata-legacy."
            ),
            Key(
                "locale", \.locale,
                .text(
                    "a locale", pattern: "(C|[a-z]{2,3}_[A-Z]{2})\\.UTF-8(@[a-z]+)?",
                    expected: "C.UTF-8, or one such as de_DE.UTF-8"),
                example: .string("en_GB.UTF-8"),
                "The language and formats of the system. Others than `C.UTF-8` need the package locales-all."),
            Key(optional: "wifi", \.wifi, Wifi.shape, fallback: "none", "A wireless network to join."),
            Key("ssh", \.ssh, SSH.shape, "The SSH server."),
            Key(
                "serial_console", \.serialConsole, .flag,
                "Whether the kernel writes to the serial pins and a login prompt waits there (115,200 baud)."),
            Key("services", \.services, Services.shape, "What systemd starts at boot, beside what the packages bring."),
        ])
}

extension Recipe.System.Wifi {
    static let shape = Shape<Recipe.System.Wifi>.object(
        Self(),
        [
            Key(
                "country", \.country,
                .text("a country", pattern: "[A-Z]{2}", expected: "two capital letters (ISO 3166-1), such as DE"),
                required: true, example: .string("DE"), "The country whose radio rules apply."),
            Key(
                "ssid", \.ssid,
                .text("a network name", pattern: "[^\\x00-\\x1f\\x7f]+").refusing {
                    $0.utf8.count > 32 ? Refusal("'\($0)' is longer than 32 bytes (IEEE 802.11)") : nil
                }, required: true, example: .string("home"), "The network's name."),
            Key(
                "passphrase", \.passphrase, Recipe.System.Passphrase.shape, required: true,
                example: .members(["env": .string("WIFI_PASSPHRASE")]), "Where the passphrase comes from."),
        ])
}

extension Recipe.System.Passphrase {
    static let shape = Shape<Recipe.System.Passphrase>.oneOf(
        "a passphrase",
        [
            .key(
                "file", .existing(.file), "A file whose first line is the passphrase.",
                make: { .file($0) }, part: { if case .file(let path) = $0 { path } else { nil } }),
            .key(
                "env", EnvironmentVariable.shape, "The environment variable that holds the passphrase.",
                make: { .environment($0) }, part: { if case .environment(let name) = $0 { name } else { nil } }),
            .key(
                "psk", keyShape, "The key that `wpa_passphrase SSID` prints: 64 hex digits.",
                make: { .psk($0) }, part: { if case .psk(let key) = $0 { key } else { nil } }),
        ],
        otherwise: Refusal(
            "a passphrase does not stand in a recipe, where everyone who gets the recipe reads it",
            expected: "one of {file: …}, {env: …}, {psk: …}", next: "write passphrase: {env: WIFI_PASSPHRASE}"))

    /// The key itself never reaches a message or a manifest: it is printed as its digest.
    private static let keyShape = Shape<String>(
        summary: "64 hex digits",
        schema: .members(["type": .string("string"), "pattern": .string("^[0-9A-Fa-f]{64}$")]),
        decode: { node, path, decoding in
            if let text = scalarText(node), matches(text, "[0-9A-Fa-f]{64}") { return text.lowercased() }
            decoding.refuse(
                path, at: node.place, "not a wifi key", expected: "64 hex digits",
                next: "make one with: wpa_passphrase SSID")
            return nil
        },
        encode: { .members(["sha256": .string(SHA256Digest.of($0).hex)]) })
}

extension Recipe.System.SSH {
    static let shape = Shape<Recipe.System.SSH>.object(
        Self(),
        [
            Key("enable", \.enable, .flag, "Whether the SSH server starts at boot."),
            Key(
                "password_login", \.passwordLogin, .flag,
                "Whether it accepts passwords. Keys always work."),
            Key("port", \.port, .integer("TCP port", in: 1...65535), "The port it listens on."),
        ])
}

extension Recipe.System.Services {
    private static let unit = Shape<String>.text(
        "a unit", pattern: "[A-Za-z0-9:_.@\\\\-]+", expected: "a unit's name, such as docker or fstrim.timer",
        limit: 255
    ).mapped({ name, _ in suffixes.contains { name.hasSuffix($0) } ? name : name + ".service" }, back: { $0 })

    private static let suffixes = [
        ".service", ".socket", ".timer", ".mount", ".automount", ".path", ".target", ".swap", ".slice",
    ]

    static let shape = Shape<Recipe.System.Services>.object(
        Self(),
        [
            Key(
                "enable", \.enable, .list(of: unit, called: "list of units", identity: { $0 }),
                example: .array([.string("fstrim.timer")]), "Units to start at boot."),
            Key(
                "disable", \.disable, .list(of: unit, called: "list of units", identity: { $0 }),
                example: .array([.string("docker")]), "Units not to start at boot."),
        ])
}
