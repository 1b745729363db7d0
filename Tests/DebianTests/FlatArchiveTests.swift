import Debian
import Diagnostics
import Digests
import Fetch
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// Archives as people keep them: a folder of packages with an index beside them, made by Debian's own tools, in a folder of this machine.
@Suite struct FlatArchiveTests {
    private let folder: TemporaryFolder
    private let keyring: FilePath
    private var repository: FilePath { folder.path.appending("repo") }

    init() async throws {
        folder = try TemporaryFolder(in: "/tmp", name: "archive-local")
        keyring = try await TestKey.trusted.value.keyring
    }

    /// Builds two packages into a folder of the repository.
    private func packages(in place: String) async throws {
        for (name, depends) in [("ours", "ours-data"), ("ours-data", "")] {
            let control = """
                Package: \(name)
                Version: 1.0
                Architecture: arm64
                Maintainer: nobody <nobody@archive.test>
                Depends: \(depends)
                Description: a package of the tests

                """.replacing("Depends: \n", with: "")
            try await run("mkdir -p build/\(name)/DEBIAN")
            try writeAtomically(
                to: folder.path.pushing(FilePath("build/\(name)/DEBIAN/control")), bytes: Array(control.utf8))
        }
        try await run(
            """
            mkdir -p repo/\(place)
            for p in ours ours-data; do dpkg-deb --root-owner-group -b build/$p repo/\(place)/${p}_1.0_arm64.deb >/dev/null; done
            """)
    }

    private func run(_ script: String) async throws {
        try await ToolRunner().run(
            Judge.sh, ["-euc", "cd '\(folder.path)'\n\(script)"], place: "the test's archive")
    }

    /// Signs a Release file over the index that lies in a folder of the repository.
    private func sign(_ place: String, index: String, head: String) async throws {
        let release = repository.pushing(FilePath(place))
        let packages = try readFile(release.pushing(FilePath(index)))
        let text = """
            \(head)Date: Sat, 01 Jan 2022 00:00:00 UTC
            Architectures: arm64
            SHA256:
             \(SHA256Digest.of(packages).hex) \(packages.count) \(index)

            """
        try await TestKey.trusted.value.clearsign(text, to: release.appending("InRelease"))
    }

    /// Resolves `ours`, writes and reads the lock, and fetches what it names.
    private func build(_ source: ArchiveSource, preferences: String = "") async throws -> PackageLock {
        let request = try PackageRequest(
            sources: [source], packages: ["ours"], preferences: preferences, addsEssential: false)
        let mirrors = try ArchiveMirrors(debian: [], security: []).adding([source])
        let store = try DownloadStore(folder.path.appending("store"))
        let provider = PackageProvider(
            downloader: Downloader(store: store, options: DownloadOptions(rounds: 1)),
            folder: folder.path.appending("indices"),
            snapshot: SnapshotArchive(base: "http://127.0.0.1:1")
        ) { mirrors }
        let provided = try await provider.provide(request, lock: nil)
        let lock = try PackageLock.parse(provided.lock.text, place: "the.lock")
        #expect(lock == provided.lock)
        #expect(lock.packages.map(\.name) == ["ours", "ours-data"])
        for (package, file) in zip(lock.packages, provided.files) {
            #expect(package.archive.rawValue == "local")
            #expect(try readFile(file.path) == readFile(repository.pushing(FilePath(package.path))))
        }
        // By the lock alone, the bytes come from the store or the folder, and are held to the digest.
        removeTree(folder.path.appending("store"))
        _ = try DownloadStore(folder.path.appending("store"))
        let again = try await provider.provide(request, lock: lock)
        #expect(again.files.map(\.identity) == lock.packages.map(\.identity))
        return lock
    }

    private func source(_ uri: String, _ suite: String, _ components: [String] = []) throws
        -> ArchiveSource
    {
        try ArchiveSource(
            suite: suite, components: components, keyring: keyring, name: "local", uris: [uri])
    }

    /// - Parameters:
    ///   - uri: `%` is the folder of the repository.
    ///   - place: where packages and indices lie, below the repository.
    @Test(arguments: [
        ("file:%", "./", ""), ("file://%", "/", ""), ("copy:%", "./", ""), ("file:%/", "sub/", "sub"),
        ("copy://%", "./sub/dir/", "sub/dir"),
    ])
    func flatArchiveIsResolvedLockedAndFetched(uri: String, suite: String, place: String) async throws {
        try await packages(in: place)
        try await run(
            "cd repo; dpkg-scanpackages -m \(place.isEmpty ? "." : place) > ../Packages 2>/dev/null")
        try await run("mv Packages repo/\(place)/Packages")
        try await sign(place, index: "Packages", head: "")
        let source = try source(uri.replacing("%", with: repository.string), suite)
        #expect(source.isFlat)
        let lock = try await build(source)
        let prefix = place.isEmpty ? "" : "\(place)/"
        #expect(
            lock.packages.map(\.path) == [
                "\(prefix)ours_1.0_arm64.deb", "\(prefix)ours-data_1.0_arm64.deb",
            ])
    }

    @Test(arguments: [
        ("bookworm/updates", "main"), ("stable", "20.04"), ("a/b/c", "main/debian-installer"),
    ])
    func suitesWithSlashesAndComponentsOfAnyFormAreResolved(suite: String, component: String)
        async throws
    {
        try await packages(in: "pool/\(component)")
        let index = "\(component)/binary-arm64/Packages"
        try await run(
            """
            mkdir -p repo/dists/\(suite)/\(component)/binary-arm64; cd repo
            dpkg-scanpackages -m pool > dists/\(suite)/\(index) 2>/dev/null
            """)
        try await sign(
            "dists/\(suite)", index: index, head: "Suite: \(suite)\nComponents: \(component)\n")
        let lock = try await build(source("file:\(repository)", suite, [component]))
        #expect(lock.packages.map(\.path).allSatisfy { $0.hasPrefix("pool/\(component)/ours") })
    }

    @Test func changedIndexOfAFlatArchiveIsRefused() async throws {
        try await packages(in: "")
        try await run("cd repo; dpkg-scanpackages -m . > Packages 2>/dev/null")
        try await sign("", index: "Packages", head: "")
        try await run("sed -i 's/^Version: 1.0/Version: 2.0/' repo/Packages")
        let failure = await failure {
            _ = try await build(source("file:\(repository)", "./"))
        }
        #expect(failure?.message == "an index does not match the signed Release file")
        #expect(failure?.place == "file:\(repository)/./Packages")
    }

    @Test func unsignedFlatArchiveIsRefused() async throws {
        try await packages(in: "")
        try await run("cd repo; dpkg-scanpackages -m . > Packages 2>/dev/null")
        for suite in ["./", "/"] {
            let failure = await failure { _ = try await build(source("file:\(repository)", suite)) }
            #expect(failure?.message == "the flat archive has no signed Release file")
            #expect(failure?.expected == "InRelease beside its Packages")
            #expect(
                failure?.next
                    == "make and sign it (apt-ftparchive release, gpg --clearsign), or correct uris and suites")
        }
    }

    /// As the recipe's `only` pins what is taken from a folder of this machine.
    @Test func pinByTheEmptyHostHoldsToAFolderOfThisMachine() async throws {
        try await packages(in: "")
        try await run("cd repo; dpkg-scanpackages -m . > Packages 2>/dev/null")
        try await sign("", index: "Packages", head: "")
        let pins =
            "Package: ours\nPin: origin \"\"\nPin-Priority: 990\n\nPackage: *\nPin: origin \"\"\nPin-Priority: -10\n"
        let failure = await failure {
            _ = try await build(source("file:\(repository)", "./"), preferences: pins)
        }
        #expect(failure?.message == "the packages cannot be installed together")
        let all = pins.replacing("Package: ours\n", with: "Package: ours ours-data\n")
        _ = try await build(source("file:\(repository)", "./"), preferences: all)
    }

    @Test(
        arguments: [
            (
                "./", ["main"], "file:/srv/repo", "'./' is the path of a flat archive",
                "no components, and URIs of its own"
            ),
            ("./", [], nil, "'./' is the path of a flat archive", "no components, and URIs of its own"),
            ("../", [], "file:/srv/repo", "the suite '../' is not a name", "letters, digits, '-', '.', '_' and '/'"),
        ] as [(String, [String], String?, String, String)])
    func whatIsNoFlatArchiveIsRefused(
        suite: String, components: [String], uri: String?, message: String, expected: String
    ) throws {
        let failure = failure {
            try ArchiveSource(
                suite: suite, components: components, name: "local", uris: uri.map { [$0] } ?? [])
        }
        #expect(failure?.headline == "packages: \(message)")
        #expect(failure?.expected == expected)
        #expect(failure?.kind == .usage)
    }

    @Test(arguments: [
        ("file:///srv/repo/", "file:/srv/repo/x%2By.deb"),
        ("copy:/srv/repo", "file:/srv/repo/x%2By.deb"),
        ("copy:///", "file:/x%2By.deb"), ("http://a.test/b", "http://a.test/b/x%2By.deb"),
    ])
    func folderOfThisMachineIsReadWhateverItsSchemeIs(uri: String, url: String) throws {
        let source = try ArchiveSource(suite: "./", components: [], name: "local", uris: [uri])
        let mirrors = try ArchiveMirrors(debian: [], security: []).adding([source])
        #expect(mirrors.urls(for: source.kind, path: "x+y.deb") == [url])
    }
}
