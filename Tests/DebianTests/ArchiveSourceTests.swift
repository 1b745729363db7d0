import Debian
import Diagnostics
import Digests
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite struct ArchiveSourceTests {
    @Test func anArchivesNameFollowsFromItsBaseURIs() throws {
        func source(_ suite: String, _ name: String?, _ uris: [String] = []) throws -> ArchiveSource {
            try ArchiveSource(suite: suite, components: ["main"], name: name, uris: uris)
        }
        let ports = try source("bionic-security", "ports", ["http://mirror.example.org/ports//", "file:/srv/ports"])
        #expect(ports.kind.rawValue == "ports")
        #expect(ports.uris == ["http://mirror.example.org/ports", "file:/srv/ports"])
        // Without base URIs it is Debian's, whatever the recipe calls it.
        #expect(try source("bookworm", "mine").kind == .debian)
        #expect(try source("bookworm-security", "mine").kind == .security)
        let mirrors = try ArchiveMirrors(debian: ["http://mirror.example.org/debian"], security: []).adding([ports])
        #expect(mirrors.bases(for: ports.kind) == ports.uris)
        #expect(mirrors.bases(for: .updates) == ["http://mirror.example.org/debian"])
        #expect(mirrors.bases(for: .init(rawValue: "nobody")).isEmpty)
        #expect(
            mirrors.urls(for: ports.kind, path: "pool/main/b/b+c.deb") == [
                "http://mirror.example.org/ports/pool/main/b/b%2Bc.deb", "file:/srv/ports/pool/main/b/b%2Bc.deb",
            ])
        let failure = failure { try source("x", "ports", ["ftp://mirror.example.org"]) }
        #expect(
            failure?.description == """
                ports: 'ftp://mirror.example.org' is not a mirror's URI
                  expected: a http:, https:, file: or copy: URI without blanks
                """)
    }

    /// Two archives with a suite of the same name, and a package that both have.
    private func archives(preferences: String = "") async throws -> (TestArchive, TestArchive, Solution) {
        let (one, two) = (try await TestArchive(), try await TestArchive())
        try await one.publish([
            .init(name: "hello", version: "1.0", fields: "Depends: tool"), .init(name: "tool", version: "1.0"),
        ])
        try await two.publish([
            .init(name: "hello", version: "2.0", fields: "Depends: tool"), .init(name: "tool", version: "2.0"),
        ])
        let sources = try [("one", one), ("two", two)].map { name, archive in
            try ArchiveSource(
                suite: "trixie", components: ["main"], keyring: archive.keyring, name: name,
                uris: ["file:\(archive.debian)"])
        }
        let solver = try AptSolver(
            sources: sources, architecture: "arm64",
            mirrors: try ArchiveMirrors(debian: [], security: []).adding(sources),
            folder: one.folder.path.appending("indices"))
        try await solver.update(.refresh)
        let request = try PackageRequest(
            sources: sources, packages: ["hello"], preferences: preferences, addsEssential: false)
        return (one, two, try await solver.resolve(request))
    }

    @Test func suitesOfOneNameInTwoArchivesAreKeptApart() async throws {
        let (_, _, solution) = try await archives()
        #expect(
            solution.packages.map { "\($0.name) \($0.version) \($0.archive.rawValue)" } == [
                "hello 2.0 two", "tool 2.0 two",
            ])
        let (_, _, other) = try await archives(preferences: "Package: tool\nPin: version 1.0\nPin-Priority: 1000\n")
        #expect(
            other.packages.map { "\($0.name) \($0.version) \($0.archive.rawValue)" } == [
                "hello 2.0 two", "tool 1.0 one",
            ])
    }

    /// Two archives as a recipe names them, with their indices at hand: the first is `ports` with the suite trixie.
    private func sources(
        of archive: TestArchive, and second: TestArchive, suite: String, name: String
    ) async throws -> ([ArchiveSource], AptSolver) {
        let sources = [
            try ArchiveSource(
                suite: "trixie", components: ["main"], keyring: archive.keyring, name: "ports",
                uris: ["file:\(archive.debian)"]),
            try ArchiveSource(
                suite: suite, components: ["main"], keyring: second.keyring, name: name,
                uris: ["file:\(second.debian)"]),
        ]
        let solver = try AptSolver(
            sources: sources, architecture: "arm64",
            mirrors: try ArchiveMirrors(debian: [], security: []).adding(sources),
            folder: archive.folder.path.appending("indices"))
        try await solver.update(.refresh)
        return (sources, solver)
    }

    /// The suite's name is the release's suite in one archive, and its code name in the other.
    @Test(arguments: ["", "Codename: other"])
    func aPackageOfBothArchivesComesFromTheOneThatMayGiveIt(release: String) async throws {
        let archive = try await TestArchive()
        try await archive.publish([
            .init(name: "hello", version: "1.0", fields: "Depends: tool"), .init(name: "tool", version: "1.0"),
        ])
        let second = try await TestArchive()
        try await second.publish(
            [.init(name: "hello", version: "2.0", fields: "Depends: tool"), .init(name: "tool", version: "2.0")],
            suite: "bookworm", release: release)
        let (sources, solver) = try await sources(of: archive, and: second, suite: "bookworm", name: "debian-12")
        // As a recipe's `only: [hell*]` becomes pins.
        let only =
            "Package: hell*\nPin: release bookworm\nPin-Priority: 990\n\nPackage: *\nPin: release bookworm\nPin-Priority: -10\n"
        let solution = try await solver.resolve(
            PackageRequest(
                sources: sources, packages: ["hello"], preferences: only, pins: ["debian-12": [.release("bookworm")]],
                addsEssential: false))
        #expect(
            solution.packages.map { "\($0.name) \($0.version) \($0.archive.rawValue)" } == [
                "hello 2.0 debian-12", "tool 1.0 ports",
            ])
    }

    /// What a source's pins hold for is what its Release file says, and another's may say the same.
    @Test func pinsThatHoldForOthersAreRefused() async throws {
        let archive = try await TestArchive()
        try await archive.publish([.init(name: "tool", version: "1.0")], release: "Version: 13")
        let vendor = try await TestArchive()
        try await vendor.publish([.init(name: "hello", version: "2.0")], suite: "vendor")
        let (sources, solver) = try await sources(of: archive, and: vendor, suite: "vendor", name: "vendor")
        func resolve(_ pin: ArchivePin) async throws -> Solution {
            try await solver.resolve(
                PackageRequest(sources: sources, packages: ["hello"], pins: ["vendor": [pin]], addsEssential: false))
        }
        func refusal(_ pin: ArchivePin) async throws -> Failure? {
            await failure { _ = try await resolve(pin) }
        }
        #expect(try await resolve(.release("vendor")).packages.map(\.name) == ["hello"])
        // Both are folders of this machine.
        let shared = try #require(try await refusal(.origin("")))
        #expect(shared.place == "only of the source 'vendor'")
        #expect(shared.message == "apt cannot tell the source's packages from those of 'ports'")
        #expect(shared.found == "file:\(archive.debian)/ trixie: host '', Suite 'trixie', Codename 'trixie'")
        let none = try #require(try await refusal(.release("stable")))
        #expect(none.message == "apt would not know the source's packages")
        #expect(none.found == "file:\(vendor.debian)/ vendor: host '', Suite 'vendor', Codename 'vendor'")
    }

    @Test(arguments: [
        ("http://example.org", "example.org"), ("https://example.org:8443", "example.org"), ("http://[::1]:80", "::1"),
        ("file:/srv/repo", ""), ("copy:/srv/repo", ""),
    ])
    func hostOfAnIndexIsAsPinsHaveIt(site: String, host: String) {
        #expect(IndexTarget("u\tr\t\(site)\tc\ts\t/path")?.host == host)
    }

    @Test func anUpgradeTakesWhatIsInstalledAlong() async throws {
        let archive = try await TestArchive()
        try await archive.publish([
            .init(name: "hello", version: "2.0"), .init(name: "tool", version: "2.0"),
            .init(name: "unused", version: "1.0"),
        ])
        let solver = try archive.solver()
        try await solver.update(.refresh)
        let status = Array(
            "Package: tool\nStatus: install ok installed\nArchitecture: arm64\nMaintainer: n\nVersion: 1.0\nDescription: x\n"
                .utf8)
        func names(upgrades: Bool) async throws -> [String] {
            let request = try PackageRequest(
                sources: archive.request([]).sources, packages: ["hello"], addsEssential: false, status: status,
                base: .of("image"), upgrades: upgrades)
            return try await solver.resolve(request).packages.map { "\($0.name) \($0.version)" }
        }
        #expect(try await names(upgrades: false) == ["hello 2.0"])
        #expect(try await names(upgrades: true) == ["hello 2.0", "tool 2.0"])
    }

    @Test func theRequestsDigestKnowsTheImageAndNotItsStatus() throws {
        func digest(
            base: SHA256Digest? = .of("image"), status: String = "", upgrades: Bool = false, name: String? = nil,
            uris: [String] = []
        ) throws -> SHA256Digest {
            try PackageRequest(
                sources: [ArchiveSource(suite: "bionic", components: ["main"], name: name, uris: uris)],
                packages: ["hello"], status: Array(status.utf8), base: base, upgrades: upgrades
            ).digest
        }
        let one = try digest()
        // The plan of a build is made before the image is read.
        #expect(try digest(status: "Package: x\n") == one)
        #expect(try digest(base: .of("another")) != one)
        #expect(try digest(base: nil) != one)
        #expect(try digest(upgrades: true) != one)
        #expect(try digest(name: "ports") != one)
        #expect(try digest(name: "ports", uris: ["http://a"]) != digest(name: "ports", uris: ["http://b"]))
        #expect(try digest(base: nil, status: "Package: x\n") != digest(base: nil))
    }
}
