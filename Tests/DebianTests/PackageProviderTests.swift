import Debian
import Diagnostics
import Digests
import Storage
import SystemPackage
import TestSupport
import Testing

/// A build's packages, from the lock, the store, the mirror, the snapshot archive, or a fresh solve.
@Suite struct PackageProviderTests {
    private static let old: [TestArchive.Package] = [
        .init(name: "apt"), .init(name: "hello", version: "1:2.10-5+b1", fields: "Depends: libc6"),
        .init(name: "libc6"),
    ]
    private static let new: [TestArchive.Package] = [
        .init(name: "apt"), .init(name: "hello", version: "1:2.10-6", fields: "Depends: libc6"), .init(name: "libc6"),
    ]

    /// An archive, a lock that names all its packages, and a full store.
    private func locked() async throws -> (TestArchive, PackageRequest, PackageLock) {
        let archive = try await TestArchive()
        try await archive.publish(Self.old)
        let request = try archive.request(["hello"])
        let lock = PackageLock(request: request.digest, packages: try Self.old.map { try $0.locked })
        _ = try await archive.provider().provide(request, lock: lock)
        return (archive, request, lock)
    }

    /// The mirror has moved on, and the store is empty.
    private func supersede(_ archive: TestArchive) async throws {
        removeTree(archive.debian.appending(Self.old[1].path))
        try await archive.publish(Self.new)
        archive.removeStore()
    }

    @Test func aFreshSolveGivesProvenFilesAndALock() async throws {
        let (archive, request, lock) = try await locked()
        archive.removeStore()
        let provided = try await archive.provider().provide(request, lock: nil)
        #expect(provided.origin == .solved)
        #expect(provided.lock == lock)
        #expect(provided.files.map(\.name) == ["apt", "hello", "libc6"])
        for (file, package) in zip(provided.files, Self.old) { #expect(try readFile(file.path) == package.bytes) }
    }

    @Test func aLockedBuildUsesExactlyTheLock() async throws {
        let (archive, request, lock) = try await locked()
        // The newer version is there too; the old file still is.
        try await archive.publish(Self.new)
        archive.removeStore()
        let provided = try await archive.provider().provide(request, lock: lock)
        #expect(provided.lock == lock)
        #expect(try readFile(provided.files[1].path) == Self.old[1].bytes)
    }

    @Test func aDebWithOtherBytesIsRefused() async throws {
        let (archive, request, lock) = try await locked()
        archive.removeStore()
        let path = archive.debian.appending(Self.old[1].path)
        try writeAtomically(to: path, bytes: Self.old[1].bytes.reversed())
        let failure = await failure { _ = try await archive.provider().provide(request, lock: lock) }
        #expect(failure?.message == "the file's SHA-256 is not the expected one; nothing was kept")
        #expect(failure?.expected == SHA256Digest.of(Self.old[1].bytes).hex)
        #expect(failure?.found == SHA256Digest.of(Self.old[1].bytes.reversed()).hex)
    }

    @Test func aChangedFileOfTheStoreIsFetchedAgain() async throws {
        let (archive, request, lock) = try await locked()
        let provided = try await archive.provider().provide(request, lock: lock)
        try writeAtomically(to: provided.files[1].path, bytes: Self.old[1].bytes.reversed())
        let again = try await archive.provider().provide(request, lock: lock)
        #expect(try readFile(again.files[1].path) == Self.old[1].bytes)
    }

    @Test func offlineTheStoreIsEnoughAndNoMirrorIsAskedFor() async throws {
        let (archive, request, lock) = try await locked()
        let down = try ArchiveMirrors(debian: ["http://127.0.0.1:1"], security: [])
        for options in [PackageOptions(offline: true), PackageOptions(), PackageOptions(lock: .require)] {
            let provided = try await archive.provider(mirrors: down).provide(request, lock: lock, options: options)
            #expect(provided.origin == .locked)
        }
    }

    @Test func offlineMissingFilesAreNamed() async throws {
        let (archive, request, lock) = try await locked()
        archive.removeStore()
        let failure = await failure {
            _ = try await archive.provider().provide(request, lock: lock, options: PackageOptions(offline: true))
        }
        #expect(
            failure?.description == """
                --offline: 3 packages are not in the store
                  found:    apt 1.0, hello 1:2.10-5+b1, libc6 1.0
                  next:     run once without --offline
                """)
    }

    @Test func aSupersededVersionIsFoundInTheSnapshotArchive() async throws {
        let (archive, request, lock) = try await locked()
        try await supersede(archive)
        let hash = String(repeating: "a1", count: 20)
        let answer = """
            {"binary": "hello", "result": [{"architecture": "amd64", "hash": "00"},
            {"architecture": "arm64", "hash": "\(hash)"}]}
            """
        let server = try await LoopbackServer([
            "/mr/binary/hello/1:2.10-5+b1/binfiles": .bytes(Array(answer.utf8)),
            "/file/\(hash)": .bytes(Self.old[1].bytes),
        ])
        let provided = try await archive.provider(snapshot: server.base)
            .provide(request, lock: lock, options: PackageOptions(lock: .require))
        #expect(provided.origin == .locked)
        #expect(try readFile(provided.files[1].path) == Self.old[1].bytes)
    }

    @Test func otherBytesFromTheSnapshotArchiveAreNotTaken() async throws {
        let (archive, request, lock) = try await locked()
        try await supersede(archive)
        let hash = String(repeating: "a1", count: 20)
        let answer = "{\"result\": [{\"architecture\": \"arm64\", \"hash\": \"\(hash)\"}]}"
        let server = try await LoopbackServer([
            "/mr/binary/hello/1:2.10-5+b1/binfiles": .bytes(Array(answer.utf8)),
            "/file/\(hash)": .bytes(Self.old[1].bytes.reversed()),
        ])
        let failure = await failure {
            _ = try await archive.provider(snapshot: server.base)
                .provide(request, lock: lock, options: PackageOptions(lock: .require))
        }
        #expect(failure?.message == "1 package of the lock file can no longer be had")
    }

    @Test func aVersionThatIsNowhereEndsALockedBuild() async throws {
        let (archive, request, lock) = try await locked()
        try await supersede(archive)
        let snapshot = try await LoopbackServer()
        let failure = await failure {
            _ = try await archive.provider(snapshot: snapshot.base)
                .provide(request, lock: lock, options: PackageOptions(lock: .require))
        }
        #expect(
            failure?.description == """
                --locked: 1 package of the lock file can no longer be had
                  expected: each of them in the store, on the mirror or in the snapshot archive
                  found:    hello 1:2.10-5+b1
                  next:     renew the lock: piforge build --update-lock
                """)
        #expect(snapshot.requests.count == 1)
    }

    @Test(arguments: [true, false]) func aVersionThatIsNowhereIsSolvedAnewWithItsDifferences(_ reachable: Bool)
        async throws
    {
        let (archive, request, lock) = try await locked()
        try await supersede(archive)
        let snapshot = try await LoopbackServer()
        let provided = try await archive.provider(snapshot: reachable ? snapshot.base : "http://127.0.0.1:1")
            .provide(request, lock: lock)
        #expect(
            provided.origin
                == .replaced(
                    why: "1 package of the lock file can no longer be had: hello 1:2.10-5+b1",
                    changes: ["hello 1:2.10-5+b1 → 1:2.10-6"]))
        #expect(provided.lock.request == request.digest)
        #expect(try readFile(provided.files[1].path) == Self.new[1].bytes)
    }

    @Test func theLockIsRenewedOnRequest() async throws {
        let (archive, request, lock) = try await locked()
        try await supersede(archive)
        let provided = try await archive.provider()
            .provide(request, lock: lock, options: PackageOptions(lock: .update))
        #expect(provided.origin == .updated(changes: ["hello 1:2.10-5+b1 → 1:2.10-6"]))
    }

    @Test func aLockForAnotherRequestIsStale() async throws {
        let (archive, _, lock) = try await locked()
        let changed = try archive.request(["hello", "libc6"])
        let provided = try await archive.provider().provide(changed, lock: lock)
        #expect(provided.origin == .replaced(why: "the lock file answers another request", changes: []))
        let failure = await failure {
            _ = try await archive.provider().provide(changed, lock: lock, options: PackageOptions(lock: .require))
        }
        #expect(failure?.message == "the lock file answers another request than the recipe's")
        #expect(failure?.next == "renew it: piforge build --update-lock")
    }

    @Test func aLockedBuildNeedsALock() async throws {
        let archive = try await TestArchive()
        let failure = await failure {
            _ = try await archive.provider()
                .provide(archive.request(["hello"]), lock: nil, options: PackageOptions(lock: .require))
        }
        #expect(failure?.message == "the recipe has no lock file")
    }

    @Test func keptIndicesThatNameDroppedVersionsAreFetchedAgain() async throws {
        let (archive, request, _) = try await locked()
        _ = try await archive.provider().provide(request, lock: nil)
        try await supersede(archive)
        let provided = try await archive.provider().provide(
            request, lock: nil, options: PackageOptions(indices: .ifOlder(than: .seconds(86_400))))
        #expect(provided.files[1].version == "1:2.10-6")
    }

    @Test func aMirrorThatIsDownEndsALockedBuildToo() async throws {
        let (archive, request, lock) = try await locked()
        archive.removeStore()
        let down = try ArchiveMirrors(debian: ["http://127.0.0.1:1/debian"], security: [])
        let failure = await failure {
            _ = try await archive.provider(mirrors: down).provide(request, lock: lock)
        }
        #expect(failure?.message == "the connection to 127.0.0.1, port 1, was refused")
    }
}
