import Diagnostics
import Digests
import Layers
import Steps
import Storage
import SystemPackage
import TestSupport
import Testing

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
        let error = failure { try step.apply(to: tree, epoch: epoch) }
        #expect(error?.message == message)
        #expect(error?.expected == "C.UTF-8, de_DE.utf8, sr_RS.utf8@latin")
    }

    @Test func unknownTimeZoneIsRefused() throws {
        let step = SystemStep(hostname: "x", timezone: "Europe/Atlantis", locale: "C.UTF-8")
        let error = failure { try step.apply(to: sampleTree(), epoch: epoch) }
        #expect(
            error?.description == """
                system.timezone: the image has no time zone 'Europe/Atlantis'
                  next:     choose one of /usr/share/zoneinfo, or add tzdata-legacy to packages.install for the old name
                """)
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
        let error = failure { try step.apply(to: tree, epoch: epoch) }
        #expect(error?.description == message)
    }

    /// Debian 12 and Ubuntu 18.04 have the old names in tzdata.
    @Test func packageOfOldNamesIsNamedWhereTheReleaseHasIt() throws {
        let tree = try sampleTree([
            file("usr/share/zoneinfo/tzdata.zi", Self.database), file("usr/share/zoneinfo/US/Eastern", "x"),
            file("usr/share/zoneinfo/Europe/Berlin", "x"),
        ])
        for (zone, known, next) in [
            ("Older/Berlin", ", an old name of Europe/Berlin", "write timezone: Europe/Berlin"),
            ("Nowhere/At/All", "", "choose one of /usr/share/zoneinfo"),
        ] {
            let step = SystemStep(hostname: "x", timezone: zone, locale: "C.UTF-8")
            let error = failure { try step.apply(to: tree, epoch: epoch) }
            #expect(
                error?.description
                    == "system.timezone: the image has no time zone '\(zone)'\(known)\n  next:     \(next)")
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
            let error = failure { try step.apply(to: tree, epoch: epoch) }
            #expect(error?.message == "the image has no time zone '\(old)', an old name of \(present)")
        }
    }
}
