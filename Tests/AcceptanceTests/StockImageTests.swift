import Records
import Digests
import Foundation
import Storage
import Synchronization
import SystemPackage
import Testing

/// A stock image made ours, from its publisher's signature to the booted board. What stands in for Ubuntu's image has its
/// layout and its habits (Stock/assemble.sh), and is served by a server that misbehaves. The tests follow each other: each
/// needs what the one before it made.
@Suite(.serialized) final class StockImageTests {
    private static let folder = Mutex<TemporaryFolder?>(nil)
    private static let server = Mutex<StockServer?>(nil)
    private static let sources = Program.repository.pushing("Tests/AcceptanceTests/Stock")
    private static let file = "ubuntu-18.04.3-preinstalled-server-arm64+raspi3.img.xz"

    private let root: FilePath
    private var site: FilePath { root.appending("site") }
    private var cache: String { root.appending("cache").string }
    private var out: FilePath { root.appending("out") }
    private var image: FilePath { out.appending("stock.img.xz") }
    private var gpg: [String: String] { ["GNUPGHOME": root.appending("gnupg").string] }

    init() throws {
        root = try Self.folder.withLock { folder in
            if let folder { return folder.path }
            let made = try TemporaryFolder(in: "/var/tmp", name: "piforge-stock")
            folder = made
            // What a static holds is not released when a process ends.
            atexit { StockImageTests.folder.withLock { $0 = nil } }
            for name in ["site", "gnupg", "out"] { try createFolder(made.path.appending(name)) }
            restrictToOwner(made.path.appending("gnupg"))
            return made.path
        }
    }

    private func serve() async throws -> StockServer {
        if let running = Self.server.withLock({ $0 }) { return running }
        let started = try await StockServer(folder: site)
        Self.server.withLock { $0 = started }
        return started
    }

    // MARK: The publisher

    /// Builds the stand-in from old packages, gives it the stock image's layout, and signs its sum as a publisher does.
    @Test func standInIsPublished() throws {
        let made = root.appending("stand-in")
        _ = try Program.run(["cp", "-r", Self.sources.string, made.string])
        let built = try Program.piforge([
            "build", made.appending("stand-in.yaml").string, "--cache", cache, "-o", made.string,
        ])
        #expect(built.status == 0, "\(built.errors)")
        let assembled = try Program.run([
            made.appending("assemble.sh").string, made.appending("stand-in.img.xz").string,
            site.appending(Self.file).string,
        ])
        #expect(assembled.status == 0, "\(assembled.errors)")
        removeTree(made)
        let listed = try Program.run(["xz", "--robot", "--list", site.appending(Self.file).string])
        #expect(listed.output.contains("\nfile\t1\t1\t"), "one stream of one block: \(listed.output)")
        for name in ["publisher", "stranger"] {
            let key = try Program.run(
                [
                    "gpg", "--batch", "--passphrase", "", "--quick-generate-key", "\(name)@example.org", "rsa3072",
                    "sign",
                ],
                environment: gpg)
            #expect(key.status == 0, "\(key.errors)")
        }
        let exported = try Program.run(
            ["gpg", "--batch", "--output", root.appending("keys.gpg").string, "--export"], environment: gpg)
        #expect(exported.status == 0, "\(exported.errors)")
        try publish(in: site)
    }

    /// Writes SHA256SUMS of all images in a folder, and signs it.
    private func publish(in folder: FilePath, by signer: String = "publisher") throws {
        let signed = try Program.run(
            [
                "sh", "-c",
                "sha256sum -b *.img* >SHA256SUMS && rm -f SHA256SUMS.gpg && "
                    + "gpg --batch --local-user \(signer)@example.org --output SHA256SUMS.gpg --detach-sign SHA256SUMS",
            ], environment: gpg, directory: folder)
        #expect(signed.status == 0, "\(signed.errors)")
    }

    private func fingerprint(_ name: String) throws -> String {
        let listing = try Program.run(
            ["gpg", "--batch", "--with-colons", "--list-keys", "\(name)@example.org"], environment: gpg)
        let line = listing.output.split(separator: "\n").first { $0.hasPrefix("fpr:") } ?? ""
        return line.split(separator: ":").last.map(String.init) ?? ""
    }

    /// Writes a recipe on the stand-in.
    ///
    /// - Parameters:
    ///   - mirrors: paths of the server.
    ///   - trust: YAML; nil takes the publisher's signature.
    private func recipe(
        _ name: String, mirrors: [String], file: String = StockImageTests.file, trust: String? = nil
    ) async throws -> FilePath {
        let base = try await serve().base
        let signature = "{signature: {keys: [\(try fingerprint("publisher"))], keyring: {file: keys.gpg}}}"
        let path = root.appending("\(name).yaml")
        let text = """
            name: \(name)
            description: The stand-in for the stock image, made ours
            epoch: 2026-11-01
            base:
              image:
                file: \(file)
                mirrors: [\(mirrors.map { "'\(base)/\($0)/'" }.joined(separator: ", "))]
                trust: \(trust ?? signature)
            packages:
              sources:
                - {name: stock, suites: [bullseye, bullseye-updates], components: [main], on_board: false}
                - name: debian
                  suites: [bookworm, bookworm-security]
                  components: [main, non-free-firmware]
                  only: ["linux-image-*", raspi-firmware]
              # tzdata and systemd are there in older versions.
              install: [iptables, tzdata, systemd]
            kernel:
              package: linux-image-arm64
              fragments: [kvm, virtio, gic, docker]
            docker: {from: distribution}
            firmware: {cmdline: [cgroup_enable=memory, cgroup_memory=1, swapaccount=1]}
            memory: {limit: 1G}
            accounts:
              users:
                - {name: pi, groups: [docker], sudo: true, password: generate}
            system: {hostname: rpi4}
            disk: {free_space: 512M}
            output: {compression: {preset: 0}}

            """
        try writeAtomically(to: path, bytes: Array(text.utf8))
        try createFolder(root.appending("kernel-configs"))
        _ = try Program.run(["sh", "-c", "cp kernel-configs/*.config \(root)/kernel-configs/"])
        return path
    }

    // MARK: Refusals

    /// What must not be trusted is refused with its own words, and nothing of it is decoded or left.
    @Test(arguments: [
        ("forged", "the signature is by a key that is in the keyring, but is not pinned"),
        ("altered", "the signature is bad"),
        ("unsigned", "the mirror does not have the file"),
        ("unlisted", "the list of sums has no line for the file"),
        ("flipped", "the file's SHA-256 is not the expected one; nothing was kept"),
        ("short", "the file's SHA-256 is not the expected one; nothing was kept"),
        ("gone", "the mirror does not have the file"), ("broken", "the server has trouble: HTTP status 500"),
        ("loop", "the server redirects"),
    ])
    func untrustworthyImageIsRefused(folder: String, message: String) async throws {
        try prepare(folder)
        let path = try await recipe("refused", mirrors: [folder])
        let outcome = try Program.piforge([
            "build", path.string, "--cache", root.appending("empty-cache").string, "-o",
            root.appending("refused").string,
        ])
        print("\(folder): \(outcome.errors)")
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
        #expect(outcome.errors.contains("127.0.0.1"), "\(outcome.errors)")
        #expect(!exists(root.appending("refused.lock")))
        #expect(files(below: root.appending("refused")).isEmpty)
        #expect(files(below: root.appending("empty-cache").appending("work")).isEmpty)
        #expect(files(below: root.appending("empty-cache").appending("layers")).isEmpty)
        removeTree(root.appending("empty-cache"))
        removeTree(site.appending(folder))
    }

    /// A folder of the site with one thing wrong.
    private func prepare(_ folder: String) throws {
        guard !["gone", "broken", "loop"].contains(folder) else { return }
        let place = site.appending(folder)
        try createFolder(place)
        func shell(_ script: String) throws {
            let outcome = try Program.run(["sh", "-ec", script], environment: gpg, directory: place)
            #expect(outcome.status == 0, "\(outcome.errors)")
        }
        try shell("cp ../SHA256SUMS ../SHA256SUMS.gpg .; ln ../*.img.xz .")
        switch folder {
        case "forged": try publish(in: place, by: "stranger")
        case "altered": try shell("sed -i 's/^./0/;s/^0\\(.*\\)/f\\1/' SHA256SUMS")
        case "unsigned": try shell("rm SHA256SUMS.gpg")
        case "unlisted":
            try shell("mv *.img.xz ubuntu-18.04.4.img.xz")
            try publish(in: place)
        case "flipped":
            try shell(
                """
                cp --remove-destination ../*.img.xz .; f=$(echo *.img.xz)
                printf '\\252' | dd of="$f" bs=1 seek=77777777 conv=notrunc status=none; ! cmp -s "$f" "../$f"
                """)
        case "short": try shell("cp --remove-destination ../*.img.xz .; truncate -s -1000 *.img.xz")
        default: break
        }
    }

    /// Images that are signed, and are no base all the same.
    @Test(arguments: [
        ("gpt", "the disk has a GPT partition table"), ("overlap", "partitions 1 and 2 overlap"),
        ("beyond", "partition 2 goes beyond the end of the disk"), ("bare", "the image has no Linux partition"),
        ("torn", "the .xz file is truncated"), ("trailing", "the .xz file has trailing garbage"),
        ("empty", "this is neither an .xz file nor a raw disk"),
    ])
    func hostileImageIsRefused(name: String, message: String) async throws {
        let place = site.appending("hostile")
        try createFolder(place)
        let script: String
        let table = "label: dos\nstart=2048, size=2048, type=c, bootable\nstart=4096, size=4096, type=83\n"
        func disk(_ table: String, _ then: String = "") -> String {
            "truncate -s 4M d\nprintf '\(table.replacing("\n", with: "\\n"))' | sfdisk -q d\n\(then)\nxz -c d >x.img.xz\nrm d\n"
        }
        switch name {
        case "gpt": script = disk("label: gpt\nstart=2048, size=2048\n")
        // sfdisk refuses to write these two: the second entry's start (454 + 16) and size (458 + 16) are set by hand.
        case "overlap":
            script = disk(table, "printf '\\000\\011\\000\\000' | dd of=d bs=1 seek=470 conv=notrunc status=none")
        case "beyond":
            script = disk(table, "printf '\\000\\000\\001\\000' | dd of=d bs=1 seek=474 conv=notrunc status=none")
        case "bare": script = disk("label: dos\nstart=2048, size=2048, type=c\n")
        case "torn": script = disk(table) + "truncate -s -8 x.img.xz"
        case "trailing": script = disk(table) + "printf garbage >>x.img.xz"
        default: script = ": >x.img.xz"
        }
        let made = try Program.run(["sh", "-ec", script], directory: place)
        #expect(made.status == 0, "\(made.errors)")
        try publish(in: place)
        let path = try await recipe("hostile", mirrors: ["hostile"], file: "x.img.xz")
        let outcome = try Program.piforge([
            "build", path.string, "--cache", root.appending("empty-cache").string, "-o",
            root.appending("refused").string,
        ])
        #expect(outcome.status == 1)
        #expect(outcome.errors.contains(message), "\(outcome.errors)")
        #expect(files(below: root.appending("refused")).isEmpty)
        #expect(files(below: root.appending("empty-cache").appending("work")).isEmpty)
        removeTree(root.appending("empty-cache"))
        removeTree(place)
    }

    /// Nothing vouches for the file: the build stops with its sum, and the word of a person is kept in the lock.
    @Test func fileThatNothingVouchesForIsAcceptedOnce() async throws {
        let place = site.appending("small")
        try createFolder(place)
        try writeAtomically(to: place.appending("x.img.xz"), bytes: Array("no image\n".utf8))
        let sum = SHA256Digest.of("no image\n").hex
        let path = try await recipe("confirm", mirrors: ["small"], file: "x.img.xz", trust: "confirm")
        let arguments = ["--cache", root.appending("empty-cache").string, "-o", root.appending("refused").string]
        let stopped = try Program.piforge(["build", path.string] + arguments)
        #expect(stopped.status == 1)
        #expect(stopped.errors.contains("nothing vouches for a file but you"), "\(stopped.errors)")
        #expect(
            stopped.errors.contains("found:    x.img.xz, 9 bytes\n              sha256:\(sum)"), "\(stopped.errors)")
        #expect(stopped.errors.contains("next:     piforge lock accept \(path) --all"), "\(stopped.errors)")
        // Without a terminal nobody is asked, and nothing is accepted.
        let unasked = try Program.piforge(["lock", "accept", path.string, "--all"] + arguments)
        #expect(unasked.status == 2)
        #expect(unasked.output.contains("sha256:\(sum)"), "\(unasked.output)")
        #expect(unasked.errors.contains("there is no terminal to ask on; nothing was accepted"), "\(unasked.errors)")
        #expect(!exists(root.appending("confirm.lock")))
        let other = try Program.piforge(
            ["lock", "accept", path.string, "x.img.xz", String(repeating: "0", count: 64)] + arguments)
        #expect(other.status == 1)
        #expect(other.errors.contains("no file with this sum was fetched"), "\(other.errors)")
        let accepted = try Program.piforge(["lock", "accept", path.string, "x.img.xz", sum] + arguments)
        #expect(accepted.status == 0, "\(accepted.errors)")
        #expect(accepted.output.contains("accepted by the user on first use"), "\(accepted.output)")
        let lock = String(decoding: try readFile(root.appending("confirm.lock")), as: UTF8.self)
        #expect(lock.contains("\"sha256\":\"\(sum)\",\"trust\":\"accepted by the user on first use\""), "\(lock)")
        // Accepted, and still no image.
        let again = try Program.piforge(["build", path.string] + arguments)
        #expect(again.errors.contains("this is neither an .xz file nor a raw disk"), "\(again.errors)")
        // Another file of that name is not what was accepted.
        try writeAtomically(to: place.appending("x.img.xz"), bytes: Array("other image\n".utf8))
        removeTree(root.appending("empty-cache"))
        let replaced = try Program.piforge(["build", path.string] + arguments)
        #expect(replaced.status == 1)
        #expect(replaced.errors.contains("supply chain"), "\(replaced.errors)")
        removeTree(root.appending("empty-cache"))
        removeTree(place)
    }

    // MARK: The image

    /// Mirrors that are gone, busy and break off cost nothing but time: what was lost is fetched, and no more.
    @Test func imageIsMadeThroughMirrorsThatFail() async throws {
        let path = try await recipe("stock", mirrors: ["gone", "busy", "cut", "good"])
        let built = try Program.piforge(["build", path.string, "--cache", cache, "-o", out.string])
        #expect(built.status == 0, "\(built.errors)")
        let size = try OpenFile.reading(site.appending(Self.file)).size()
        let resumed = try await serve().requests.filter { $0.range != nil }
        let first = try #require(resumed.first)
        #expect(resumed.count == 1)
        let start = Int(first.range?.dropFirst("bytes=".count).dropLast() ?? "") ?? 0
        #expect(start > Int(size) / 3 && start <= Int(size) * 2 / 5, "\(first)")
        #expect(built.errors.contains("packages: 206 are in the stock image"), "\(built.errors)")
        #expect(files(below: root.appending("cache").appending("work")) == [])

        let manifest = try Manifest.read(out.appending("stock.manifest.json"))
        let pin = try #require(manifest.inputs.first { $0.kind == "base image" })
        #expect(pin.name == Self.file)
        #expect(pin.trust == "signature \(try fingerprint("publisher"))")
        #expect((manifest.base?.packages.count ?? 0) > 190)
        #expect(manifest.packages.contains { $0.name == "docker.io" })
        #expect(manifest.expectations.kernelConfig.contains("CONFIG_KVM=y"))
    }

    @Test func nothingChangedMeansNothingRuns() throws {
        let path = root.appending("stock.yaml").string
        let again = try Program.piforge(["build", path, "--offline", "--locked", "--cache", cache, "-o", out.string])
        #expect(again.status == 0, "\(again.errors)")
        #expect(again.output.contains("(nothing has changed)"))
        let plan = try Program.piforge(["plan", path, "--offline", "--cache", cache, "-o", out.string])
        #expect(plan.output.contains("base image"), "\(plan.output)")
        #expect(!plan.output.contains("  run "), "\(plan.output)")
    }

    /// Tools that are not piforge's read the image: what the stock image had is there, what had to change has changed.
    @Test func whatTheStockImageHadIsThere() throws {
        let raw = root.appending("raw.img")
        let unpacked = try Program.run(["sh", "-c", "xz -dc \(image) | dd of=\(raw) conv=sparse bs=1M status=none"])
        #expect(unpacked.status == 0)
        let parts = try Manifest.read(out.appending("stock.manifest.json")).partitionTable.partitions
        let boot = "\(raw)@@\(parts[0].start)"
        func shell(_ script: String) throws -> String {
            let outcome = try Program.run(
                ["sh", "-c", script],
                environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "MTOOLS_SKIP_CHECK": "1", "TZ": "UTC"])
            return outcome.output
        }
        let config = try shell("mtype -i \(boot) ::config.txt").split(separator: "\n").map(String.init)
        #expect(config.filter { $0.hasPrefix("kernel=") }.count == 1)
        #expect(config.contains { $0.hasPrefix("kernel=vmlinuz-6.1.") }, "\(config)")
        #expect(config.contains("dtparam=i2c_arm=on") && config.contains("total_mem=1024"), "\(config)")
        #expect(!config.contains { $0.hasPrefix("device_tree_address=") || $0.contains("kernel8.bin") }, "\(config)")
        // The file that config.txt names is ours; the other one is the stock image's.
        #expect(try shell("mtype -i \(boot) ::nobtcmd.txt").contains("root=LABEL=writable rw "))
        #expect(try shell("mtype -i \(boot) ::btcmd.txt").hasPrefix("dwc_otg.lpm_enable=0 "))
        #expect(try shell("mdir -b -i \(boot) ::overlays").contains("stock-only.dtbo"))
        #expect(try shell("mdir -b -i \(boot) ::").contains("start4.elf"))

        let part = root.appending("root.ext4")
        _ = try shell(
            "dd if=\(raw) of=\(part) bs=1M iflag=skip_bytes,count_bytes conv=sparse status=none skip=\(parts[1].start) count=\(parts[1].size)"
        )
        removeTree(raw)
        func look(_ command: String) throws -> String { try shell("debugfs -R '\(command)' \(part) 2>/dev/null") }
        #expect(try look("ea_list /srv/stock").contains("user.note (4) = \"kept\""))
        #expect(try look("stat /srv/stock/pipe").contains("Type: FIFO"))
        #expect(try look("stat /srv/stock/long").contains("Size: 82"))
        #expect(try look("stat /dev/console").contains("character special"))
        #expect(try look("cat /etc/fstab").split(separator: "\n").count == 2)
        #expect(try look("cat /etc/fstab").contains("LABEL=system-boot       /boot/firmware  vfat"))
        for hook in ["/etc/kernel/postinst.d/zz-flash-kernel", "/etc/initramfs/post-update.d/flash-kernel"] {
            #expect(try look("stat \(hook)") == "", "\(hook)")
        }
        let status = try look("cat /var/lib/dpkg/status")
        #expect(status.contains("Package: flash-kernel\nStatus: hold ok installed"))
        #expect(!status.contains("Status: install ok unpacked"))
        // Nobody gets in with the stock password or the stock key.
        let shadow = try look("cat /etc/shadow")
        #expect(shadow.contains("\nubuntu:!*:"), "\(shadow)")
        #expect(shadow.contains("\npi:$6$"), "\(shadow)")
        #expect(try look("stat /home/ubuntu/.ssh/authorized_keys") == "")
        #expect(try look("stat /etc/sudoers.d/90-cloud-init-users") == "")
        #expect(try look("stat /etc/cloud/cloud-init.disabled").contains("Type: regular"))
        #expect(!(try look("cat /var/lib/cloud/seed/nocloud-net/user-data")).contains("ubuntu:ubuntu"))
        removeTree(part)
    }

    @Test func verifyFindsBothFilesSound() throws {
        let ours = try Program.piforge(["verify", image.string, "--cache", cache])
        print(ours.output)
        #expect(ours.status == 0, "\(ours.output)")
        let stock = try Program.piforge([
            "verify", site.appending(Self.file).string, "--keyring", root.appending("keys.gpg").string, "--key",
            try fingerprint("publisher"), "--cache", cache,
        ])
        print(stock.output)
        #expect(stock.status == 0, "\(stock.output)")
        let stranger = try Program.piforge([
            "verify", site.appending(Self.file).string, "--keyring", root.appending("keys.gpg").string, "--key",
            try fingerprint("stranger"), "--cache", cache,
        ])
        #expect(stranger.status == 1, "\(stranger.output)")
        // Ubuntu's own keys, out of Debian's archive, as the shipped recipe has them: none of them signed the stand-in.
        let ubuntu = try Program.piforge([
            "verify", site.appending(Self.file).string, "--recipe", "recipes/ubuntu-18.04.3.yaml", "--cache", cache,
        ])
        #expect(ubuntu.status == 1, "\(ubuntu.errors)")
        #expect(ubuntu.output.contains("signature"), "\(ubuntu.output)")
        #expect(ubuntu.output.contains("not in the keyring"), "\(ubuntu.output)")
    }

    @Test(arguments: ["raspi4b", "virt"])
    func bootedImagePassesEveryCheck(machine: String) throws {
        let proof = try Program.piforge([
            "prove", image.string, "--machine", machine, "--cache", cache, "--log", root.string,
        ])
        print(proof.output)
        #expect(proof.status == 0, "\(proof.output)")
        #expect(!proof.output.contains("FAILED"))
    }
}
