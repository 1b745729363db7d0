import Layers
import Recipe
import Steps

let epoch: Int64 = 1_700_000_000

/// A plain file of root.
func file(_ path: EntryPath, _ text: String, mode: UInt16 = 0o644, gid: UInt32 = 0) -> Entry {
    Entry(path, Attributes(mode: mode, gid: gid, mtime: Timestamp(seconds: 1)), .regular(Content(text)))
}

/// A folder of root, or of another.
func folder(_ path: EntryPath, uid: UInt32 = 0) -> Entry {
    Entry(path, Attributes(mode: 0o755, uid: uid, gid: uid, mtime: Timestamp(seconds: 1)), .directory)
}

/// The few files of a Debian system that the steps look at.
func sampleTree(_ more: [Entry] = []) throws -> Tree {
    return try Tree([
        Layer(
            name: "sample",
            entries: [
                file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\n"),
                file("etc/group", "root:x:0:\nsudo:x:27:\ndocker:x:998:\n"),
                file("etc/shadow", "root:*:19000:0:99999:7:::\n", mode: 0o640, gid: 42),
                file("etc/gshadow", "root:*::\nsudo:*::\n", mode: 0o640, gid: 42),
                file("etc/skel/.bashrc", "# rc\n"), file("bin/bash", "elf", mode: 0o755),
                file("usr/sbin/sshd", "elf", mode: 0o755), file("usr/share/zoneinfo/Europe/Berlin", "TZif"),
                file(
                    "usr/lib/systemd/system/ssh.service",
                    "[Unit]\nDescription=x\n[Install]\nWantedBy=multi-user.target\nAlias=sshd.service\n"),
                file("usr/lib/systemd/system/wpa_supplicant@.service", "[Install]\nWantedBy=multi-user.target\n"),
                file("etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\n"),
                file("usr/lib/systemd/system/systemd-networkd.service", "[Install]\nWantedBy=multi-user.target\n"),
                file("usr/lib/systemd/system/quiet.service", "[Service]\nExecStart=/bin/true\n"),
                file("usr/lib/firmware/regulatory.db", "rules"),
                file("usr/lib/firmware/brcm/brcmfmac43455-sdio.bin.xz", "radio"),
                file("usr/lib/firmware/brcm/brcmfmac43455-sdio.raspberrypi,4-model-b.txt", "radio"),
                file("usr/lib/raspi-firmware/start4.elf", "firmware"),
                file("usr/lib/raspi-firmware/fixup4.dat", "fixup"),
                file("usr/lib/raspi-firmware/overlays/a.dtbo", "overlay"),
                file("usr/lib/linux-image-6.12.1-arm64/broadcom/bcm2711-rpi-4-b.dtb", "dtb"),
                file("boot/vmlinuz-6.12.1-arm64", "kernel"), file("boot/initrd.img-6.12.1-arm64", "initramfs"),
                file("boot/firmware/left-by-the-package", "x"),
            ] + more)
    ])
}

extension Tree {
    /// The text of a file, for expectations.
    func text(_ path: EntryPath) throws -> String? {
        try content(path).map { try ContentReader().text(of: $0) }
    }

    /// What a layer does to this tree.
    func with(_ layer: Layer) throws -> Tree {
        var tree = self
        try tree.apply(layer)
        return tree
    }
}

/// The key of somebody, whose private half nobody has.
func sshKey(_ comment: String = "me") throws -> AuthorizedKey {
    try AuthorizedKey(parsing: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI\(String(repeating: "A", count: 43)) \(comment)")
}

/// A user as a recipe has it.
///
/// - Parameter hash: of the password.
func recipeUser(
    _ name: String, uid: UInt32? = nil, groups: [String] = [], sudo: Recipe.Sudo = .no, shell: String = "/bin/bash",
    keys: [AuthorizedKey] = [], hash: String? = nil, expire: Bool = true
) -> Recipe.Accounts.User {
    var user = Recipe.Accounts.User()
    user.name = name
    user.uid = uid
    user.groups = groups
    user.sudo = sudo
    user.shell = shell
    user.sshKeys = keys
    user.password = hash.map { .hash($0) }
    user.expire = expire
    return user
}

/// A step that makes users, with root's password as a hash that does not expire.
func accountsStep(
    _ users: [Recipe.Accounts.User], root: String? = nil, stock: Recipe.Accounts.Stock? = nil,
    passwords: [String: String] = [:]
) throws -> AccountsStep {
    var accounts = Recipe.Accounts()
    accounts.root.password = root.map { .hash($0) }
    accounts.root.expire = false
    accounts.users = users
    return try AccountsStep(accounts, stock: stock, passwords: passwords, seed: "seed")
}

/// What the steps below found out, for a kernel that is in the sample tree.
func facts(
    hasInitramfs: Bool = true, stockBoot: StockBoot? = nil, stockPackages: Set<String> = []
) -> SystemFacts {
    SystemFacts(
        release: "6.12.1-arm64", hasInitramfs: hasInitramfs, stockBoot: stockBoot, stockPackages: stockPackages)
}
