extension Recipe {
    /// Who may log in.
    package struct Accounts: Sendable, Equatable {
        /// Locked, unless the recipe opens it.
        package var root = Root()
        /// At most 200, no name twice.
        package var users: [User] = []
        /// What becomes of the accounts that a stock image brings.
        package var stock = Stock.locked

        package init() {}

        /// What becomes of the accounts that a stock image brings.
        package enum Stock: String, Sendable, CaseIterable {
            /// No password or key opens them, and cloud-init, which would make them anew, is off.
            case locked
            /// They and cloud-init stay as the image has them.
            case kept
        }

        /// The account of root. As it stands here it is locked: no password and no key opens it.
        package struct Root: Sendable, Equatable {
            /// nil: nobody logs in as root with a password.
            package var password: Password?
            /// Whether the password must be changed at the first login.
            package var expire = true
            /// Public keys that may log in as root over SSH; empty for none.
            package var sshKeys: [AuthorizedKey] = []

            package init() {}

            /// Whether no password opens the account. Keys do even then.
            package var isLocked: Bool { password == nil }
        }

        /// The account of a person.
        package struct User: Sendable, Equatable {
            /// The login name: a-z first, then a-z, 0-9, `_` and `-`, at most 32 characters; no account of Debian's base system.
            package var name = ""
            /// The user ID, and the ID of the group of the same name: 1000 and up. After loading nil only on a stock image, whose
            /// own accounts decide what is free.
            package var uid: UInt32?
            /// Groups beside the user's own. They must exist in the image when the packages are configured.
            package var groups: [String] = []
            /// With ``Sudo/password`` the user has a password: loading refuses a recipe otherwise.
            package var sudo = Sudo.no
            /// The login shell: an absolute path in the image.
            package var shell = "/bin/bash"
            /// The full name.
            package var gecos = ""
            /// Public keys that may log in over SSH. A user whose shell lets people log in has a key, a password, or both.
            package var sshKeys: [AuthorizedKey] = []
            /// nil: no password is accepted; the account is reached with a key.
            package var password: Password?
            /// Whether the password must be changed at the first login. Means nothing without a password.
            package var expire = true

            package init() {}
        }
    }

    /// What a user may do through sudo.
    package enum Sudo: Sendable, Equatable {
        case no
        /// Everything, after giving the password.
        case password
        /// Everything, without being asked.
        case nopasswd
    }

    /// Where a password comes from. A recipe holds none itself.
    package enum Password: Sendable, Equatable {
        /// A yescrypt or SHA-512 hash (crypt(5)).
        case hash(String)
        /// The first line of a file of the host; not read here.
        case file(HostPath)
        /// A variable of the environment; not read here.
        case environment(String)
        /// Made by piforge, printed once and kept in the credentials file.
        case generate
    }
}

extension Recipe.Accounts {
    static let shape = Shape<Recipe.Accounts>.object(
        Self(),
        [
            Key(
                "root", \.root,
                .oneOf(
                    "an account of root",
                    [
                        .word("locked", Root(), "No password works.", is: { $0 == Root() }),
                        .mapping(Root.shape, "A password or keys for root."),
                    ]), fallback: "`locked`",
                example: .members(["password": .string("generate")]), "The account of root."),
            Key(
                "users", \.users, .list(of: User.shape, called: "list of accounts", limit: 200, identity: { $0.name }),
                "The accounts of people."),
            Key(
                "stock", \.stock,
                Shape<String>.word("way", of: Stock.allCases.map(\.rawValue)).mapped(
                    { text, _ in Stock(rawValue: text) ?? .locked }, back: \.rawValue),
                "The accounts that a stock image brings: `locked` lets no password or key of theirs in and turns cloud-init off, which would make them anew; `kept` leaves both as they are. An account that `users` names is the recipe's either way."
            ),
        ])

    static let expireDoc = "Whether the password must be changed at the first login."
}

extension Recipe.Accounts.Root {
    static let shape = Shape<Recipe.Accounts.Root>.object(
        Self(), called: "keys of its own",
        [
            Key(
                optional: "password", \.password, Recipe.Password.shape, fallback: "locked",
                example: .string("generate"),
                "Where the password comes from."),
            Key("expire", \.expire, .flag, Recipe.Accounts.expireDoc),
            Key("ssh_keys", \.sshKeys, AuthorizedKey.listShape, "Public keys that may log in as root over SSH."),
        ])
}

extension Recipe.Accounts.User {
    /// Accounts of Debian's base system (base-passwd, passwd.master).
    private static let systemNames = [
        "root", "daemon", "bin", "sys", "sync", "games", "man", "lp", "mail", "news", "uucp", "proxy", "www-data",
        "backup",
        "list", "irc", "nobody",
    ]

    /// adduser's default rule (adduser.conf(5), NAME_REGEX), at most 32 characters (useradd(8)).
    static let accountName = "[a-z][a-z0-9_-]*"

    static let shape = Shape<Recipe.Accounts.User>.object(
        Self(),
        [
            Key(
                "name", \.name,
                .text("a user name", pattern: accountName, expected: "a-z first, then a-z, 0-9, '_' and '-'", limit: 32)
                    .refusing {
                        systemNames.contains($0)
                            ? Refusal(
                                "'\($0)' is an account of the system",
                                next: $0 == "root" ? "use accounts.root" : "choose another name") : nil
                    }, required: true, example: .string("pi"), "The login name."),
            Key(
                optional: "uid", \.uid,
                Shape<Int>.integer("user ID", in: 1000...59999).mapped(
                    { value, _ in UInt32(value) }, back: { Int($0) }),
                fallback: "the first free one from 1000", example: .integer(1000),
                "The user ID, and the ID of the group of the same name."),
            Key(
                "groups", \.groups,
                .list(
                    of: .text("a group name", pattern: "[a-z_][a-z0-9_-]*", limit: 32), called: "list of groups",
                    identity: { $0 }),
                example: .array([.string("docker"), .string("video")]),
                "Groups beside the user's own; the packages must bring them."),
            Key(
                "sudo", \.sudo, Recipe.Sudo.shape,
                "Whether the user may do everything with sudo: with the password, or without (`nopasswd`)."),
            Key(
                "shell", \.shell,
                .text(
                    "a shell", pattern: "(/[A-Za-z0-9._+-]+)+", expected: "an absolute path such as /bin/bash",
                    limit: 256),
                "The login shell."),
            Key(
                "gecos", \.gecos,
                .text("a full name", pattern: "[^:\\x00-\\x1f\\x7f]*", expected: "text without colons", limit: 256),
                example: .string("Ada Lovelace"), "The full name."),
            Key(
                "ssh_keys", \.sshKeys, AuthorizedKey.listShape,
                example: .array([.members(["file": .string("~/.ssh/id_ed25519.pub")])]),
                "Public keys that may log in over SSH: lines, or files of lines."),
            Key(
                optional: "password", \.password, Recipe.Password.shape, fallback: "none: keys only",
                example: .string("generate"),
                "Where the password comes from. A recipe never holds one in plain text."),
            Key("expire", \.expire, .flag, Recipe.Accounts.expireDoc),
        ])
}

extension Recipe.Sudo {
    static let shape = Shape<Recipe.Sudo>.oneOf(
        "a sudo rule",
        [
            .word("false", .no, "Nothing.", is: { $0 == .no }),
            .word("true", .password, "Everything, with the password.", is: { $0 == .password }),
            .word("nopasswd", .nopasswd, "Everything, without the password.", is: { $0 == .nopasswd }),
        ])
}

extension Recipe.Password {
    static let shape = Shape<Recipe.Password>.oneOf(
        "a password",
        [
            .word("generate", .generate, "Made by piforge.", is: { $0 == .generate }),
            .key(
                "hash", PasswordHash.shape, "A hash of the password, made with `mkpasswd -m yescrypt`.",
                make: { .hash($0) }, part: { if case .hash(let hash) = $0 { hash } else { nil } }),
            .key(
                "file", .existing(.file), "A file whose first line is the password.",
                make: { .file($0) }, part: { if case .file(let path) = $0 { path } else { nil } }),
            .key(
                "env", EnvironmentVariable.shape, "The environment variable that holds the password.",
                make: { .environment($0) }, part: { if case .environment(let name) = $0 { name } else { nil } }),
        ],
        otherwise: Refusal(
            "a password does not stand in a recipe, where everyone who gets the recipe reads it",
            expected: "generate, or one of {hash: …}, {file: …}, {env: …}",
            next: "write password: generate, or make a hash with: mkpasswd -m yescrypt"))
}

enum EnvironmentVariable {
    static let shape = Shape<String>.text(
        "an environment variable", pattern: "[A-Za-z_][A-Za-z0-9_]*", expected: "letters, digits and '_'", limit: 128)
}
