import Diagnostics
import Layers
import Recipe
import Steps
import TestSupport
import Testing

@Suite struct AccountsStepTests {
    @Test func userGetsTheNextIDItsGroupsAndAHome() throws {
        let tree = try sampleTree()
        let key = try sshKey()
        let user = recipeUser("pi", groups: ["docker"], sudo: .nopasswd, keys: [key], hash: "$y$h")
        let result = try tree.with(accountsStep([user]).apply(to: tree, epoch: epoch))
        #expect(
            try result.text("etc/passwd")
                == "root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:1::/:/usr/sbin/nologin\npi:x:1000:1000::/home/pi:/bin/bash\n"
        )
        #expect(try result.text("etc/group") == "root:x:0:\nsudo:x:27:pi\ndocker:x:998:pi\npi:x:1000:\n")
        #expect(try result.text("etc/shadow") == "root:!*:19675:0:99999:7:::\npi:$y$h:0:0:99999:7:::\n")
        #expect(try result.text("etc/gshadow") == "root:*::\nsudo:*::pi\npi:!::\n")
        #expect(try result.text("etc/subuid") == "pi:100000:65536\n")
        #expect(try result.text("etc/sudoers.d/50-pi") == "pi ALL=(ALL:ALL) NOPASSWD: ALL\n")
        #expect(result["etc/sudoers.d/50-pi"]?.attributes.mode == 0o440)
        #expect(result["etc/shadow"]?.attributes.mode == 0o640)
        #expect(result["etc/shadow"]?.attributes.gid == 42)
        #expect(result["home/pi"]?.attributes.mode == 0o700)
        #expect(result["home/pi"]?.attributes.uid == 1000)
        #expect(try result.text("home/pi/.bashrc") == "# rc\n")
        #expect(result["home/pi/.ssh"]?.attributes.mode == 0o700)
        #expect(try result.text("home/pi/.ssh/authorized_keys") == key.line + "\n")
        #expect(result["home/pi/.ssh/authorized_keys"]?.attributes.mode == 0o600)
    }

    @Test func passwordThatDoesNotExpireHasTheEpochsDay() throws {
        let tree = try sampleTree()
        let user = recipeUser("pi", hash: "$y$h", expire: false)
        let result = try tree.with(accountsStep([user]).apply(to: tree, epoch: epoch))
        #expect(try result.text("etc/shadow")?.hasSuffix("pi:$y$h:19675:0:99999:7:::\n") == true)
    }

    @Test func rootIsOpenOnlyWhenAsked() throws {
        let tree = try sampleTree()
        let result = try tree.with(accountsStep([], root: "$y$r").apply(to: tree, epoch: epoch))
        #expect(try result.text("etc/shadow") == "root:$y$r:19675:0:99999:7:::\n")
    }

    @Test(arguments: [
        (
            recipeUser("pi", groups: ["dokcer"]),
            "accounts: pi: the image has no group 'dokcer'. Did you mean 'docker'?"
        ),
        (recipeUser("daemon"), "accounts.users: daemon: the image has a user of that name already"),
        (recipeUser("docker"), "accounts.users: docker: the image has a group of that name already"),
        (recipeUser("pi", shell: "/bin/zsh"), "accounts.users: pi: the image has no shell /bin/zsh"),
        (recipeUser("pi", uid: 998), "accounts.users: pi: the id 998 is taken in the image"),
    ])
    func badUsersAreRefused(user: Recipe.Accounts.User, message: String) throws {
        let tree = try sampleTree()
        let error = failure { try accountsStep([user]).apply(to: tree, epoch: epoch) }
        #expect(error?.headline == message)
        #expect(error?.exitCode == 2)
    }

    @Test func secretsReachThePlanOnlyAsDigests() throws {
        var typed = recipeUser("ada")
        typed.password = .generate
        let step = try accountsStep(
            [recipeUser("pi", keys: [sshKey("KEY")], hash: "$y$secret"), typed], passwords: ["ada": "correct horse"])
        let text = step.inputs.map { $0.name + $0.value }.joined()
        for secret in ["secret", "KEY", "correct horse", "$y$"] { #expect(!text.contains(secret)) }
        let other = try accountsStep(
            [recipeUser("pi", keys: [sshKey("KEY")], hash: "$y$secret"), typed], passwords: ["ada": "battery staple"])
        #expect(other.inputs != step.inputs)
    }

    /// Of two systems with the same recipe each gets the hash that its libcrypt knows, whatever it was made from.
    @Test(arguments: [("libcrypt-2.27.so", PasswordHash.Method.sha512), ("libcrypt.so.1.1.0", .yescrypt)])
    func aTypedPasswordIsHashedAsTheTreesLibraryKnowsIt(library: String, method: PasswordHash.Method) throws {
        let time = Timestamp(seconds: 1)
        let folder: EntryPath = "lib/aarch64-linux-gnu"
        let tree = try sampleTree([
            Entry(folder.appending(library), Attributes(mode: 0o644, mtime: time), .regular(Content("elf"))),
            Entry(
                folder.appending("libcrypt.so.1"), Attributes(mode: 0o777, mtime: time), .symlink(Array(library.utf8))
            ),
        ])
        var user = recipeUser("pi")
        user.password = .environment("PASSWORD")
        let step = try accountsStep([user], passwords: ["pi": "correct horse"])
        let shadow = try tree.with(step.apply(to: tree, epoch: epoch)).text("etc/shadow") ?? ""
        let hash = shadow.split(separator: "\n").last?.split(separator: ":").dropFirst().first.map(String.init) ?? ""
        #expect(hash.hasPrefix(method.rawValue))
        #expect(PasswordHash.verify(password: "correct horse", hash: hash))
    }
}
