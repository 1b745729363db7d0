import Foundation
import Recipe
import SystemPackage
import TestSupport
import Testing

@Suite struct GoodRecipes {
    private static let shipped = [
        "recipes/debian-13.yaml", "recipes/debian-13-small.yaml", "recipes/debian-13-unikernels.yaml",
    ]
    private static let folder = fixtures.appending("good")

    private func parse(_ text: String, _ overrides: [String] = [], home: FilePath? = nil) throws -> Recipe {
        try Recipe.parse(text, file: "x.yaml", folder: Self.folder, overrides: overrides, home: home)
    }

    @Test(arguments: shipped)
    func `the recipes of the project load`(path: String) throws {
        let recipe = try Recipe.load(path: repository.appending(path))
        #expect(recipe.name == FilePath(path).lastComponent?.stem)
        #expect(recipe.epoch == 1_793_491_200)
        #expect(recipe.packages.suites == ["trixie", "trixie-updates", "trixie-security"])
        #expect(recipe.accounts.users.map(\.name) == ["pi"])
        #expect(recipe.accounts.users.map(\.password) == [.generate])
        #expect(recipe.accounts.users.map(\.uid) == [1000])
        #expect(recipe.accounts.root.isLocked)
        #expect(!recipe.system.ssh.passwordLogin)
    }

    @Test func `the recipe of the stock image loads`() throws {
        let recipe = try Recipe.load(path: repository.appending("recipes/ubuntu-18.04.3.yaml"))
        let stock = try #require(recipe.stock)
        #expect(recipe.name == "ubuntu-18.04.3")
        #expect(stock.file.hasSuffix(".img.xz") && stock.mirrors.count == 4)
        guard case .signature(let sums) = stock.trust else {
            Issue.record("the image is not proven by a signature")
            return
        }
        #expect(sums.keys == ["843938DF228D22F7B3742BC0D94AA3F0EFE21092"])
        #expect(sums.keyring == .package("ubuntu-archive-keyring"))
        #expect(recipe.packages.sources.map(\.name) == ["ports", "debian"])
        #expect(recipe.packages.sources.map(\.onBoard) == [false, true])
        #expect(recipe.kernel.source?.origin == .debian(package: "linux-source-6.12", suite: "trixie"))
        let fragments = [
            "slim", "rpi4", "memory-1g", "gic", "kvm", "virtio", "docker", "unikernel", "old-userland",
        ]
        #expect(recipe.kernel.fragments.map(\.written) == fragments)
        #expect(
            recipe.kernel.fragments.map(\.path)
                == fragments.map { repository.appending("kernel-configs/\($0).config") })
        #expect(recipe.accounts.stock == .locked)
        #expect(recipe.accounts.users.map(\.uid) == [nil])
        #expect(recipe.docker.origin == .docker)
        #expect(recipe.containerRuntimes.map(\.name) == ["nabla", "hvt"])
    }

    @Test func `every key of a stock image can be set`() throws {
        let recipe = try parse(contents(of: Self.folder.appending("stock.yaml")))
        var sums = StockBase.SignedSums()
        sums.sums = "SHA512SUMS"
        sums.file = "SHA512SUMS.asc"
        sums.keys = ["843938DF228D22F7B3742BC0D94AA3F0EFE21092"]
        sums.keyring = .file(HostPath(path: fixtures.appending("keys/ada.pub"), written: "../keys/ada.pub"))
        sums.allowsWeakKeys = true
        let stock = try #require(recipe.stock)
        #expect(stock.trust == .signature(sums))
        #expect(stock.mirrors == ["https://mirror.example.org/releases/", "../keys"])
        #expect(recipe.packages.suites.isEmpty)
        #expect(recipe.packages.upgrade)
        #expect(recipe.packages.sources.map(\.uris.count) == [2, 0, 1])
        #expect(recipe.packages.sources.map(\.suites) == [["bionic", "bionic-updates"], ["bookworm"], ["bionic"]])
        #expect(recipe.packages.sources.map(\.only) == [[], ["linux-image-*", "raspi-firmware"], []])
        #expect(
            recipe.packages.sources.map(\.keyring) == [
                .package("ubuntu-archive-keyring"), nil,
                .url(
                    "https://mirror.example.org/other/gpg", keys: ["9DC858229FC7DD38854AE2D88D81803C0EBFCD88"]),
            ])
        #expect(recipe.kernel.package == "linux-image-rpi")
        #expect(recipe.kernel.fragments.map(\.path.lastComponent?.string) == ["kvm.config", "virtio.config"])
        #expect(recipe.docker.origin == .docker)
        #expect(recipe.accounts.stock == .kept)
    }

    /// What vouches for a stock image, each way.
    @Test(arguments: [
        ("confirm", StockBase.Trust.confirmation),
        (
            "{digest: 'sha256:\(String(repeating: "7a", count: 32))'}",
            .digest("sha256:\(String(repeating: "7a", count: 32))")
        ),
        (
            "{digest: 'sha512:\(String(repeating: "7a", count: 64))'}",
            .digest("sha512:\(String(repeating: "7a", count: 64))")
        ),
        ("{digest: 'md5:\(String(repeating: "7a", count: 16))'}", .digest("md5:\(String(repeating: "7a", count: 16))")),
    ])
    func `a stock image is trusted for a reason`(text: String, trust: StockBase.Trust) throws {
        let recipe = try parse(
            contents(of: Self.folder.appending("stock.yaml")), ["base.image.trust=\(text)"])
        #expect(recipe.stock?.trust == trust)
    }

    @Test func `sources may stand in a recipe of Debian, and take the place of its suites`() throws {
        let recipe = try parse(
            least, ["packages.sources=[{name: debian, suites: [trixie], components: [main], only: [less]}]"])
        #expect(recipe.packages.suites.isEmpty)
        #expect(try parse(recipe.canonical) == recipe)
    }

    /// Where a kernel's source is, each way.
    @Test(arguments: [
        ("{debian: linux-source-6.12}", KernelSource.Origin.debian(package: "linux-source-6.12", suite: "trixie")),
        (
            "{debian: linux-source-6.1, suite: bookworm}",
            .debian(package: "linux-source-6.1", suite: "bookworm")
        ),
        (
            "{tarball: ../linux.tar, sha256: \(String(repeating: "7a", count: 32))}",
            .tarball("../linux.tar", sha256: String(repeating: "7a", count: 32))
        ),
        (
            "{git: https://example.org/linux, commit: \(String(repeating: "7a", count: 20))}",
            .git("https://example.org/linux", commit: String(repeating: "7a", count: 20))
        ),
        ("{tree: ../keys}", .tree(HostPath(path: fixtures.appending("keys"), written: "../keys"))),
    ])
    func `a kernel's source has an origin`(text: String, origin: KernelSource.Origin) throws {
        let recipe = try parse(least, ["kernel={source: \(text)}"])
        #expect(recipe.kernel.source?.origin == origin)
        #expect(recipe.kernel.source?.defconfig == "defconfig")
        #expect(try parse(recipe.canonical) == recipe)
    }

    @Test func `a kernel's source may be patched, and start from another defconfig`() throws {
        let recipe = try parse(contents(of: Self.folder.appending("kernel.yaml")))
        let source = try #require(recipe.kernel.source)
        #expect(source.defconfig == "bcm2711_defconfig")
        #expect(recipe.kernel.initramfs == .no)
        #expect(source.patches.map(\.file.written) == ["../keys/empty.pub"])
        #expect(source.patches.map(\.sha256.count) == [64])
        #expect(try parse(recipe.canonical) == recipe)
    }

    @Test func `the project's own kernels name their sources`() throws {
        let debian = try Recipe.load(path: repository.appending("recipes/debian-13-custom-kernel.yaml"))
        #expect(debian.kernel.source?.origin == .debian(package: "linux-source-6.12", suite: "trixie"))
        #expect(debian.kernel.fragments.count == 8)
        let posted = try Recipe.load(path: repository.appending("recipes/ubuntu-18.04.3-as-posted.yaml"))
        #expect(posted.kernel.source?.defconfig == "bcm2711_defconfig")
        #expect(posted.memory.limit == .gibibytes(1))
    }

    @Test func `only the small recipe limits the memory`() throws {
        let limits = try Self.shipped.map { try Recipe.load(path: repository.appending($0)).memory.limit?.description }
        #expect(limits == [nil, "1G", nil])
    }

    @Test func `every default is there when a recipe has only what is required`() throws {
        let recipe = try parse(least)
        #expect(recipe.seed == "least")
        #expect(recipe.base == .debian(suite: "trixie"))
        #expect(recipe.packages.components == ["main", "non-free-firmware"])
        #expect(recipe.packages.keyring.path == "/usr/share/keyrings/debian-archive-keyring.gpg")
        #expect(!recipe.packages.recommends)
        #expect(recipe.kernel.package == "linux-image-arm64")
        #expect(recipe.firmware.package == "raspi-firmware")
        #expect(recipe.memory.limit == nil)
        #expect(recipe.accounts == .init())
        #expect(recipe.system.timezone == "UTC")
        #expect(recipe.system.locale == "C.UTF-8")
        #expect(recipe.system.serialConsole)
        #expect(recipe.disk.bootSize == .mebibytes(512))
        #expect(recipe.disk.rootSize == nil)
        #expect(recipe.disk.freeSpace == .mebibytes(512))
        #expect(recipe.output.compression.preset == 6)
        #expect(recipe.output.compression.filter == .none)
        #expect(recipe.output.compression.blockSize == .mebibytes(8))
        #expect(recipe.output.companions == ["bmap", "spdx", "cyclonedx", "imager", "provenance"])
        #expect(recipe.output.imager == .init())
    }

    @Test func `every key can be set`() throws {
        let recipe = try parse(contents(of: Self.folder.appending("everything.yaml")))
        #expect(recipe.epoch == 1_793_536_496)
        #expect(recipe.output.companions == ["imager", "bmap"])
        #expect(recipe.output.imager.url == "https://example.org/images/")
        #expect(recipe.output.imager.devices == ["pi4-64bit", "pi4-32bit"])
        #expect(recipe.packages.installNames.suffix(3) == ["libstdc++6", "qemu-utils", "runsc"])
        #expect(
            recipe.packages.preferences == [
                .init(package: "qemu-*", pin: "release n=trixie-backports", priority: 990)
            ])
        #expect(recipe.packages.sources.isEmpty)
        #expect(
            recipe.packages.extraSources.map(\.suites) == [
                ["./", "sub/dir/"], ["bookworm/updates"], ["/"],
            ])
        #expect(
            recipe.packages.extraSources.map(\.components) == [
                [], ["20.04", "main/debian-installer"], [],
            ])
        #expect(
            recipe.packages.extraSources.map(\.boardURIs)
                == [["https://repo.example.org/debs"], [], ["http://repo.example.org"]])
        #expect(
            recipe.overlays.map(\.owner) == [
                .init(), .init(uid: 1001, gid: 1001), .init(uid: 33, gid: 34),
            ])
        #expect(recipe.overlays[1].modes == [.init(path: "etc/motd", mode: 0o440)])
        #expect(
            recipe.overlays.map(\.folder.path) == [
                fixtures.appending("overlays/motd"), fixtures.appending("overlays/motd"),
                fixtures.appending("overlays"),
            ])
        #expect(recipe.accounts.users.map(\.uid) == [1001, 1000, 1002, 1003])
        #expect(recipe.accounts.users.map(\.sudo) == [.nopasswd, .password, .no, .no])
        #expect(recipe.accounts.users[0].sshKeys.map(\.comment) == ["ada@laptop", "ada@desk", "spaces in a comment"])
        #expect(recipe.accounts.root.password == .environment("ROOT_PASSWORD"))
        #expect(recipe.system.wifi?.country == "NO")
        #expect(recipe.system.services.enable == ["docker.service", "fstrim.timer"])
        #expect(recipe.disk.rootSize == .gibibytes(6))
        #expect(recipe.disk.freeSpace.bytes == 0)
    }

    @Test(arguments: [
        "GMT", "Etc/GMT+12", "US/Eastern", "Asia/Calcutta", "America/Indiana/Knox", "W-SU", "EST5EDT",
    ])
    func `a time zone may have an old name`(zone: String) throws {
        #expect(
            try parse(
                least, ["system.timezone=\(zone)", "packages.install=[openssh-server, sudo, tzdata]"]
            ).system.timezone == zone)
    }

    @Test func `every way of customising that Imager knows can be named`() throws {
        for format in ["none", "systemd", "cloudinit", "cloudinit-rpi", "rpi-preseed"] {
            #expect(
                try parse(least, ["output.imager.init_format=\(format)"]).output.imager.initFormat == format
            )
        }
    }

    @Test func `the canonical form is the same recipe with every default written out`() throws {
        let texts =
            [least] + (try ["everything", "stock"].map { try contents(of: Self.folder.appending("\($0).yaml")) })
        for text in texts {
            let recipe = try parse(text)
            let again = try parse(recipe.canonical)
            #expect(again == recipe)
            #expect(again.canonical == recipe.canonical)
        }
    }

    @Test func `the canonical form names no folder of the host`() throws {
        for name in ["everything", "stock"] {
            let recipe = try parse(contents(of: Self.folder.appending("\(name).yaml")))
            #expect(!recipe.canonical.contains(repository.string))
        }
    }

    @Test func `the canonical form holds no secret, and changes when one does`() throws {
        let salt = "0123456789abcdef"
        let hashes = ["a", "b"].map { "$6$\(salt)$" + String(repeating: $0, count: 86) }
        let keys = ["1", "2"].map { String(repeating: $0, count: 64) }
        func canonical(_ hash: String, _ key: String) throws -> String {
            try parse(
                least,
                [
                    "accounts.users=[{name: pi, password: {hash: '\(hash)'}}]",
                    "system.wifi={country: DE, ssid: home, passphrase: {psk: '\(key)'}}",
                    "packages.install=[openssh-server, wpasupplicant, wireless-regdb, firmware-brcm80211]",
                ]
            ).canonical
        }
        let first = try canonical(hashes[0], keys[0])
        #expect(!first.contains(salt) && !first.contains(keys[0]))
        #expect(try first != canonical(hashes[1], keys[0]))
        #expect(try first != canonical(hashes[0], keys[1]))
        #expect(try first == canonical(hashes[0], keys[0]))
    }

    /// Hashes as libcrypt makes them.
    @Test(arguments: [
        "$y$j9T$abcdefghijklmnop$xxI14acrF4kcY59GsyqJ1DqdhVdc9N0f1.omTKnq.61",
        "$6$rounds=20000$abcdefgh$6gG3kGYaPPEYycUB5bGpbANMg5mUFmFh8cwWoupsQd1eUTW2oKr2JIdjnNSKOsEVX69XVJoZLAJh7JEWIr7SQ.",
    ])
    func `a yescrypt or SHA-512 hash is accepted`(hash: String) throws {
        let recipe = try parse(least, ["accounts.users=[{name: pi, password: {hash: '\(hash)'}}]"])
        #expect(recipe.accounts.users[0].password == .hash(hash))
    }

    @Test func `an alias stands for what it names`() throws {
        let recipe = try parse(
            least + "firmware: {cmdline: &words [quiet]}\nsystem: {hostname: &n rpi4}\ndescription: *n\n")
        #expect(recipe.description == "rpi4")
    }

    @Test(arguments: [
        "[EDID=DEL-DELL_U2422H]", "[boot_partition=2]", "[bootvar0&0x10]", "[pi3+]", "[HDMI:1]", "hdmi_mode:1=82",
        "include more.txt", "gpio=12=op,dh", "# piforge: known", "dtoverlay=",
    ])
    func `a line of config txt may be what the firmware reads`(line: String) throws {
        #expect(try parse(least, ["firmware.config=['\(line)']"]).firmware.config == [line])
    }

    @Test func `a home folder stands for the tilde`() throws {
        let user = "accounts.users=[{name: pi, ssh_keys: [{file: ~/keys/ada.pub}]}]"
        #expect(try parse(least, [user], home: fixtures).accounts.users[0].sshKeys.count == 2)
    }

    @Test(arguments: [
        ("1980-01-01", 315_532_800), ("2000-02-29", 951_782_400), ("2026-11-01", 1_793_491_200),
        ("2106-02-07T06:28:15Z", 4_294_967_295), ("1700000000", 1_700_000_000),
    ])
    func `an epoch is a date, a time or seconds`(text: String, seconds: Int64) throws {
        #expect(try parse(least, ["epoch=\(text)"]).epoch == seconds)
    }

    @Test(arguments: [
        ("0", 0), ("1K", 1024), ("512M", 512 << 20), ("1536M", 1536 << 20), ("1024M", 1 << 30), ("3G", 3 << 30),
    ])
    func `a size is a whole number of binary units`(text: String, bytes: UInt64) {
        #expect(ByteCount(text)?.bytes == bytes)
        #expect(ByteCount(bytes: bytes).description == (text == "1024M" ? "1G" : text))
    }

    @Test(arguments: [
        "", "G", "1", "1.5G", "-1G", "+1G", "01G", "0G", "1GB", "1g", "1 G", "1T", "99999999999999999999G", "2000000G",
    ])
    func `anything else is no size`(text: String) { #expect(ByteCount(text) == nil) }
}
