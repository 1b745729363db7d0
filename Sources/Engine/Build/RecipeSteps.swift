import Layers
import Recipe
import Steps

extension Recipe {
    /// What piforge itself needs in the image besides what the recipe names: an init, the tools of the first boot, the
    /// initramfs's userland, the kernel and the firmware.
    var ownPackages: [String] {
        let first = disk.grow ? ["fdisk"] : []
        // A stock image has its init, its logins and its network.
        if stock != nil {
            return first + ["busybox-static", "e2fsprogs", "dosfstools", firmware.package] + kernelPackages
        }
        var names =
            first + [
                "systemd-sysv", "udev", "dbus", "kmod", "passwd", "login", "netbase", "busybox-static", "e2fsprogs",
                "dosfstools", firmware.package,
            ]
        // Before Debian 12 it is a part of the package systemd.
        if base != .debian(suite: "bullseye") { names.append("systemd-resolved") }
        return names + kernelPackages
    }

    /// The kernel's package in the archive; none where the kernel is compiled.
    private var kernelPackages: [String] { kernel.source == nil ? [kernel.package] : [] }

    /// The steps between the packages' own configuration and the boot files, in the order of their layers: what changes
    /// least comes first, so that an edit moves few blocks of the disk.
    ///
    /// - Throws: `Failure` for a secret that is missing.
    func systemSteps(secrets: inout Secrets) throws -> [any Step] {
        [
            FirstBootStep(
                grows: disk.grow, makesHostKeys: stock != nil || packages.installNames.contains("openssh-server")),
            FileSystemTableStep(keepsTable: stock != nil),
            SystemStep(hostname: system.hostname, timezone: system.timezone, locale: system.locale),
            NetworkStep(wireless: try secrets.wireless()),
            SSHStep(
                isEnabled: system.ssh.enable, passwordLogin: system.ssh.passwordLogin, port: system.ssh.port),
            ServicesStep(enable: system.services.enable, disable: system.services.disable),
            NetworkWaitStep(),
            try accountsStep(secrets: &secrets),
        ]
    }

    /// The boot files of a kernel.
    ///
    /// - Parameters:
    ///   - release: as `uname -r` prints it.
    ///   - partition: the root's, as `root=` names it without an initramfs.
    ///   - stock: what a stock image has on its boot partition.
    func bootStep(release: String, hasInitramfs: Bool, partition: String, stock: StockBoot?) -> BootStep {
        BootStep(
            release: release, hasInitramfs: hasInitramfs, partition: partition,
            memoryLimit: memory.limit.map { Int($0.bytes >> 20) }, serialConsole: system.serialConsole,
            extraConfig: firmware.config, extraCommandLine: firmware.cmdline + runtimeCommandLine,
            stock: stock)
    }

    /// The recipe's overlays, which have the last word.
    ///
    /// - Throws: `Failure` for one that cannot be read.
    func overlaySteps() throws -> [OverlayStep] {
        try overlays.enumerated().map { index, overlay in
            var modes: [EntryPath: UInt16] = [:]
            for mode in overlay.modes { modes[try EntryPath(validating: mode.path)] = mode.mode }
            return try OverlayStep(
                number: index + 1, folder: overlay.folder.path, target: EntryPath(validating: overlay.to),
                uid: overlay.owner.uid, gid: overlay.owner.gid, modes: modes,
                replaced: try overlay.replaced.map { try EntryPath(validating: $0) })
        }
    }

    private func accountsStep(secrets: inout Secrets) throws -> AccountsStep {
        var users: [UserAccount] = []
        for user in accounts.users {
            let sudo: UserAccount.Sudo
            switch user.sudo {
            case .no: sudo = .none
            case .password: sudo = .password
            case .nopasswd: sudo = .nopasswd
            }
            users.append(
                UserAccount(
                    name: user.name, uid: user.uid.map(Int.init), groups: user.groups, sudo: sudo, shell: user.shell,
                    gecos: user.gecos, sshKeys: user.sshKeys.map(\.line),
                    password: try secrets.password(user.password, of: user.name), expires: user.expire))
        }
        return AccountsStep(
            root: try secrets.password(accounts.root.password, of: "root"), rootExpires: accounts.root.expire,
            rootKeys: accounts.root.sshKeys.map(\.line), users: users,
            others: stock == nil ? .refused : accounts.stock == .kept ? .kept : .locked)
    }
}
