import Layers

/// One thing that maintainer scripts leave behind and that no image may hold, or that differs from run to run.
package struct NormalisationRule: Sendable {
    enum Action: Sendable {
        /// The change is forgotten: the tree stays as it was.
        case leaveOut
        /// The file stays, without content.
        case empty
    }

    /// Short and stable: it is part of the layer's key.
    package let name: String
    /// Why no image may hold it. It is part of no key.
    package let reason: String
    let action: Action
    let matches: @Sendable (EntryPath, EntryKind) -> Bool

    private init(
        _ name: String, _ reason: String, _ action: Action,
        matches: @escaping @Sendable (EntryPath, EntryKind) -> Bool
    ) {
        self.name = name
        self.reason = reason
        self.action = action
        self.matches = matches
    }

    /// In order; the first that matches decides.
    package static let all: [NormalisationRule] = [
        machineIdentifier, dbusIdentifier, hostKeys, randomSeed, logs, caches, loaderCache, backups, byteCode, stamps,
        buildLogs,
    ]

    /// Empties `/etc/machine-id`.
    package static let machineIdentifier = NormalisationRule(
        "machine-id", "each board makes its own at its first boot, which an empty file asks for (machine-id(5))", .empty
    ) { path, kind in path == "etc/machine-id" && kind.isRegular }

    /// Leaves `/var/lib/dbus/machine-id` out, where it is a file.
    package static let dbusIdentifier = NormalisationRule(
        "dbus-machine-id", "a copy of the machine-id; a link to it may stay", .leaveOut
    ) { path, kind in path == "var/lib/dbus/machine-id" && kind.isRegular }

    /// Leaves `/etc/ssh/ssh_host_*` out.
    package static let hostKeys = NormalisationRule(
        "ssh-host-keys", "each board makes its own at its first boot", .leaveOut
    ) { path, _ in
        path.parent == "etc/ssh" && path.name.starts(with: "ssh_host_".utf8)
    }

    /// Leaves `random-seed` and `credential.secret` in `/var/lib/systemd` out.
    package static let randomSeed = NormalisationRule(
        "random-seed", "a seed that two boards share is none", .leaveOut
    ) { path, _ in path == "var/lib/systemd/random-seed" || path == "var/lib/systemd/credential.secret" }

    /// Empties the files below `/var/log`.
    package static let logs = NormalisationRule(
        "logs", "they tell of this run; the files stay, since daemons count on their owners and modes", .empty
    ) { path, kind in path.isInside("var/log") && kind.isRegular }

    /// Leaves all but folders below `/var/cache/apt`, `/var/cache/man` and `/var/cache/fontconfig` out.
    package static let caches = NormalisationRule(
        "caches", "they are made again when they are missing", .leaveOut
    ) { path, kind in
        (path.isInside("var/cache/apt") || path.isInside("var/cache/man") || path.isInside("var/cache/fontconfig"))
            && kind != .directory
    }

    /// Leaves `/var/cache/ldconfig/aux-cache` out.
    package static let loaderCache = NormalisationRule(
        "ldconfig-aux-cache", "it holds the inode numbers and times of this run's disk", .leaveOut
    ) { path, _ in path == "var/cache/ldconfig/aux-cache" }

    /// Leaves files out: those below `/var/backups`; `*-old` and ucf's numbered copies in the folders of dpkg, debconf and
    /// ucf; `/etc/passwd-` and its like.
    package static let backups = NormalisationRule(
        "backups", "what a database was before its last change is of no use to a new system", .leaveOut
    ) { path, kind in
        guard kind.isRegular else { return false }
        if path.isInside("var/backups") { return true }
        let folders: [EntryPath] = ["var/lib/dpkg", "var/cache/debconf", "var/lib/ucf"]
        if let folder = path.parent, folders.contains(folder) {
            let name = String(decoding: path.name, as: UTF8.self)
            return name.hasSuffix("-old") || name.range(of: "hashfile.") != nil || name.range(of: "registry.") != nil
        }
        return path.parent == "etc"
            && ["passwd-", "group-", "shadow-", "gshadow-", "subuid-", "subgid-"]
                .contains(String(decoding: path.name, as: UTF8.self))
    }

    /// Leaves files `*.pyc` out, wherever they lie.
    package static let byteCode = NormalisationRule(
        "python-byte-code", "it holds its source's time, which the layer sets anew", .leaveOut
    ) { path, kind in kind.isRegular && path.name.suffix(4).elementsEqual(".pyc".utf8) }

    /// Leaves the stamps of systemd's timers and clock, `/etc/.updated`, `/var/.updated` and `/etc/.pwd.lock` out.
    package static let stamps = NormalisationRule(
        "time-stamps", "they tell when the micro-VM ran", .leaveOut
    ) { path, _ in
        ["var/lib/systemd/timers", "var/lib/systemd/timesync"].contains { (folder: EntryPath) in
            path.isInside(folder) && path != folder
        } || path == "etc/.updated" || path == "var/.updated" || path == "etc/.pwd.lock"
    }

    /// Leaves files `make.log` below `/var/lib/dkms` out.
    package static let buildLogs = NormalisationRule(
        "dkms-logs", "they tell of this run, with its times", .leaveOut
    ) { path, kind in
        kind.isRegular && path.isInside("var/lib/dkms") && path.name.elementsEqual("make.log".utf8)
    }

    /// What is looked at no more than a mount point: the guest's kernel has its own file systems there, and what lies in
    /// temporary folders is nobody's.
    static func isVolatile(_ path: EntryPath) -> Bool {
        let folders: [EntryPath] = ["dev", "proc", "run", "sys", "tmp", "var/tmp"]
        return folders.contains { path != $0 && path.isInside($0) }
    }
}

extension EntryKind {
    var isRegular: Bool {
        if case .regular = self { return true }
        return false
    }
}
