import Diagnostics
import Digests
import Layers

/// A person's account in the image.
public struct UserAccount: Sendable, Equatable {
    /// How a password stands in the image.
    public enum Password: Sendable, Equatable {
        /// No password opens the account.
        case locked
        /// The hash as `/etc/shadow` holds it.
        case hash(String)
    }

    /// What sudo asks of the user.
    public enum Sudo: String, Sendable { case none, password, nopasswd }

    public var name: String
    /// Nil takes the next free one from 1000 on.
    public var uid: Int?
    public var groups: [String]
    public var sudo: Sudo
    public var shell: String
    public var gecos: String
    /// Lines of authorized_keys.
    public var sshKeys: [String]
    public var password: Password
    /// Whether the first login must change the password.
    public var expires: Bool

    public init(
        name: String, uid: Int? = nil, groups: [String] = [], sudo: Sudo = .none, shell: String = "/bin/bash",
        gecos: String = "", sshKeys: [String] = [], password: Password = .locked, expires: Bool = true
    ) {
        self.name = name
        self.uid = uid
        self.groups = groups
        self.sudo = sudo
        self.shell = shell
        self.gecos = gecos
        self.sshKeys = sshKeys
        self.password = password
        self.expires = expires
    }
}

/// Makes the recipe's users, and locks or opens root.
public struct AccountsStep: Step {
    public let name = "accounts"
    public var root: UserAccount.Password
    /// Whether root's first login must change the password.
    public var rootExpires: Bool
    public var rootKeys: [String]
    public var users: [UserAccount]

    public init(root: UserAccount.Password, rootExpires: Bool, rootKeys: [String], users: [UserAccount]) {
        self.root = root
        self.rootExpires = rootExpires
        self.rootKeys = rootKeys
        self.users = users
    }

    public var summary: String {
        (users.map(\.name) + ["root \(root == .locked ? "locked" : "open")"]).joined(separator: ", ")
    }

    public var inputs: [StepInput] {
        var inputs = [
            StepInput("accounts.root", Self.digest(root, rootKeys)),
            StepInput("accounts.root.expire", String(rootExpires)),
        ]
        for user in users {
            let facts = [
                user.uid.map(String.init) ?? "next", user.groups.joined(separator: ","), user.sudo.rawValue, user.shell,
                user.gecos, String(user.expires),
            ]
            inputs.append(StepInput("accounts.\(user.name)", facts.joined(separator: ":")))
            inputs.append(
                StepInput("accounts.\(user.name) password and keys", Self.digest(user.password, user.sshKeys)))
        }
        return inputs
    }

    public func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        var database = try AccountDatabase(tree)
        try setRoot(&database, &layer, tree, epoch: epoch)
        for user in users { try add(user, &database, &layer, tree, epoch: epoch) }
        let fallback: [EntryPath: UInt16] = ["etc/gshadow": 0o640, "etc/subuid": 0o644, "etc/subgid": 0o644]
        for file in database.files where !file.rows.isEmpty {
            var attributes = file.attributes ?? .root(fallback[file.path] ?? 0o644, epoch: epoch)
            attributes.mtime = Timestamp(seconds: epoch)
            layer.addFile(file.path, attributes, text: file.text)
        }
        return layer
    }

    private func setRoot(
        _ database: inout AccountDatabase, _ layer: inout Layer, _ tree: Tree, epoch: Int64
    ) throws {
        guard let index = database.shadow.index(of: "root") else {
            throw Failure(at: "accounts.root", "the tree's /etc/shadow has no root")
        }
        database.shadow.rows[index] = Self.shadowRow(
            "root", root, hasKeys: !rootKeys.isEmpty, lastChange: rootExpires && root != .locked ? 0 : Self.day(epoch),
            like: database.shadow.rows[index])
        addKeys(rootKeys, home: "root", uid: 0, gid: 0, &layer, epoch: epoch)
    }

    private func add(
        _ user: UserAccount, _ database: inout AccountDatabase, _ layer: inout Layer, _ tree: Tree, epoch: Int64
    ) throws {
        let place = "accounts.users: \(user.name)"
        guard database.passwd.index(of: user.name) == nil else {
            throw Failure(.usage, at: place, "the image has a user of that name already")
        }
        guard tree.resolve(try EntryPath(validating: user.shell)) != nil else {
            throw Failure(
                .usage, at: place, "the image has no shell \(user.shell)", next: "add its package to packages.install")
        }
        let uid = user.uid ?? database.freeID()
        let taken = (database.passwd.rows + database.group.rows).contains { $0.count > 2 && $0[2] == String(uid) }
        guard !taken else { throw Failure(.usage, at: place, "the id \(uid) is taken in the image") }
        database.passwd.put([user.name, "x", String(uid), String(uid), user.gecos, "/home/\(user.name)", user.shell])
        database.group.put([user.name, "x", String(uid), ""])
        if !database.gshadow.rows.isEmpty { database.gshadow.put([user.name, "!", "", ""]) }
        let row = [user.name, "", "", "0", "99999", "7", "", "", ""]
        let lastChange = user.expires && user.password != .locked ? 0 : Self.day(epoch)
        database.shadow.put(
            Self.shadowRow(user.name, user.password, hasKeys: !user.sshKeys.isEmpty, lastChange: lastChange, like: row))
        for group in user.groups + (user.sudo == .none ? [] : ["sudo"]) {
            try database.add(user: user.name, toGroup: group)
        }
        database.addSubordinateIDs(user.name)
        if user.sudo == .nopasswd {
            layer.addText(
                try EntryPath(validating: "etc/sudoers.d/50-\(user.name)"),
                "\(user.name) ALL=(ALL:ALL) NOPASSWD: ALL\n",
                mode: 0o440, epoch: epoch)
        }
        addHome(user, id: UInt32(uid), &layer, tree, epoch: epoch)
    }

    /// The home folder: /etc/skel's files, owned by the user, and the keys.
    private func addHome(_ user: UserAccount, id: UInt32, _ layer: inout Layer, _ tree: Tree, epoch: Int64) {
        func owned(_ mode: UInt16) -> Attributes {
            Attributes(mode: mode, uid: id, gid: id, mtime: Timestamp(seconds: epoch))
        }
        let home = EntryPath(stringLiteral: "home/\(user.name)")
        let skeleton: EntryPath = "etc/skel"
        layer.addDirectory(home, owned(0o700))
        for path in tree.paths where path != skeleton {
            guard let below = path.relative(to: skeleton), let node = tree[path] else { continue }
            let target = below.components.reduce(home) { $0.appending($1) }
            layer.entries.append(Entry(target, owned(node.attributes.mode), node.kind))
        }
        addKeys(user.sshKeys, home: home, uid: id, gid: id, &layer, epoch: epoch)
    }

    private func addKeys(
        _ keys: [String], home: EntryPath, uid: UInt32, gid: UInt32, _ layer: inout Layer, epoch: Int64
    ) {
        guard !keys.isEmpty else { return }
        let time = Timestamp(seconds: epoch)
        layer.addDirectory(home.appending(".ssh"), Attributes(mode: 0o700, uid: uid, gid: gid, mtime: time))
        layer.addFile(
            home.appending(".ssh").appending("authorized_keys"),
            Attributes(mode: 0o600, uid: uid, gid: gid, mtime: time), text: keys.map { $0 + "\n" }.joined())
    }

    /// A shadow(5) row with another password and day of its last change; the rest stays.
    private static func shadowRow(
        _ name: String, _ password: UserAccount.Password, hasKeys: Bool, lastChange: Int64, like row: [String]
    ) -> [String] {
        var row = row
        while row.count < 9 { row.append("") }
        switch password {
        // A "!" locks the account for keys too, where sshd does not use PAM (sshd_config(5), UsePAM).
        case .locked: row[1] = hasKeys ? "*" : "!*"
        case .hash(let hash): row[1] = hash
        }
        row[2] = String(lastChange)
        return row
    }

    /// Days since 1970, as shadow(5) counts.
    private static func day(_ epoch: Int64) -> Int64 { max(1, epoch / 86_400) }

    private static func digest(_ password: UserAccount.Password, _ keys: [String]) -> String {
        let hasher = KeyHasher(purpose: "account secrets")
        if case .hash(let hash) = password { hasher.add(hash) }
        for key in keys { hasher.add(key) }
        return hasher.finalize().hex
    }
}
