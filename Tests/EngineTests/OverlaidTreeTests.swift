import Records
import Diagnostics
import Engine
import Guest
import Layers
import Recipe
import Steps
import Storage
import SystemPackage
import TestSupport
import Testing

/// What overlays bring is seen by the steps below, and stays.
@Suite struct OverlaidTreeTests {
    private let folder: TemporaryFolder
    private let epoch: Int64 = 1_700_000_000

    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "overlaid") }

    /// A system of packages: accounts, a unit's folder, and a shell.
    private var packages: Tree {
        get throws {
            var layer = Layer(name: "packages")
            let file = Attributes(mode: 0o644, mtime: Timestamp(seconds: 0))
            layer.addFile("etc/passwd", file, text: "root:x:0:0:root:/root:/bin/bash\n")
            layer.addFile("etc/group", file, text: "root:x:0:\nshadow:x:42:\nkvm:x:108:\n")
            layer.addFile(
                "etc/shadow", Attributes(mode: 0o640, gid: 42, mtime: file.mtime), text: "root:*:1:0:99999:7:::\n")
            layer.addFile("bin/bash", file, text: "")
            layer.addFile("etc/skel/.profile", file, text: "packages'\n")
            layer.addFile("usr/share/zoneinfo/UTC", file, text: "TZif")
            return try Tree([layer])
        }
    }

    private func overlaid(_ files: [String: String]) throws -> OverlaidTree {
        for (path, text) in files {
            try writeAtomically(to: folder.path.pushing(FilePath(path)), bytes: Array(text.utf8))
        }
        return try OverlaidTree(packages, overlays: [OverlayStep(folder: folder.path, target: .root)], epoch: epoch)
    }

    private func text(_ tree: Tree, _ path: EntryPath) throws -> String? {
        try tree.content(path).map { try ContentReader().text(of: $0) }
    }

    private var accounts: AccountsStep {
        get throws {
            var user = Recipe.Accounts.User()
            user.name = "pi"
            user.uid = 1000
            var accounts = Recipe.Accounts()
            accounts.users = [user]
            return try AccountsStep(accounts, seed: "seed")
        }
    }

    private let facts = SystemFacts(release: "6.12.1-arm64", hasInitramfs: true)

    @Test func aUnitOfAnOverlayIsEnabled() throws {
        var tree = try overlaid(["etc/systemd/system/mine.service": "[Install]\nWantedBy=multi-user.target\n"])
        #expect(try tree.apply(ServicesStep(enable: ["mine"], disable: []), facts) == [])
        try tree.applyOverlays { _ in }
        #expect(
            tree.tree["etc/systemd/system/multi-user.target.wants/mine.service"]?.kind
                == .symlink(Array("/etc/systemd/system/mine.service".utf8)))
    }

    /// The home is its owner's, has what the skeleton has, and what the overlay has in it.
    @Test func aSkeletonOfAnOverlayComesToNewHomes() throws {
        var tree = try overlaid(["etc/skel/.vimrc": "overlay's\n", "home/pi/.profile": "pi's\n", "home/pi/a/b": "x"])
        #expect(try tree.apply(accounts, facts) == [])
        try tree.applyOverlays { _ in }
        #expect(try text(tree.tree, "home/pi/.vimrc") == "overlay's\n")
        #expect(try text(tree.tree, "home/pi/.profile") == "pi's\n")
        for path: EntryPath in ["home/pi", "home/pi/.vimrc", "home/pi/a"] {
            #expect(tree.tree[path]?.attributes.uid == 1000, "\(path)")
        }
        #expect(tree.tree["home/pi"]?.attributes.mode == 0o700)
    }

    @Test func anOverlayHasTheLastWordAndTheKeyIsNamed() throws {
        var tree = try overlaid(["etc/hostname": "mine\n"])
        let notes = try tree.apply(SystemStep(hostname: "pi", timezone: "UTC", locale: "C.UTF-8"), facts)
        #expect(
            notes == [
                "/etc/hostname is that of overlay 1 \(folder.path.lastComponent?.string ?? ""), and not what system.hostname would make of it"
            ])
        try tree.applyOverlays { _ in }
        #expect(try text(tree.tree, "etc/hostname") == "mine\n")
        #expect(try text(tree.tree, "etc/hosts")?.contains("pi") == true)
    }

    /// Accounts are added to an overlay's files, and hashes stay hidden although an overlay's files are 0644.
    @Test func accountsCompleteAnOverlaysFiles() throws {
        var tree = try overlaid([
            "etc/group": "root:x:0:\nshadow:x:42:\nlab:x:900:\n", "etc/shadow": "root:*:1:0:99999:7:::\n",
        ])
        #expect(try tree.apply(accounts, facts) == [])
        try tree.applyOverlays { _ in }
        #expect(try text(tree.tree, "etc/group") == "root:x:0:\nshadow:x:42:\nlab:x:900:\npi:x:1000:\n")
        let shadow = try #require(tree.tree["etc/shadow"])
        #expect(shadow.attributes.mode == 0o640 && shadow.attributes.gid == 42)
    }

    @Test func whatAStepTakesAwayOfAnOverlaysStaysAndIsTold() throws {
        var tree = try overlaid(["etc/cloud/seed": "x"])
        let notes = try tree.apply(Layer(name: "step", whiteouts: ["etc/cloud/seed"])) { _ in "accounts.stock" }
        #expect(notes.count == 1 && notes[0].contains("accounts.stock would take it away"))
        try tree.applyOverlays { _ in }
        #expect(try text(tree.tree, "etc/cloud/seed") == "x")
    }

    @Test func withoutOverlaysLayersAreMerged() throws {
        var tree = try OverlaidTree(packages, overlays: [], epoch: epoch)
        var layer = Layer(name: "step", whiteouts: ["bin/bash"])
        layer.addFile("etc/x", Attributes(mode: 0o600, mtime: Timestamp(seconds: 0)), text: "x")
        var merged = try packages
        try merged.apply(layer)
        #expect(try tree.apply(layer) { _ in "" } == [])
        #expect(tree.tree.digest == merged.digest)
    }
}

@Suite struct ScriptSecretsTests {
    private func secret(_ path: String, _ means: MadeSecret.Means?) -> MadeSecret {
        MadeSecret(
            path: path, what: "a private key (PEM)", package: "ssl-cert", version: "1.1", qualified: "ssl-cert",
            architecture: "all", means: means, companions: [])
    }

    @Test func whatAPackageMakesAgainIsLeftToTheBoard() throws {
        let secrets = try ScriptSecrets(
            [secret("a", .again), secret("b", .fresh), secret("c", nil)], choices: ["/b": .keep, "/c": .firstBoot])
        #expect(
            secrets.left.map(\.path) == ["a"] && secrets.kept.map(\.path) == ["b"]
                && secrets.unmade.map(\.path) == ["c"])
        #expect(
            secrets.records == [
                Manifest.Secret(path: "/a", package: "ssl-cert", isKept: false, isMadeAtFirstBoot: true),
                Manifest.Secret(path: "/b", package: "ssl-cert", isKept: true, isMadeAtFirstBoot: false),
                Manifest.Secret(path: "/c", package: "ssl-cert", isKept: false, isMadeAtFirstBoot: false),
            ])
    }

    @Test func whatNobodyMakesAgainEndsTheBuild() {
        let failure = failure { try ScriptSecrets([secret("etc/x.key", nil)], choices: [:]) }
        #expect(failure?.place == "/etc/x.key")
        #expect(failure?.message == "a script of ssl-cert made a private key (PEM), which every board would share")
        #expect(
            failure?.next == """
                decide in the recipe: secrets: {/etc/x.key: first_boot} leaves it out for something on the board to make, \
                keep puts it into every image
                """)
    }

    @Test func aChoiceForNothingIsAMistake() {
        let failure = failure { try ScriptSecrets([], choices: ["/etc/x.key": .keep]) }
        #expect(
            failure?.description == """
                secrets: /etc/x.key: no package's script made a secret there
                  expected: no choice: the scripts made no secret
                  next:     take it out of secrets
                """)
    }
}
