import Diagnostics
import Digests
import Layers
import Recipe

/// Makes the recipe's users, and locks or opens root: `accounts`.
package struct AccountsStep: TreeStep {
    package let name = "accounts"
    private let root: Recipe.Accounts.Root
    private let users: [Recipe.Accounts.User]
    /// What becomes of people's accounts that are in the tree and not the recipe's. Nil: there are none to be, and an account of the
    /// recipe's that is there is a mistake.
    private let stock: Recipe.Accounts.Stock?
    /// By the user's name; nobody who is not in it has a password.
    private let passwords: [String: Password]

    /// A password that opens an account.
    private struct Password {
        /// What is typed; nil where the recipe gives the hash.
        var plain: String?
        /// As `/etc/shadow` holds it, unless the tree's libcrypt does not know it.
        var hash: String
    }

    private let seed: String

    /// - Parameters:
    ///   - stock: what becomes of the accounts that a stock image brings; nil for a system from packages.
    ///   - passwords: those that the recipe does not give as a hash, by the user's name.
    ///   - seed: the image's, for the salts.
    /// - Throws: `Failure` for a password that cannot be hashed, or that is not there.
    package init(
        _ accounts: Recipe.Accounts, stock: Recipe.Accounts.Stock? = nil, passwords: [String: String] = [:],
        seed: String
    ) throws {
        root = accounts.root
        users = accounts.users
        self.stock = stock
        self.seed = seed
        var known: [String: Password] = [:]
        for (user, source) in [("root", accounts.root.password)] + accounts.users.map({ ($0.name, $0.password) }) {
            switch source {
            case nil: continue
            case .hash(let hash): known[user] = Password(plain: nil, hash: hash)
            case .file, .environment, .generate:
                guard let plain = passwords[user] else {
                    throw Failure(at: "accounts: \(user)", "the password was not read")
                }
                known[user] = Password(
                    plain: plain, hash: try PasswordHash.make(password: plain, user: user, seed: seed))
            }
        }
        self.passwords = known
    }

    package var summary: String {
        (users.map(\.name) + ["root \(root.isLocked ? "locked" : "open")"]).joined(separator: ", ")
    }

    /// Passwords and keys are there as a digest for each account, never themselves.
    package var inputs: [StepInput] {
        var inputs = [
            StepInput("accounts.root", digest("root", root.sshKeys)),
            StepInput("accounts.root.expire", String(root.expire)),
            StepInput("accounts.stock", stock?.rawValue ?? "none"),
        ]
        for user in users {
            let facts = [
                user.uid.map(String.init) ?? "next", user.groups.joined(separator: ","), "\(user.sudo)", user.shell,
                user.gecos, String(user.expire),
            ]
            inputs.append(StepInput("accounts.\(user.name)", facts.joined(separator: ":")))
            inputs.append(
                StepInput("accounts.\(user.name) password and keys", digest(user.name, user.sshKeys)))
        }
        return inputs
    }

    /// The files of passwd(5), group(5), shadow(5), gshadow(5), subuid(5) and subgid(5).
    package var completes: [EntryPath] { AccountDatabase.paths }

    /// A path in the home of one of the recipe's users is asked for by that user.
    package func key(of path: EntryPath) -> String {
        let user = users.first { path.isInside(EntryPath("home").appending($0.name)) }
        return user.map { "accounts.\($0.name)" } ?? "accounts"
    }

    /// The account files, whole, and the homes and keys of the recipe's accounts.
    ///
    /// - Throws: `Failure` when the tree lacks passwd, group or shadow, or has no root in shadow; for a user whose name or id is taken,
    ///   or whose shell or groups the tree lacks; for a yescrypt hash that the tree's libcrypt does not know.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        let hashes = try hashes(for: tree)
        var layer = Layer(name: name)
        var database = try AccountDatabase(tree)
        try setRoot(&database, hashes, &layer, tree, epoch: epoch)
        if stock == .locked { try lockOthers(&database, &layer, tree, epoch: epoch) }
        for user in users { try add(user, hashes, &database, &layer, tree, epoch: epoch) }
        let fallback: [EntryPath: UInt16] = ["etc/gshadow": 0o640, "etc/subuid": 0o644, "etc/subgid": 0o644]
        for file in database.files where !file.rows.isEmpty {
            var attributes = file.attributes ?? .root(fallback[file.path] ?? 0o644, epoch: epoch)
            attributes.mtime = Timestamp(seconds: epoch)
            // An overlay's file has the mode of any other: hashes are for root and the group shadow (shadow(5)).
            if fallback[file.path] == 0o640 || file.path == "etc/shadow", attributes.mode & 0o007 != 0 {
                attributes.mode = 0o640
                let row = database.group.index(of: "shadow").map { database.group.rows[$0] } ?? []
                attributes.gid = row.count > 2 ? UInt32(row[2]) ?? 0 : 0
            }
            layer.addFile(file.path, attributes, text: file.text)
        }
        return layer
    }

    /// The passwords as the tree's libcrypt knows them.
    ///
    /// glibc's own (libcrypt-2.27.so), which systems before Debian 11 have, knows no yescrypt: such a password would let nobody in.
    private func hashes(for tree: Tree) throws -> [String: String] {
        let library = tree.resolve("lib/aarch64-linux-gnu/libcrypt.so.1")
        let isOld = library?.name.starts(with: "libcrypt-".utf8) ?? false
        return try Dictionary(
            uniqueKeysWithValues: passwords.map { user, password in
                guard isOld, password.hash.hasPrefix(PasswordHash.Method.yescrypt.rawValue) else {
                    return (user, password.hash)
                }
                guard let plain = password.plain else {
                    throw Failure(
                        .usage, at: "accounts: \(user)", "the image's libcrypt does not know yescrypt hashes",
                        expected: "a SHA-512 hash ($6$…)", next: "make one with: mkpasswd -m sha512crypt")
                }
                return (user, try PasswordHash.make(password: plain, user: user, seed: seed, method: .sha512))
            })
    }

    private func setRoot(
        _ database: inout AccountDatabase, _ hashes: [String: String], _ layer: inout Layer, _ tree: Tree,
        epoch: Int64
    ) throws {
        guard let index = database.shadow.index(of: "root") else {
            throw Failure(at: "accounts.root", "the tree's /etc/shadow has no root")
        }
        database.shadow.rows[index] = Self.shadowRow(
            "root", hashes["root"], hasKeys: !root.sshKeys.isEmpty,
            lastChange: root.expire && !root.isLocked ? 0 : Self.day(epoch),
            like: database.shadow.rows[index])
        if stock == .locked { removeKeys(below: "root", &layer, tree) }
        addKeys(root.sshKeys, home: "root", uid: 0, gid: 0, &layer, epoch: epoch)
    }

    private func add(
        _ user: Recipe.Accounts.User, _ hashes: [String: String], _ database: inout AccountDatabase,
        _ layer: inout Layer, _ tree: Tree, epoch: Int64
    ) throws {
        let place = "accounts.users: \(user.name)"
        let known = database.passwd.index(of: user.name).map { database.passwd.rows[$0] }
        guard known == nil || stock == .locked else {
            throw Failure(
                .usage, at: place, "the image has a user of that name already",
                next: stock == .kept ? "choose another name, or write accounts.stock: locked" : "choose another name")
        }
        guard tree.resolve(try EntryPath(validating: user.shell)) != nil else {
            throw Failure(
                .usage, at: place, "the image has no shell \(user.shell)", next: "add its package to packages.install")
        }
        let (uid, gid, home) = try identity(of: user, known, &database, place)
        database.passwd.put([user.name, "x", String(uid), String(gid), user.gecos, home.description, user.shell])
        let row = [user.name, "", "", "0", "99999", "7", "", "", ""]
        let lastChange = user.expire && user.password != nil ? 0 : Self.day(epoch)
        database.shadow.put(
            Self.shadowRow(
                user.name, hashes[user.name], hasKeys: !user.sshKeys.isEmpty, lastChange: lastChange, like: row))
        // What the image's own account may do is the recipe's to say.
        if known != nil { database.leaveGroups(user.name) }
        for group in user.groups + (user.sudo == .no ? [] : ["sudo"]) {
            try database.add(user: user.name, toGroup: group)
        }
        database.addSubordinateIDs(user.name)
        if user.sudo == .nopasswd {
            layer.addText(
                try EntryPath(validating: "etc/sudoers.d/50-\(user.name)"),
                "\(user.name) ALL=(ALL:ALL) NOPASSWD: ALL\n",
                mode: 0o440, epoch: epoch)
        }
        addHome(user, home, isNew: known == nil, uid: uid, gid: gid, &layer, tree, epoch: epoch)
    }

    /// The ids and the home folder of a user: those that an account of that name has already, else new ones with a group.
    private func identity(
        of user: Recipe.Accounts.User, _ known: [String]?, _ database: inout AccountDatabase, _ place: String
    ) throws -> (uid: UInt32, gid: UInt32, home: EntryPath) {
        if let known {
            guard known.count >= 7, let uid = UInt32(known[2]), let gid = UInt32(known[3]) else {
                throw Failure(at: place, "the image's /etc/passwd has a line for it that is none")
            }
            guard user.uid ?? uid == uid else {
                throw Failure(
                    .usage, at: place, "the image has a user of that name with the id \(uid)",
                    next: "leave uid out, or write uid: \(uid)")
            }
            return (uid, gid, try EntryPath(validating: known[5]))
        }
        // As useradd does: the group would be taken over, with what its members may do.
        if let index = database.group.index(of: user.name) {
            let row = database.group.rows[index]
            throw Failure(
                .usage, at: place, "the image has a group of that name already",
                expected: "a name that no package has for a user or a group",
                found: "group \(user.name), \(row.count > 2 ? row[2] : "without a number")",
                next: "choose another name; to put a user into it, write groups: [\(user.name)]")
        }
        let uid = user.uid ?? UInt32(database.freeID())
        let taken = (database.passwd.rows + database.group.rows).contains { $0.count > 2 && $0[2] == String(uid) }
        guard !taken else { throw Failure(.usage, at: place, "the id \(uid) is taken in the image") }
        database.group.put([user.name, "x", String(uid), ""])
        if !database.gshadow.rows.isEmpty { database.gshadow.put([user.name, "!", "", ""]) }
        return (uid, uid, try EntryPath(validating: "home/\(user.name)"))
    }

    /// Lets no password and no key in for the accounts that a stock image brings, those of people and all others, and takes
    /// what cloud-init would let them do. The keys of the recipe's own accounts go too: theirs come from the recipe.
    private func lockOthers(
        _ database: inout AccountDatabase, _ layer: inout Layer, _ tree: Tree, epoch: Int64
    ) throws {
        let ours = Set(users.map(\.name))
        for (number, row) in database.passwd.rows.enumerated() where row.count >= 7 && row[0] != "root" {
            if let home = try? EntryPath(validating: row[5]) { removeKeys(below: home, &layer, tree) }
            guard !ours.contains(row[0]) else { continue }
            // A hash may stand here too (passwd(5)); `x` says that it stands in shadow.
            if row[1] != "x" { database.passwd.rows[number][1] = "x" }
            guard let index = database.shadow.index(of: row[0]) else { continue }
            let isPerson = Int(row[2]).map { (1000..<60000).contains($0) } ?? false
            let password = database.shadow.rows[index].dropFirst().first ?? ""
            guard isPerson || !(password.hasPrefix("!") || password.hasPrefix("*")) else { continue }
            database.shadow.rows[index] = Self.shadowRow(
                row[0], nil, hasKeys: false, lastChange: Self.day(epoch), like: database.shadow.rows[index])
        }
        let rights: EntryPath = "etc/sudoers.d/90-cloud-init-users"
        if tree[rights] != nil { layer.whiteouts.append(rights) }
    }

    /// Takes the files away from which sshd reads keys unless it is told otherwise (sshd_config(5), AuthorizedKeysFile).
    private func removeKeys(below home: EntryPath, _ layer: inout Layer, _ tree: Tree) {
        for name in ["authorized_keys", "authorized_keys2"] {
            guard let folder = tree.resolve(home.appending(".ssh")) else { continue }
            let keys = folder.appending(name)
            if tree[keys] != nil, !layer.whiteouts.contains(keys) { layer.whiteouts.append(keys) }
        }
    }

    /// The home folder: /etc/skel's files, owned by the user, and the keys.
    ///
    /// - Parameter isNew: whether the account is made here. Then a folder that is there is what an overlay passes through, and what it has
    ///   in it stays.
    private func addHome(
        _ user: Recipe.Accounts.User, _ home: EntryPath, isNew: Bool, uid: UInt32, gid: UInt32, _ layer: inout Layer,
        _ tree: Tree, epoch: Int64
    ) {
        func owned(_ mode: UInt16) -> Attributes {
            Attributes(mode: mode, uid: uid, gid: gid, mtime: Timestamp(seconds: epoch))
        }
        let skeleton: EntryPath = "etc/skel"
        guard isNew || tree[home]?.kind != .directory else {
            return addKeys(user.sshKeys, home: home, uid: uid, gid: gid, &layer, epoch: epoch)
        }
        layer.addDirectory(home, owned(0o700))
        for path in tree.paths where path != skeleton {
            guard let below = path.relative(to: skeleton), let node = tree[path] else { continue }
            let target = below.components.reduce(home) { $0.appending($1) }
            guard tree[target] == nil || node.kind == .directory else { continue }
            layer.entries.append(Entry(target, owned(node.attributes.mode), node.kind))
        }
        addKeys(user.sshKeys, home: home, uid: uid, gid: gid, &layer, epoch: epoch)
    }

    private func addKeys(
        _ keys: [AuthorizedKey], home: EntryPath, uid: UInt32, gid: UInt32, _ layer: inout Layer, epoch: Int64
    ) {
        guard !keys.isEmpty else { return }
        let time = Timestamp(seconds: epoch)
        layer.addDirectory(home.appending(".ssh"), Attributes(mode: 0o700, uid: uid, gid: gid, mtime: time))
        layer.addFile(
            home.appending(".ssh").appending("authorized_keys"),
            Attributes(mode: 0o600, uid: uid, gid: gid, mtime: time), text: keys.map { $0.line + "\n" }.joined())
    }

    /// A shadow(5) row with another password and day of its last change; the rest stays.
    private static func shadowRow(
        _ name: String, _ hash: String?, hasKeys: Bool, lastChange: Int64, like row: [String]
    ) -> [String] {
        var row = row
        while row.count < 9 { row.append("") }
        // A "!" locks the account for keys too, where sshd does not use PAM (sshd_config(5), UsePAM).
        row[1] = hash ?? (hasKeys ? "*" : "!*")
        row[2] = String(lastChange)
        return row
    }

    /// Days since 1970, as shadow(5) counts.
    private static func day(_ epoch: Int64) -> Int64 { max(1, epoch / 86_400) }

    private func digest(_ user: String, _ keys: [AuthorizedKey]) -> String {
        let hasher = KeyHasher(purpose: "account secrets")
        if let hash = passwords[user]?.hash { hasher.add(hash) }
        for key in keys { hasher.add(key.line) }
        return hasher.finalize().hex
    }
}
