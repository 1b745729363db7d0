import Debian
import Diagnostics
import Digests
import Storage
import TestSupport
import Testing
import Tools

@Suite struct PackageLockTests {
    static func package(_ name: String, _ version: String = "1.0", architecture: String = "arm64") throws
        -> LockedPackage
    {
        try LockedPackage(
            .init(name: name, version: version, architecture: architecture), size: 1234, sha256: .of(name + version),
            path: "pool/main/\(name.prefix(1))/\(name)/\(name)_\(version)_\(architecture).deb", archive: .debian,
            source: name, sourceVersion: version)
    }

    static func lock(_ packages: LockedPackage...) -> PackageLock {
        PackageLock(request: .of("request"), packages: packages)
    }

    @Test func theFileHasOnePackageALineSortedByNameAndIsJSON() async throws {
        let lock = try Self.lock(Self.package("zstd"), Self.package("adduser", "3.152", architecture: "all"))
        let hex = SHA256Digest.of("request").hex
        let sums = [SHA256Digest.of("adduser3.152").hex, SHA256Digest.of("zstd1.0").hex]
        #expect(
            lock.text == """
                {
                  "format": 1,
                  "request": "sha256:\(hex)",
                  "packages": [
                    {"name":"adduser","version":"3.152","architecture":"all","size":1234,"sha256":"\(sums[0])",\
                "archive":"debian","path":"pool/main/a/adduser/adduser_3.152_all.deb","source":"adduser",\
                "sourceVersion":"3.152"},
                    {"name":"zstd","version":"1.0","architecture":"arm64","size":1234,"sha256":"\(sums[1])",\
                "archive":"debian","path":"pool/main/z/zstd/zstd_1.0_arm64.deb","source":"zstd","sourceVersion":"1.0"}
                  ]
                }

                """)
        try await ToolRunner().run(Judge.python, ["-m", "json.tool"], input: Array(lock.text.utf8), place: "test")
    }

    @Test func whatWasWrittenIsReadBack() throws {
        let scratch = try TemporaryFolder(in: "/tmp", name: "lock-tests")
        let lock = try Self.lock(Self.package("zstd"), Self.package("adduser", "3.152", architecture: "all"))
        try lock.write(to: scratch.path.appending("debian-13.lock"))
        #expect(try PackageLock.read(scratch.path.appending("debian-13.lock")) == lock)
        #expect(try PackageLock.parse(Self.lock().text, place: "x") == Self.lock())
    }

    /// What is replaced in a good file by what, and the first line of the error.
    static let broken: [(old: String, new: String, message: String)] = [
        ("{\n  \"format\"", "[\n  \"format\"", "x.lock:1: this is not a lock file"),
        ("\"format\": 1", "\"format\": 3", "x.lock:2: the lock file has another format"),
        ("\"format\": 1", "\"format\": 2", "x.lock:3: the inputs are missing"),
        ("\"packages\": [", "\"packages\":[", "x.lock:4: the packages are missing"),
        ("\"format\": 1,", "\"format\": 1", "x.lock:2: the format's version is missing"),
        ("sha256:", "md5:", "x.lock:3: the request's digest is missing"),
        ("\"name\":\"hello\"", "\"name\":\"hel lo\"", "x.lock:5: the package's name 'hel lo' is not valid"),
        (
            "pool/main/h", "pool/../h",
            "x.lock:5: the package's pool path 'pool/../h/hello/hello_1.0_arm64.deb' is not valid"
        ),
        (
            "pool/main/h", "/etc",
            "x.lock:5: the package's pool path '/etc/hello/hello_1.0_arm64.deb' is not valid"
        ),
        ("\"size\":1234", "\"size\":\"big\"", "x.lock:5: the package's line cannot be read: 'size' has a wrong value"),
        ("\"size\":1234", "\"size\":-1", "x.lock:5: the package's line cannot be read: a number is out of its range"),
        ("\"size\":1234,", "", "x.lock:5: the package's line cannot be read: 'size' is missing"),
        (
            "\"archive\":\"debian\"", "\"archive\":\"Ubuntu\"",
            "x.lock:5: the package's archive 'Ubuntu' is not valid"
        ),
        ("\"size\":1234", "\"size\":1234,\"colour\":\"red\"", "x.lock:5: the line is not as piforge writes it"),
        ("\"size\":1234", "\"size\": 1234", "x.lock:5: the line is not as piforge writes it"),
        ("  ]\n}\n", "  ]\n", "x.lock:8: the line is not as piforge writes it"),
        ("}\n", "}\n}\n", "x.lock:7: the line is not as piforge writes it"),
    ]

    @Test(arguments: broken.indices) func aLineThatIsWrongIsNamed(_ row: Int) throws {
        let (old, new, message) = Self.broken[row]
        let good = try Self.lock(Self.package("hello"), Self.package("zstd")).text
        let range = try #require(good.range(of: old))
        let text = good.replacingCharacters(in: range, with: new)
        let failure = failure { try PackageLock.parse(text, place: "x.lock") }
        #expect(failure?.headline == message)
        #expect(failure?.next == "take the file from version control, or make it anew with --update-lock")
    }

    @Test func aPackageThatStandsTwiceIsNamed() throws {
        let text = try Self.lock(Self.package("hello"), Self.package("hello", "2.0")).text
        let failure = failure { try PackageLock.parse(text, place: "x.lock") }
        #expect(failure?.place == "x.lock:6")
        #expect(failure?.message == "the package 'hello' stands there twice")
    }

    @Test func theDifferenceOfTwoLocksIsOneLineAPackage() throws {
        let old = try Self.lock(Self.package("docker.io", "26.1.5+dfsg1-9"), Self.package("gone"), Self.package("same"))
        let new = try Self.lock(Self.package("docker.io", "26.1.6"), Self.package("new", "3"), Self.package("same"))
        #expect(
            PackageLock.difference(from: old, to: new) == [
                "docker.io 26.1.5+dfsg1-9 → 26.1.6", "gone 1.0 removed", "new 3 added",
            ])
        #expect(PackageLock.difference(from: old, to: old) == [])
    }

    @Test func theRequestsDigestKnowsWhatTheSolutionDependsOn() throws {
        func digest(
            _ packages: [String], suites: [String] = ["trixie"], components: [String] = ["main"],
            preferences: String = "", keyring: String = "/a.gpg"
        ) throws -> SHA256Digest {
            try PackageRequest(
                sources: ArchiveSource.suites(suites, components: components, keyring: .init(keyring)),
                packages: packages, preferences: preferences
            ).digest
        }
        let one = try digest(["hello", "zstd"])
        #expect(try digest(["zstd", "hello", "hello"]) == one)
        #expect(try digest(["hello", "zstd"], keyring: "/b.gpg") == one)
        #expect(try digest(["hello"]) != one)
        #expect(try digest(["hello", "zstd"], suites: ["sid"]) != one)
        #expect(try digest(["hello", "zstd"], components: ["main", "contrib"]) != one)
        #expect(try digest(["hello", "zstd"], preferences: "x") != one)
    }
}

/// Locks of a build on a stock image, and archives that a recipe names.
@Suite struct PackageLockInputsTests {
    private static func lock() throws -> PackageLock {
        try PackageLock(
            request: .of("request"), packages: [PackageLockTests.package("hello"), ports("bash", "4.4")],
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
        ("\"size\":497", "\"size\":-497", "x.lock:4: the input's line cannot be read: a number is out of its range"),
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
        let failure = failure {
            try PackageLock.parse(good.replacingCharacters(in: range, with: new), place: "x.lock")
        }
        #expect(failure?.headline == message)
    }

    @Test func anInputThatStandsTwiceIsNamed() throws {
        let lines = try Self.lock().text.split(separator: "\n", omittingEmptySubsequences: false)
        let twice = (lines[...3] + lines[3...]).joined(separator: "\n")
        let failure = failure { try PackageLock.parse(twice, place: "x.lock") }
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
