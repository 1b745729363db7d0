import Diagnostics
import Digests
import Layers
import Recipe
import Steps
import Storage
import SystemPackage
import Testing

@Suite struct BootStepTests {
    private let step = BootStep(
        partition: "PARTUUID=1234abcd-02", memoryLimit: 1024, serialConsole: true, extraConfig: ["dtparam=audio=off"],
        extraCommandLine: ["quiet"])

    @Test func bootPartitionHoldsExactlyWhatTheFirmwareNeeds() throws {
        let tree = try sampleTree()
        let result = try tree.with(step.apply(to: tree, facts(), epoch: epoch))
        let names = result.subtree("boot/firmware")?.paths.map(\.description)
        #expect(
            names == [
                "/", "/bcm2711-rpi-4-b.dtb", "/cmdline.txt", "/config.txt", "/fixup4.dat", "/initrd.img-6.12.1-arm64",
                "/overlays", "/overlays/a.dtbo", "/start4.elf", "/vmlinuz-6.12.1-arm64",
            ])
        #expect(
            try result.text("boot/firmware/cmdline.txt") == """
                console=tty0 console=ttyS1,115200 root=LABEL=writable rw fsck.repair=yes net.ifnames=0 rootwait \
                mem=1024M quiet

                """)
        let config = try result.text("boot/firmware/config.txt")?.split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(
            config == [
                "arm_64bit=1", "enable_uart=1", "upstream_kernel=1", "kernel=vmlinuz-6.12.1-arm64",
                "initramfs initrd.img-6.12.1-arm64", "enable_gic=1", "disable_overscan=1", "arm_boost=1",
                "total_mem=1024",
                "dtparam=audio=off",
            ])
    }

    @Test func boardsOwnHookIsToldTheSameSettings() throws {
        let tree = try sampleTree()
        let result = try tree.with(step.apply(to: tree, facts(), epoch: epoch))
        #expect(
            try result.text("etc/default/raspi-firmware-custom")
                == "enable_gic=1\ndisable_overscan=1\narm_boost=1\ntotal_mem=1024\ndtparam=audio=off\n")
        #expect(
            try result.text("etc/default/raspi-extra-cmdline")
                == "mem=1024M quiet\n")
        #expect(try result.text("etc/default/raspi-firmware")?.contains("ROOTPART=\"LABEL=writable\"") == true)
    }

    /// A kernel that mounts its root by itself: nothing names an initramfs, the root is a partition, and the board's hook keeps to it.
    @Test func withoutAnInitramfsNothingNamesOne() throws {
        let tree = try sampleTree()
        let result = try tree.with(step.apply(to: tree, facts(hasInitramfs: false), epoch: epoch))
        #expect(result.subtree("boot/firmware")?.paths.contains { "\($0)".contains("initrd") } == false)
        #expect(try result.text("boot/firmware/config.txt")?.contains("initramfs") == false)
        #expect(try result.text("boot/firmware/cmdline.txt")?.contains(" root=PARTUUID=1234abcd-02 rw ") == true)
        // Mounted read-only first, so that it is checked; the last of `ro` and `rw` counts.
        #expect(try result.text("boot/firmware/cmdline.txt")?.contains(" rootwait ro ") == true)
        #expect(try result.text("etc/default/raspi-extra-cmdline")?.hasPrefix("ro ") == true)
        let defaults = try result.text("etc/default/raspi-firmware")
        #expect(defaults?.contains("\nROOTPART=\"PARTUUID=1234abcd-02\"\n") == true)
        #expect(defaults?.hasSuffix("\nKERNEL=\"vmlinuz-6.12.1-arm64\"\nINITRAMFS=\"no\"\n") == true)
    }

    @Test func missingFirmwareIsNamed() throws {
        let tree = try sampleTree().with(Layer(name: "x", whiteouts: ["usr/lib/raspi-firmware/start4.elf"]))
        let error = #expect(throws: Failure.self) { try step.apply(to: tree, facts(), epoch: epoch) }
        #expect(error?.message == "the image has no /usr/lib/raspi-firmware/start4.elf")
    }
}

@Suite struct SystemStepTests {
    @Test func machineIsNamedAndItsIdentityLeftToTheFirstBoot() throws {
        let tree = try sampleTree()
        let step = SystemStep(hostname: "rpi4", timezone: "Europe/Berlin", locale: "C.UTF-8")
        let result = try tree.with(step.apply(to: tree, epoch: epoch))
        #expect(try result.text("etc/hostname") == "rpi4\n")
        #expect(try result.text("etc/hosts")?.contains("127.0.1.1 rpi4\n") == true)
        let whole = SystemStep(hostname: "rpi4.example.org", timezone: "UTC", locale: "C.UTF-8")
        let named = try tree.with(whole.apply(to: tree, epoch: epoch))
        #expect(try named.text("etc/hosts")?.contains("127.0.1.1 rpi4.example.org rpi4\n") == true)
        // The board's clock does not begin before its image.
        #expect(result["usr/lib/clock-epoch"]?.attributes.mtime.seconds == epoch)
        #expect(result["etc/localtime"]?.kind == .symlink(Array("/usr/share/zoneinfo/Europe/Berlin".utf8)))
        #expect(try result.text("etc/machine-id") == "")
        #expect(try result.text("etc/default/locale") == "LANG=C.UTF-8\n")
    }

    @Test(
        arguments: [
            ("C.UTF-8", nil), ("de_DE.UTF-8", nil), ("sr_RS.UTF-8@latin", nil), ("fr_FR.UTF-8", nil),
            ("tlh_QO.UTF-8", "the image has no locale 'tlh_QO.UTF-8'"),
        ] as [(String, String?)])
    func localeMustBeInTheImage(locale: String, message: String?) throws {
        func folder(_ name: String) throws -> Entry {
            Entry(
                try EntryPath(validating: "usr/lib/locale/\(name)"),
                Attributes(mode: 0o755, mtime: Timestamp(seconds: 1)),
                .directory)
        }
        let archive = Entry(
            "usr/lib/locale/locale-archive", Attributes(mode: 0o644, mtime: Timestamp(seconds: 1)),
            .regular(Content([1, 2, 0] + Array("fr_FR.utf8\0xx".utf8))))
        let tree = try sampleTree([folder("de_DE.utf8"), folder("sr_RS.utf8@latin"), archive])
        let step = SystemStep(hostname: "x", timezone: "UTC", locale: locale)
        guard let message else {
            let result = try tree.with(step.apply(to: tree, epoch: epoch))
            #expect(try result.text("etc/locale.conf") == "LANG=\(locale)\n")
            return
        }
        let error = #expect(throws: Failure.self) { try step.apply(to: tree, epoch: epoch) }
        #expect(error?.message == message)
        #expect(error?.expected == "C.UTF-8, de_DE.utf8, sr_RS.utf8@latin")
    }

    @Test func unknownTimeZoneIsRefused() throws {
        let step = SystemStep(hostname: "x", timezone: "Europe/Atlantis", locale: "C.UTF-8")
        let error = #expect(throws: Failure.self) { try step.apply(to: sampleTree(), epoch: epoch) }
        #expect(
            error?.description == """
                system.timezone: the image has no time zone 'Europe/Atlantis'
                  next:     choose one of /usr/share/zoneinfo, or add tzdata-legacy to packages.install for the old name
                """)
    }

    private func file(_ path: EntryPath, _ text: String) -> Entry {
        Entry(path, Attributes(mode: 0o644, mtime: Timestamp(seconds: 1)), .regular(Content(text)))
    }

    /// As in the package tzdata of Debian 13, which has the lines of all old names and the files of none.
    private static let database = """
        # version 2026f
        R E 1977 1980 - Ap Su>=1 1u 1 S
        Z Europe/Berlin 0:53:28 - LMT 1893 Ap
        1 c CE%sT 1945 May 24 2
        Z America/New_York -4:56:2 - LMT 1883 N 18 17u
        L Europe/Berlin Old/Berlin
        L Old/Berlin Older/Berlin
        L Loop/A Loop/B
        L Loop/B Loop/A
        L America/New_York US/Eastern

        """

    @Test(arguments: [
        (
            "Older/Berlin",
            """
            system.timezone: the image has no time zone 'Older/Berlin', an old name of Europe/Berlin
              next:     write timezone: Europe/Berlin, or add tzdata-legacy to packages.install for the old name
            """
        ),
        (
            "Europe/Berln",
            """
            system.timezone: the image has no time zone 'Europe/Berln'. Did you mean 'Europe/Berlin'?
              next:     write timezone: Europe/Berlin
            """
        ),
        // What is named must be there.
        (
            "US/Eastern",
            """
            system.timezone: the image has no time zone 'US/Eastern'
              next:     choose one of /usr/share/zoneinfo, or add tzdata-legacy to packages.install for the old name
            """
        ),
        (
            "Loop/A",
            """
            system.timezone: the image has no time zone 'Loop/A'
              next:     choose one of /usr/share/zoneinfo, or add tzdata-legacy to packages.install for the old name
            """
        ),
    ])
    func oldTimeZoneIsAnsweredWithThePresentName(zone: String, message: String) throws {
        let tree = try sampleTree([file("usr/share/zoneinfo/tzdata.zi", Self.database)])
        let step = SystemStep(hostname: "x", timezone: zone, locale: "C.UTF-8")
        let error = #expect(throws: Failure.self) { try step.apply(to: tree, epoch: epoch) }
        #expect(error?.description == message)
    }

    /// Debian 12 and Ubuntu 18.04 have the old names in tzdata.
    @Test func packageOfOldNamesIsNamedWhereTheReleaseHasIt() throws {
        let tree = try sampleTree([
            file("usr/share/zoneinfo/tzdata.zi", Self.database), file("usr/share/zoneinfo/US/Eastern", "x"),
            file("usr/share/zoneinfo/Europe/Berlin", "x"),
        ])
        for (zone, next) in [
            ("Older/Berlin", "write timezone: Europe/Berlin"), ("Nowhere/At/All", "choose one of /usr/share/zoneinfo"),
        ] {
            let step = SystemStep(hostname: "x", timezone: zone, locale: "C.UTF-8")
            let error = #expect(throws: Failure.self) { try step.apply(to: tree, epoch: epoch) }
            #expect(error?.next == next)
        }
    }

    /// This machine's database, where it has one: every old name in it leads to a zone of the database.
    @Test(.enabled(if: exists("/usr/share/zoneinfo/tzdata.zi")))
    func databaseOfThisMachineIsUnderstood() throws {
        let text = String(
            decoding: try readFile("/usr/share/zoneinfo/tzdata.zi", limit: 4 << 20), as: UTF8.self)
        let tree = try sampleTree(
            ["tzdata.zi", "Asia/Kolkata", "America/New_York"].map {
                file(EntryPath("usr/share/zoneinfo").appending($0), text)
            })
        for (old, present) in [("Asia/Calcutta", "Asia/Kolkata"), ("US/Eastern", "America/New_York")] {
            let step = SystemStep(hostname: "x", timezone: old, locale: "C.UTF-8")
            let error = #expect(throws: Failure.self) { try step.apply(to: tree, epoch: epoch) }
            #expect(error?.message == "the image has no time zone '\(old)', an old name of \(present)")
        }
    }
}

@Suite struct UnitTests {
    @Test func enablingMakesTheLinksOfTheInstallSection() throws {
        let tree = try sampleTree()
        let result = try tree.with(
            SSHStep(isEnabled: true, passwordLogin: false, port: 22).apply(to: tree, epoch: epoch))
        let target = EntryKind.symlink(Array("/usr/lib/systemd/system/ssh.service".utf8))
        #expect(result["etc/systemd/system/multi-user.target.wants/ssh.service"]?.kind == target)
        #expect(result["etc/systemd/system/sshd.service"]?.kind == target)
        #expect(
            try result.text("etc/ssh/sshd_config.d/10-piforge.conf")?.contains("PasswordAuthentication no\n") == true)
        let off = try result.with(
            SSHStep(isEnabled: false, passwordLogin: false, port: 22).apply(to: result, epoch: epoch))
        #expect(off["etc/systemd/system/multi-user.target.wants/ssh.service"] == nil)
        #expect(off["etc/systemd/system/sshd.service"] == nil)
    }

    @Test(arguments: [
        ("shh", "system.services.enable: the image has no unit 'shh.service'. Did you mean 'ssh.service'?"),
        (
            "quiet",
            "system.services.enable: the unit quiet.service has no [Install] section, so it cannot be enabled"
        ),
    ])
    func unitsThatCannotBeEnabledAreRefused(unit: String, message: String) throws {
        let tree = try sampleTree()
        let error = #expect(throws: Failure.self) {
            try ServicesStep(enable: [unit], disable: []).apply(to: tree, epoch: epoch)
        }
        #expect(error?.description == message)
    }

    private var wifi: Recipe.System.Wifi {
        var wifi = Recipe.System.Wifi()
        wifi.country = "DE"
        wifi.ssid = "IEEE"
        wifi.passphrase = .environment("WIFI")
        return wifi
    }

    @Test(arguments: [("1234567", "7"), (String(repeating: "x", count: 64), "64"), (nil, "none")])
    func aPassPhraseThatWPADoesNotKnowIsRefused(phrase: String?, found: String) {
        let error = #expect(throws: Failure.self) { try NetworkStep(wifi, passphrase: phrase) }
        #expect(
            error?.description == """
                system.wifi.passphrase: the pass phrase has a length that WPA does not know
                  expected: 8 to 63 characters
                  found:    \(found)
                """)
    }

    @Test func wirelessNetworkIsJoinedByItsKey() throws {
        // IEEE 802.11-2020, annex J.4.2, test case 1.
        let key = wirelessKey(passphrase: "password", ssid: "IEEE")
        #expect(key == "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e")
        let tree = try sampleTree()
        let step = try NetworkStep(wifi, passphrase: "password")
        let result = try tree.with(step.apply(to: tree, epoch: epoch))
        let path: EntryPath = "etc/wpa_supplicant/wpa_supplicant-wlan0.conf"
        #expect(result[path]?.attributes.mode == 0o600)
        #expect(try result.text(path)?.contains("ssid=49454545\n") == true)
        // Nothing that a boot waits for wants it.
        let wants = result.paths.filter { $0.name.elementsEqual("wpa_supplicant@wlan0.service".utf8) }
        #expect(
            wants == [
                "etc/systemd/system/sys-subsystem-net-devices-wlan0.device.wants/wpa_supplicant@wlan0.service"
            ])
        #expect(result.content(wants[0]) != nil)
        #expect(!step.inputs.contains { $0.value.contains(key ?? "") })
    }

    /// What a stock image lacks is seen here first: a recipe from packages is refused without them.
    @Test(arguments: [
        (
            "brcm/brcmfmac43455-sdio.bin.xz",
            """
            system.wifi: the image has no firmware for the radio of a Pi 4B
              expected: /usr/lib/firmware/brcm/brcmfmac43455-sdio.bin
              next:     add firmware-brcm80211 (Debian) or linux-firmware (Ubuntu) to packages.install, or leave system.wifi out
            """
        ),
        (
            "regulatory.db",
            """
            system.wifi: the image has no radio rules of countries
              expected: /usr/lib/firmware/regulatory.db
              next:     add wireless-regdb to packages.install, or leave system.wifi out
            """
        ),
    ])
    func wifiWithoutTheRadiosFilesIsRefused(file: String, message: String) throws {
        let path = try EntryPath(validating: "usr/lib/firmware/\(file)")
        let tree = try sampleTree().with(Layer(name: "x", whiteouts: [path]))
        _ = try NetworkStep(nil).apply(to: tree, epoch: epoch)
        let error = #expect(throws: Failure.self) {
            try NetworkStep(wifi, passphrase: "password").apply(to: tree, epoch: epoch)
        }
        #expect(error?.description == message)
    }
}
