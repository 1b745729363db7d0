import Diagnostics
import Layers

/// The four account files of a tree (passwd(5), group(5), shadow(5), gshadow(5)) and subuid(5), subgid(5), as lines of
/// colon-separated fields. Lines that are not touched stay as they are.
struct AccountDatabase {
    var passwd: AccountFile
    var group: AccountFile
    var shadow: AccountFile
    var gshadow: AccountFile
    var subuid: AccountFile
    var subgid: AccountFile

    /// Where they are.
    static let paths: [EntryPath] = [
        "etc/passwd", "etc/group", "etc/shadow", "etc/gshadow", "etc/subuid", "etc/subgid",
    ]

    /// Reads the files of a tree.
    ///
    /// - Throws: `Failure` when passwd, group or shadow is missing.
    init(_ tree: Tree) throws {
        let reader = ContentReader()
        func read(_ path: EntryPath, required: Bool) throws -> AccountFile {
            guard let content = tree.content(path) else {
                guard !required else {
                    throw Failure(
                        at: "accounts", "the tree has no \(path)",
                        next: "add base-passwd and passwd to packages.install")
                }
                return AccountFile(path: path, attributes: nil, rows: [])
            }
            let text = try reader.text(of: content, limit: 4 << 20)
            return AccountFile(
                path: path, attributes: tree.lookup(path)?.attributes,
                rows: text.splitLines().map {
                    $0.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
                })
        }
        passwd = try read("etc/passwd", required: true)
        group = try read("etc/group", required: true)
        shadow = try read("etc/shadow", required: true)
        gshadow = try read("etc/gshadow", required: false)
        subuid = try read("etc/subuid", required: false)
        subgid = try read("etc/subgid", required: false)
    }

    /// All files, in the order they are written.
    var files: [AccountFile] { [passwd, group, shadow, gshadow, subuid, subgid] }

    /// The lowest id of 1000 to 59999 (Debian Policy 9.2.2, dynamically allocated user accounts) that neither file has.
    func freeID() -> Int {
        let taken = Set((passwd.rows + group.rows).compactMap { $0.count > 2 ? Int($0[2]) : nil })
        return (1000..<60000).first { !taken.contains($0) } ?? 59999
    }

    /// Adds a user to a group that exists.
    ///
    /// - Throws: `Failure` naming both, with the nearest group.
    mutating func add(user: String, toGroup name: String) throws {
        guard let index = group.index(of: name) else {
            let near = nearestName(to: name, in: group.rows.compactMap(\.first)).map { ". Did you mean '\($0)'?" } ?? ""
            throw Failure(
                .usage, at: "accounts: \(user)", "the image has no group '\(name)'\(near)",
                next: "install the package that makes the group, or take it out of the user's groups")
        }
        group.addMember(user, at: index, field: 3)
        if let shadowIndex = gshadow.index(of: name) { gshadow.addMember(user, at: shadowIndex, field: 3) }
    }

    /// Takes a user out of every group that lists it, as member or administrator.
    mutating func leaveGroups(_ user: String) {
        for index in group.rows.indices { group.removeMember(user, at: index, field: 3) }
        for index in gshadow.rows.indices {
            for field in [2, 3] { gshadow.removeMember(user, at: index, field: field) }
        }
    }

    /// A range of 65,536 subordinate ids that no other user has, as useradd(8) gives.
    mutating func addSubordinateIDs(_ user: String) {
        for keyPath in [\AccountDatabase.subuid, \AccountDatabase.subgid] {
            guard self[keyPath: keyPath].index(of: user) == nil else { continue }
            let ends = self[keyPath: keyPath].rows.compactMap { row -> Int? in
                guard row.count == 3, let start = Int(row[1]), let count = Int(row[2]) else { return nil }
                return start + count
            }
            self[keyPath: keyPath].rows.append([user, String(max(100_000, ends.max() ?? 0)), "65536"])
        }
    }
}

/// One account file as rows of fields.
struct AccountFile {
    let path: EntryPath
    /// As the tree has them; nil when the tree lacks the file.
    let attributes: Attributes?
    var rows: [[String]]

    func index(of name: String) -> Int? { rows.firstIndex { $0.first == name } }

    /// Adds a name to a comma-separated field, once.
    mutating func addMember(_ user: String, at index: Int, field: Int) {
        while rows[index].count <= field { rows[index].append("") }
        var members = rows[index][field].split(separator: ",").map(String.init)
        if !members.contains(user) { members.append(user) }
        rows[index][field] = members.joined(separator: ",")
    }

    /// Takes a name out of a comma-separated field.
    mutating func removeMember(_ user: String, at index: Int, field: Int) {
        guard rows[index].count > field else { return }
        let members = rows[index][field].split(separator: ",")
        guard members.contains(Substring(user)) else { return }
        rows[index][field] = members.filter { $0 != user }.joined(separator: ",")
    }

    /// Puts a row in place of the one of the same name, or at the end.
    mutating func put(_ row: [String]) {
        if let index = index(of: row[0]) { rows[index] = row } else { rows.append(row) }
    }

    var text: String { rows.map { $0.joined(separator: ":") + "\n" }.joined() }
}
