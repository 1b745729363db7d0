import Debian
import Diagnostics
import Digests
import Storage
import SystemPackage
import Testing

/// Locks of a build on a stock image, and archives that a recipe names.
@Suite struct ArchiveStockLockTests {
    private static func lock() throws -> PackageLock {
        try PackageLock(
            request: .of("request"), packages: [ArchiveLockTests.package("hello"), ports("bash", "4.4")],
            removed: ["snapd", "lxd"],
            inputs: [
                PinnedInput(
                    name: "ubuntu-archive-keyring", use: "keyring", size: 7, sha256: .of("keys"),
                    trust: .package("ubuntu-archive-keyring 2020")),
                PinnedInput(
                    name: "a.img.xz", use: "base image", size: 497, sha256: .of("image"), trust: .signature("8439")),
            ])
    }

    private static func ports(_ name: String, _ version: String) throws -> LockedPackage {
        try LockedPackage(
            .init(name: name, version: version, architecture: "arm64"), size: 1, sha256: .of(name),
            path: "pool/main/b/\(name)_\(version)_arm64.deb", archive: .init(rawValue: "ports"), source: name,
            sourceVersion: version)
    }

    @Test func theSecondFormatHasTheFetchedFilesFirst() throws {
        let lock = try Self.lock()
        #expect(
            lock.text.split(separator: "\n").prefix(9).joined(separator: "\n") == """
                {
                  "format": 2,
                  "inputs": [
                    {"name":"a.img.xz","use":"base image","size":497,"sha256":"\(SHA256Digest.of("image").hex)","trust":"signature 8439"},
                    {"name":"ubuntu-archive-keyring","use":"keyring","size":7,"sha256":"\(SHA256Digest.of("keys").hex)",\
                "trust":"package ubuntu-archive-keyring 2020"}
                  ],
                  "removed": "lxd snapd",
                  "request": "sha256:\(SHA256Digest.of("request").hex)",
                  "packages": [
                """)
        #expect(lock.text.contains("\"archive\":\"ports\""))
    }

    @Test func whatWasWrittenIsReadBack() throws {
        let scratch = try TemporaryFolder(in: "/tmp", name: "lock-tests")
        let path = scratch.path.appending("x.lock")
        try Self.lock().write(to: path)
        #expect(try PackageLock.read(path) == Self.lock())
        let alone = [
            PackageLock(request: .of("r"), packages: [], removed: ["x11-common"]),
            PackageLock(
                request: .of("r"), packages: [],
                inputs: [try PinnedInput(name: "x", use: "y", size: 0, sha256: .of(""), trust: .accepted)]),
            PackageLock(
                request: .of("r"), packages: [],
                inputs: [try PinnedInput(name: "x", use: "y", size: .max, sha256: .of(""), trust: .recipe)]),
        ]
        for lock in alone { #expect(try PackageLock.parse(lock.text, place: "x") == lock) }
    }

    @Test func aPinTakesThePlaceOfTheOneBefore() throws {
        var lock = try Self.lock()
        let pin = try PinnedInput(name: "a.img.xz", use: "base image", size: 1, sha256: .of("new"), trust: .accepted)
        lock.pin(pin)
        #expect(lock.inputs.count == 2)
        #expect(lock.input("a.img.xz", use: "base image") == pin)
        #expect(lock.input("a.img.xz", use: "keyring") == nil)
    }

    static let broken: [(old: String, new: String, message: String)] = [
        ("\"inputs\": [", "\"input\": [", "x.lock:3: the inputs are missing"),
        ("\"format\": 2", "\"format\": 1", "x.lock:3: the request's digest is missing"),
        ("\"name\":\"a.img", "\"name\":\"a\\\"img", "x.lock:4: the input's name 'a\"img.xz' is not valid"),
        ("\"name\":\"a.img.xz\"", "\"name\":\"\"", "x.lock:4: the input's name '' is not valid"),
        ("\"use\":\"base image\"", "\"use\":\"base\\nimage\"", "x.lock:4: the input's use 'base\nimage' is not valid"),
        (
            "signature 8439", "signatures 8439",
            "x.lock:4: the input's line cannot be read: 'trust' has a wrong value"
        ),
        ("\"size\":497", "\"size\":-497", "x.lock:4: the input's line cannot be read: it is not JSON"),
        ("\"size\":497,", "", "x.lock:4: the input's line cannot be read: 'size' is missing"),
        ("\"size\":497", "\"size\":497,\"extra\":1", "x.lock:4: the line is not as piforge writes it"),
        ("\"use\":\"keyring\"", "\"use\":\"a keyring\"", "x.lock:4: the line is not as piforge writes it"),
        ("\"removed\": \"lxd snapd\"", "\"removed\": \"snapd lxd\"", "x.lock:7: the line is not as piforge writes it"),
        ("\"removed\": \"lxd snapd\"", "\"removed\": \"lxd lxd\"", "x.lock:7: the line is not as piforge writes it"),
        ("\"removed\": \"lxd snapd\"", "\"removed\": \"lxd ../x\"", "x.lock:7: not all of them are package names"),
        ("  \"removed\": \"lxd snapd\",\n", "", "x.lock:7: the packages that go are missing"),
    ]

    @Test(arguments: broken.indices) func aLineThatIsWrongIsNamed(_ row: Int) throws {
        let (old, new, message) = Self.broken[row]
        let good = try Self.lock().text
        let range = try #require(good.range(of: old))
        let failure = #expect(throws: Failure.self) {
            try PackageLock.parse(good.replacingCharacters(in: range, with: new), place: "x.lock")
        }
        let seen = failure.map { "\($0.place): \($0.message)" }
        #expect(seen == message)
    }

    @Test func anInputThatStandsTwiceIsNamed() throws {
        let lines = try Self.lock().text.split(separator: "\n", omittingEmptySubsequences: false)
        let twice = (lines[...3] + lines[3...]).joined(separator: "\n")
        let failure = #expect(throws: Failure.self) { try PackageLock.parse(twice, place: "x.lock") }
        #expect(failure?.place == "x.lock:5")
        #expect(failure?.message == "the line is not as piforge writes it")
    }

    @Test func theTrustOfAnInputIsReadAsItIsWritten() throws {
        let all: [PinnedInput.Trust] = [.signature("8439 38DF"), .recipe, .package("x 1.0"), .accepted]
        for trust in all { #expect(PinnedInput.Trust(text: trust.text) == trust) }
        for text in ["", "signature", "accepted", "package", "digest in the recipes"] {
            #expect(PinnedInput.Trust(text: text) == nil)
        }
    }
}

@Suite struct ArchiveNamedSourceTests {
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
        let failure = #expect(throws: Failure.self) { try source("x", "ports", ["ftp://mirror.example.org"]) }
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
            await archiveFailure { _ = try await resolve(pin) }
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
