import Diagnostics
import Layers
import Recipe
import Steps
import TestSupport
import Testing

/// What a layer makes of a tree, path by path: `+` made, `-` gone, `~` changed.
func difference(_ before: Tree, _ after: Tree) -> [String] {
    Set(before.paths).union(after.paths).sorted().compactMap { path in
        switch (before[path], after[path]) {
        case (nil, _?): "+ \(path)"
        case (_?, nil): "- \(path)"
        case (let old?, let new?): old.kind == new.kind && old.attributes == new.attributes ? nil : "~ \(path)"
        default: nil
        }
    }
}

@Suite struct StockStepTests {
    private static let status = """
        Package: flash-kernel
        Status: install ok installed
        Version: 3.98
        Description: writes boot files
         Status: install ok installed

        Package: linux-raspi2
        Status: deinstall ok config-files
        Version: 4.15

        Package: linux-raspi2-tools
        Status: install ok installed
        Version: 4.15

        Package: linux-image-raspi2
        Status: install ok installed
        Version: 4.15

        """

    @Test func hooksGoAndPackagesAreHeldAndNothingElseChanges() throws {
        let tree = try sampleTree([
            file("etc/kernel/postinst.d/zz-flash-kernel", "x"), file("etc/kernel/postinst.d/initramfs-tools", "x"),
            file("etc/kernel/postrm.d/zz-flash-kernel", "x"), file("etc/initramfs/post-update.d/flash-kernel", "x"),
            file("var/lib/systemd/random-seed", "seed"), file("var/lib/urandom/random-seed", "seed"),
            file("var/lib/dpkg/status", Self.status),
        ])
        let result = try tree.with(StockStep().apply(to: tree, epoch: epoch))
        #expect(
            difference(tree, result) == [
                "- /etc/initramfs/post-update.d/flash-kernel", "- /etc/kernel/postinst.d/zz-flash-kernel",
                "- /etc/kernel/postrm.d/zz-flash-kernel", "~ /var/lib/dpkg/status", "- /var/lib/systemd/random-seed",
                "- /var/lib/urandom/random-seed",
            ])
        let lines = try result.text("var/lib/dpkg/status")?.split(separator: "\n", omittingEmptySubsequences: false)
        let old = Self.status.split(separator: "\n", omittingEmptySubsequences: false)
        let changed = zip(old, lines ?? []).enumerated().filter { $0.element.0 != $0.element.1 }
        #expect(lines?.count == old.count)
        #expect(changed.map(\.offset) == [1, 15])
        #expect(changed.allSatisfy { $0.element.1 == "Status: hold ok installed" })
    }

    @Test func aTreeWithoutAnyOfItStaysAsItIs() throws {
        let tree = try sampleTree([file("var/lib/dpkg/status", "Package: x\nStatus: install ok installed\n")])
        #expect(difference(tree, try tree.with(StockStep().apply(to: tree, epoch: epoch))).isEmpty)
        #expect(try StockStep().apply(to: Tree(), epoch: epoch).entries.isEmpty)
    }
}

@Suite struct StockAccountsTests {
    private func tree() throws -> Tree {
        try sampleTree([
            file(
                "etc/passwd",
                "root:x:0:0:root:/root:/bin/bash\nsync:x:4:65534::/bin:/bin/sync\nold:$6$hash:500:500::/srv/old:/bin/bash\n"
                    + "ubuntu:x:1001:1002:Ubuntu:/home/ubuntu:/bin/bash\nada:x:1000:1000::/home/ada:/bin/bash\n"),
            file(
                "etc/group", "root:x:0:\nsudo:x:27:ubuntu,ada\ndocker:x:998:\nadm:x:4:syslog,ubuntu\nubuntu:x:1002:\n"),
            file("etc/gshadow", "root:*::\nsudo:*::ubuntu,ada\nadm:*:ubuntu:syslog,ubuntu\nubuntu:!::\n", mode: 0o640),
            file(
                "etc/shadow",
                "root:*:18000:0:99999:7:::\nsync:*:18000:0:99999:7:::\nold::18000:0:99999:7:::\n"
                    + "ubuntu:$6$stock:18000:0:99999:7:::\nada:$6$ada:18000:0:99999:7:::\n", mode: 0o640),
            folder("home/ubuntu", uid: 1001), file("home/ubuntu/notes", "x"),
            file("home/ubuntu/.ssh/authorized_keys", "ssh-rsa STOCK\n"),
            file("home/ubuntu/.ssh/authorized_keys2", "ssh-rsa STOCK\n"),
            file("home/ada/.ssh/authorized_keys", "ssh-rsa ADA\n"),
            file("srv/old/.ssh/authorized_keys", "ssh-rsa OLD\n"),
            file("root/.ssh/authorized_keys", "ssh-rsa ROOT\n"),
            file("etc/sudoers.d/90-cloud-init-users", "ubuntu ALL=(ALL) NOPASSWD:ALL\n"),
        ])
    }

    private func step(_ users: [Recipe.Accounts.User], _ stock: Recipe.Accounts.Stock) throws -> AccountsStep {
        try accountsStep(users, stock: stock)
    }

    @Test func anAccountOfTheImageBecomesTheRecipesAndAllOthersAreLocked() throws {
        let tree = try tree()
        let key = try sshKey()
        let user = recipeUser("ubuntu", groups: ["docker"], keys: [key], hash: "$6$mine")
        let result = try tree.with(step([user], .locked).apply(to: tree, epoch: epoch))
        #expect(
            difference(tree, result) == [
                "~ /etc/group", "~ /etc/gshadow", "~ /etc/passwd", "~ /etc/shadow", "+ /etc/subgid", "+ /etc/subuid",
                "- /etc/sudoers.d/90-cloud-init-users", "- /home/ada/.ssh/authorized_keys", "~ /home/ubuntu/.ssh",
                "~ /home/ubuntu/.ssh/authorized_keys", "- /home/ubuntu/.ssh/authorized_keys2",
                "- /root/.ssh/authorized_keys", "- /srv/old/.ssh/authorized_keys",
            ])
        #expect(
            try result.text("etc/shadow") == """
                root:!*:19675:0:99999:7:::
                sync:*:18000:0:99999:7:::
                old:!*:19675:0:99999:7:::
                ubuntu:$6$mine:0:0:99999:7:::
                ada:!*:19675:0:99999:7:::

                """)
        #expect(
            try result.text("etc/passwd") == """
                root:x:0:0:root:/root:/bin/bash
                sync:x:4:65534::/bin:/bin/sync
                old:x:500:500::/srv/old:/bin/bash
                ubuntu:x:1001:1002::/home/ubuntu:/bin/bash
                ada:x:1000:1000::/home/ada:/bin/bash

                """)
        // Without sudo in the recipe the image's own rights are gone.
        #expect(
            try result.text("etc/group")
                == "root:x:0:\nsudo:x:27:ada\ndocker:x:998:ubuntu\nadm:x:4:syslog\nubuntu:x:1002:\n")
        #expect(try result.text("etc/gshadow") == "root:*::\nsudo:*::ada\nadm:*::syslog\nubuntu:!::\n")
        #expect(try result.text("home/ubuntu/.ssh/authorized_keys") == key.line + "\n")
        #expect(result["home/ubuntu/.ssh/authorized_keys"]?.attributes.uid == 1001)
        #expect(result["home/ubuntu/.ssh/authorized_keys"]?.attributes.gid == 1002)
        #expect(result["home/ubuntu"]?.attributes.uid == 1001)
        #expect(try result.text("home/ubuntu/notes") == "x")
    }

    @Test func anAccountWithoutKeysLosesTheImages() throws {
        let tree = try tree()
        let user = recipeUser("ubuntu", sudo: .nopasswd, hash: "$6$mine", expire: false)
        let result = try tree.with(step([user], .locked).apply(to: tree, epoch: epoch))
        #expect(result["home/ubuntu/.ssh/authorized_keys"] == nil)
        #expect(try result.text("etc/group")?.contains("sudo:x:27:ada,ubuntu\n") == true)
        #expect(try result.text("etc/sudoers.d/50-ubuntu") == "ubuntu ALL=(ALL:ALL) NOPASSWD: ALL\n")
    }

    @Test func aHashThatAnOldLibraryDoesNotKnowIsRefused() throws {
        let time = Timestamp(seconds: 1)
        let folder: EntryPath = "lib/aarch64-linux-gnu"
        func tree(_ library: String) throws -> Tree {
            try sampleTree([
                Entry(
                    folder.appending(library), Attributes(mode: 0o644, mtime: time), .regular(Content("elf"))),
                Entry(
                    folder.appending("libcrypt.so.1"), Attributes(mode: 0o777, mtime: time),
                    .symlink(Array(library.utf8))),
            ])
        }
        let pi = recipeUser("pi", hash: "$y$j9T$salt$hash")
        let step = try accountsStep([pi], stock: .locked)
        let error = failure { try step.apply(to: tree("libcrypt-2.27.so"), epoch: epoch) }
        #expect(
            error?.description == """
                accounts: pi: the image's libcrypt does not know yescrypt hashes
                  expected: a SHA-512 hash ($6$…)
                  next:     make one with: mkpasswd -m sha512crypt
                """)
        #expect(throws: Never.self) { try step.apply(to: tree("libcrypt.so.1.1.0"), epoch: epoch) }
    }

    @Test func aNewAccountTakesAFreeID() throws {
        let tree = try tree()
        let result = try tree.with(
            step([recipeUser("pi", hash: "$6$p")], .locked).apply(to: tree, epoch: epoch))
        // 1000 and 1001 are users, 1002 is a group.
        #expect(try result.text("etc/passwd")?.hasSuffix("pi:x:1003:1003::/home/pi:/bin/bash\n") == true)
    }

    @Test func keptAccountsStayWholeAndStillMayNotBeNamed() throws {
        let tree = try tree()
        let result = try tree.with(
            step([recipeUser("pi", hash: "$6$p")], .kept).apply(to: tree, epoch: epoch))
        #expect(try result.text("etc/shadow")?.contains("ubuntu:$6$stock:18000:0:99999:7:::\n") == true)
        #expect(try result.text("home/ubuntu/.ssh/authorized_keys") == "ssh-rsa STOCK\n")
        #expect(result["etc/sudoers.d/90-cloud-init-users"] != nil)
        let error = failure {
            try step([recipeUser("ubuntu")], .kept).apply(to: tree, epoch: epoch)
        }
        #expect(
            error?.description == """
                accounts.users: ubuntu: the image has a user of that name already
                  next:     choose another name, or write accounts.stock: locked
                """)
    }

    @Test func anIDThatTheImageGaveOtherwiseIsRefused() throws {
        let error = failure {
            try step([recipeUser("ubuntu", uid: 1000)], .locked).apply(to: tree(), epoch: epoch)
        }
        #expect(
            error?.description == """
                accounts.users: ubuntu: the image has a user of that name with the id 1001
                  next:     leave uid out, or write uid: 1001
                """)
    }
}

@Suite struct StockSettingsTests {
    @Test(arguments: [
        // The image's own lines stay as they are, whatever else they mount.
        (
            "LABEL=writable\t/\t ext4\tdefaults\t0 0\nLABEL=system-boot /boot/firmware vfat defaults 0 1\n",
            "LABEL=writable\t/\t ext4\tdefaults\t0 0\nLABEL=system-boot /boot/firmware vfat defaults 0 1\n"
        ),
        (
            "# mine\nUUID=1-2 / ext4 errors=remount-ro 0 1\ntmpfs /tmp tmpfs defaults 0 0\n/dev/mmcblk0p1 /boot/firmware/ vfat ro 0 2\n\n",
            "# mine\nLABEL=writable / ext4 errors=remount-ro 0 1\ntmpfs /tmp tmpfs defaults 0 0\nLABEL=system-boot /boot/firmware/ vfat ro 0 2\n"
        ),
        ("", "LABEL=writable / ext4 defaults 0 1\nLABEL=system-boot /boot/firmware vfat defaults 0 2\n"),
        (
            "#LABEL=writable / ext4 defaults 0 0",
            "#LABEL=writable / ext4 defaults 0 0\nLABEL=writable / ext4 defaults 0 1\nLABEL=system-boot /boot/firmware vfat defaults 0 2\n"
        ),
    ])
    func theImagesTableKeepsWhatElseItMounts(before: String, after: String) throws {
        let tree = try sampleTree([file("etc/fstab", before)])
        #expect(
            try tree.with(FileSystemTableStep(keepsTable: true).apply(to: tree, epoch: epoch)).text("etc/fstab")
                == after)
        #expect(
            try tree.with(FileSystemTableStep().apply(to: tree, epoch: epoch)).text("etc/fstab") == """
                LABEL=writable / ext4 defaults,noatime 0 1
                LABEL=system-boot /boot/firmware vfat defaults 0 2

                """)
    }

    /// The value of a keyword as a server that reads one file finds it: the first one, outside of Match blocks.
    private func first(_ keyword: String, in text: String) -> [String] {
        text.split(separator: "\n").map { $0.split(separator: " ").map(String.init) }
            .prefix { $0.first != "Match" }.filter { $0.first?.lowercased() == keyword.lowercased() }.map {
                $0.last ?? ""
            }
    }

    @Test func aServerThatReadsOneFileIsToldAtItsTop() throws {
        let stock = """
            #Port 22
            port 22
            PermitRootLogin yes
            ChallengeResponseAuthentication yes
            UsePAM yes
            Match User git
            PasswordAuthentication no
            # cloud-init
            PasswordAuthentication yes

            """
        let tree = try sampleTree([file("etc/ssh/sshd_config", stock), file("etc/ssh/ssh_host_rsa_key", "secret")])
        let step = SSHStep(isEnabled: true, passwordLogin: false, port: 2222)
        let result = try tree.with(step.apply(to: tree, epoch: epoch))
        let text = try #require(try result.text("etc/ssh/sshd_config"))
        #expect(first("PasswordAuthentication", in: text).first == "no")
        #expect(first("ChallengeResponseAuthentication", in: text).first == "no")
        #expect(first("PermitRootLogin", in: text).first == "prohibit-password")
        // Of ports every line counts.
        #expect(first("Port", in: text) == ["2222"])
        #expect(text.hasSuffix("Match User git\nPasswordAuthentication no\n# cloud-init\nPasswordAuthentication yes\n"))
        #expect(result["etc/ssh/sshd_config.d/10-piforge.conf"] == nil)
        #expect(result["etc/ssh/ssh_host_rsa_key"] == nil)
    }

    @Test func aServerWithAFolderKeepsItsFile() throws {
        let tree = try sampleTree([file("etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n")])
        let result = try tree.with(
            SSHStep(isEnabled: true, passwordLogin: true, port: 22).apply(to: tree, epoch: epoch))
        #expect(try result.text("etc/ssh/sshd_config") == "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM yes\n")
        #expect(
            try result.text("etc/ssh/sshd_config.d/10-piforge.conf")?.contains("KbdInteractiveAuthentication yes\n")
                == true)
    }

    @Test func unitsOfATreeWhoseLibIsItsOwnFolderAreFound() throws {
        let install = "[Install]\nWantedBy=multi-user.target\n"
        let tree = try Tree([
            Layer(
                name: "stock",
                entries: [
                    file("lib/systemd/system/systemd-networkd.service", install + "Also=systemd-networkd.socket\n"),
                    file("lib/systemd/system/systemd-networkd.socket", "[Install]\nWantedBy=sockets.target\n"),
                    file(
                        "lib/systemd/system/systemd-resolved.service",
                        install + "Alias=dbus-org.freedesktop.resolve1.service\n"),
                ])
        ])
        let result = try tree.with(NetworkStep(nil).apply(to: tree, epoch: epoch))
        func link(_ name: String) -> EntryKind { .symlink(Array("/lib/systemd/system/\(name)".utf8)) }
        let units: EntryPath = "etc/systemd/system"
        #expect(
            difference(tree, result).filter { $0.hasSuffix("service") || $0.hasSuffix("socket") } == [
                "+ /etc/systemd/system/dbus-org.freedesktop.resolve1.service",
                "+ /etc/systemd/system/multi-user.target.wants/systemd-networkd.service",
                "+ /etc/systemd/system/multi-user.target.wants/systemd-resolved.service",
                "+ /etc/systemd/system/sockets.target.wants/systemd-networkd.socket",
            ])
        #expect(
            result[units.appending("sockets.target.wants").appending("systemd-networkd.socket")]?.kind
                == link("systemd-networkd.socket"))
        let gone = try result.with(
            ServicesStep(enable: [], disable: ["systemd-networkd.service"]).apply(to: result, epoch: epoch))
        #expect(gone[units.appending("multi-user.target.wants").appending("systemd-networkd.service")] == nil)
    }

    @Test(arguments: [
        ("", ""), ("Package: old\nAuto-Installed: 1\n\n", "Package: old\nAuto-Installed: 1\n\n"),
        ("Package: old\nAuto-Installed: 1\n", "Package: old\nAuto-Installed: 1\n\n"),
        ("Package: old\nAuto-Installed: 1", "Package: old\nAuto-Installed: 1\n\n"),
    ])
    func aptLearnsOnlyOfWhatIsNew(before: String, kept: String) throws {
        let tree = try sampleTree(
            [file("usr/bin/apt-get", "elf")] + (before.isEmpty ? [] : [file("var/lib/apt/extended_states", before)]))
        let keys = Content("the keys")
        let step = AptStep(
            sources: [
                .init(
                    uri: "http://mirror.example.org/ports", suites: ["bionic", "bionic-updates"],
                    components: ["main"],
                    keyring: "/usr/share/keyrings/piforge-ports.gpg", keys: keys),
                .init(
                    uri: "http://mirror.example.org/flat", suites: ["./"], components: [],
                    keyring: "/usr/share/keyrings/piforge-ports.gpg"),
            ], preferences: "Package: *\nPin: release bionic\nPin-Priority: -10\n",
            automatic: [("libnew", "arm64"), ("libold", "arm64")], fileName: "piforge.sources")
        let result = try tree.with(step.apply(to: tree, facts(stockPackages: ["libold"]), epoch: epoch))
        #expect(
            try result.text("var/lib/apt/extended_states") == kept
                + "Package: libnew\nArchitecture: arm64\nAuto-Installed: 1\n\n")
        #expect(result.content("usr/share/keyrings/piforge-ports.gpg") == keys)
        #expect(
            try result.text("etc/apt/sources.list.d/piforge.sources") == """
                Types: deb
                URIs: http://mirror.example.org/ports
                Suites: bionic bionic-updates
                Components: main
                Signed-By: /usr/share/keyrings/piforge-ports.gpg

                Types: deb
                URIs: http://mirror.example.org/flat
                Suites: ./
                Signed-By: /usr/share/keyrings/piforge-ports.gpg

                """)
        #expect(
            step.inputs.contains { $0.name == "/usr/share/keyrings/piforge-ports.gpg" && $0.value == keys.digest.hex })
    }
}
