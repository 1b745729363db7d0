import Debian
import Diagnostics
import Digests
import Fetch
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// An OpenPGP key made for the tests, with the keyring that holds it.
final class TestKey: Sendable {
    let keyring: FilePath
    private let home: TemporaryFolder
    private let tools: ToolRunner

    /// Signs the archives, and is in the keyring.
    static let trusted = Task { try await TestKey("trusted") }
    /// In nobody's keyring.
    static let unknown = Task { try await TestKey("unknown") }

    private init(_ name: String) async throws {
        // The agent that gpg starts ends when its folder is gone.
        home = try TemporaryFolder.shared("archive-key")
        keyring = home.path.appending("\(name).gpg")
        tools = ToolRunner(environment: ["GNUPGHOME": home.path.string])
        try await run(["--quick-generate-key", "--passphrase", "", "\(name)@archive.test", "ed25519", "sign", "never"])
        try await run(["--export", "--output", keyring.string])
    }

    private func run(_ arguments: [String], input: [UInt8] = []) async throws {
        try await tools.run(Judge.gpg, ["--batch", "--yes", "--quiet"] + arguments, input: input, place: "test key")
    }

    func clearsign(_ text: String, to path: FilePath) async throws {
        try await run(["--clearsign", "--output", path.string], input: Array(text.utf8))
    }
}

/// A small Debian archive in a folder, written by the test and signed with a throw-away key.
final class TestArchive: Sendable {
    struct Package {
        var name: String
        var version = "1.0"
        var fields = ""
        var architecture = "arm64"

        var locked: LockedPackage {
            get throws {
                try LockedPackage(
                    .init(name: name, version: version, architecture: architecture), size: UInt64(bytes.count),
                    sha256: .of(bytes), path: path, archive: .debian, source: name, sourceVersion: version)
            }
        }
        var bytes: [UInt8] { Array("the bytes of \(name) \(version)\n".utf8) }
        var path: String {
            "pool/main/\(name.prefix(1))/\(name)/\(name)_\(version.split(separator: ":").last ?? "")_\(architecture).deb"
        }
        var stanza: String {
            """
            Package: \(name)
            Version: \(version)
            Architecture: \(architecture)
            Maintainer: nobody
            Filename: \(path)
            Size: \(bytes.count)
            SHA256: \(SHA256Digest.of(bytes).hex)
            \(fields.isEmpty ? "" : fields + "\n")
            """
        }
    }

    enum Signature { case trusted, unknown, none, broken }

    let folder: TemporaryFolder
    let keyring: FilePath

    init() async throws {
        folder = try TemporaryFolder(in: "/tmp", name: "archive-tests")
        keyring = try await TestKey.trusted.value.keyring
    }

    var debian: FilePath { folder.path.appending("debian") }
    var security: FilePath { folder.path.appending("debian-security") }
    var mirrors: ArchiveMirrors {
        get throws { try ArchiveMirrors(debian: ["file:\(debian)"], security: ["file:\(security)"]) }
    }

    /// Writes a suite's indices and pool.
    func publish(
        _ packages: [Package], suite: String = "trixie", release: String = "", signature: Signature = .trusted,
        index: String? = nil
    ) async throws {
        let root = suite.hasSuffix("-security") ? security : debian
        let dists = root.appending("dists").appending(suite)
        let listed = packages.map(\.stanza).joined(separator: "\n")
        try writeAtomically(to: dists.appending("main/binary-arm64/Packages"), bytes: Array((index ?? listed).utf8))
        for package in packages {
            try writeAtomically(to: root.appending(package.path), bytes: package.bytes)
        }
        let text = """
            Origin: Test
            Label: Test
            Suite: \(suite)
            Codename: \(suite)
            Date: Sat, 01 Jan 2022 00:00:00 UTC
            \(release.isEmpty ? "" : release + "\n")Architectures: arm64
            Components: main
            SHA256:
             \(SHA256Digest.of(listed).hex) \(listed.utf8.count) main/binary-arm64/Packages

            """
        let signed = dists.appending("InRelease")
        removeTree(signed)
        switch signature {
        case .trusted: try await TestKey.trusted.value.clearsign(text, to: signed)
        case .unknown: try await TestKey.unknown.value.clearsign(text, to: signed)
        case .none: try writeAtomically(to: dists.appending("Release"), bytes: Array(text.utf8))
        case .broken:
            try await TestKey.trusted.value.clearsign(text, to: signed)
            let changed = String(decoding: try readFile(signed), as: UTF8.self).replacing(
                "Label: Test", with: "Label: Best")
            try writeAtomically(to: signed, bytes: Array(changed.utf8))
        }
    }

    func request(_ packages: [String], suites: [String] = ["trixie"], preferences: String = "") throws -> PackageRequest
    {
        try PackageRequest(
            sources: ArchiveSource.suites(suites, components: ["main"], keyring: keyring), packages: packages,
            preferences: preferences)
    }

    /// Fetches the indices and resolves.
    func solve(_ packages: [String], suites: [String] = ["trixie"], preferences: String = "") async throws -> Solution {
        let request = try request(packages, suites: suites, preferences: preferences)
        let solver = try solver(suites: suites)
        try await solver.update(.refresh)
        return try await solver.resolve(request)
    }

    func solver(suites: [String] = ["trixie"], components: [String] = ["main"], mirrors: ArchiveMirrors? = nil) throws
        -> AptSolver
    {
        try AptSolver(
            sources: ArchiveSource.suites(suites, components: components, keyring: keyring), architecture: "arm64",
            mirrors: mirrors ?? self.mirrors, folder: folder.path.appending("indices"))
    }

    /// A provider whose store lies beside the archive.
    func provider(
        mirrors: ArchiveMirrors? = nil, snapshot: String = "http://127.0.0.1:1",
        progress: any ProgressReporter = SilentProgress()
    ) throws -> PackageProvider {
        let mirrors = try mirrors ?? self.mirrors
        let store = try DownloadStore(folder.path.appending("store"))
        return PackageProvider(
            downloader: Downloader(store: store, options: DownloadOptions(rounds: 1)),
            folder: folder.path.appending("indices"), snapshot: SnapshotArchive(base: snapshot), progress: progress
        ) { mirrors }
    }

    func removeStore() { removeTree(folder.path.appending("store")) }
}
