import Debian
import Diagnostics
import Storage
import TestSupport
import Testing

/// An archive that cannot be proven is not used, and the message says why.
@Suite struct ArchiveTrustTests {
    private static let packages: [TestArchive.Package] = [.init(name: "hello")]
    private static let otherMirror = "name another mirror with --mirror URL (or --security-mirror URL)"

    private func updateFailure(_ archive: TestArchive, components: [String] = ["main"], mirrors: ArchiveMirrors? = nil)
        async throws -> Failure?
    {
        let solver = try archive.solver(components: components, mirrors: mirrors)
        return await failure { try await solver.update(.refresh) }
    }

    @Test func aSignatureByAnUnknownKeyIsRefused() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages, signature: .unknown)
        let failure = try await updateFailure(archive)
        #expect(failure?.message == "the archive's signature is by a key that is not in the keyring")
        #expect(failure?.place == "file:\(archive.debian)")
        #expect(failure?.next == "sudo apt-get install --only-upgrade debian-archive-keyring, or \(Self.otherMirror)")
    }

    @Test func aChangedReleaseFileIsRefused() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages, signature: .broken)
        let failure = try await updateFailure(archive)
        #expect(failure?.message == "the archive's signature is wrong")
        #expect(failure?.next == Self.otherMirror)
    }

    @Test func anUnsignedArchiveIsRefused() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages, signature: .none)
        let failure = try await updateFailure(archive)
        #expect(failure?.message == "the archive is not signed")
    }

    @Test func anExpiredReleaseFileIsRefused() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages, release: "Valid-Until: Sat, 08 Jan 2022 00:00:00 UTC")
        let failure = try await updateFailure(archive)
        #expect(failure?.message == "the archive's Release file has expired")
        #expect(failure?.next == "check this machine's clock, or \(Self.otherMirror)")
    }

    @Test func anIndexThatDoesNotMatchTheReleaseFileIsRefused() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages, index: Self.packages[0].stanza.replacing("1.0", with: "1.1"))
        let failure = try await updateFailure(archive)
        #expect(failure?.message == "an index does not match the signed Release file")
    }

    @Test func aSuiteThatTheMirrorLacksIsNamed() async throws {
        let archive = try await TestArchive()
        let failure = try await updateFailure(archive)
        #expect(failure?.message == "the mirror does not have this suite")
        #expect(
            failure?.found
                == "The repository 'file:\(archive.debian) trixie Release' does not have a Release file.")
    }

    @Test func aComponentThatTheSuiteLacksIsNamed() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages)
        let failure = try await updateFailure(archive, components: ["main", "non-free-firmwear"])
        #expect(failure?.message == "the archive has no such component")
        #expect(
            failure?.found == """
                Skipping acquire of configured file 'non-free-firmwear/binary-arm64/Packages' as repository \
                'file:\(archive.debian) trixie InRelease' doesn't have the component 'non-free-firmwear' \
                (component misspelt in sources.list?)
                """)
    }

    @Test func aMirrorThatIsDownIsNamed() async throws {
        let archive = try await TestArchive()
        let down = try ArchiveMirrors(debian: ["http://127.0.0.1:1/debian"], security: [])
        let failure = try await updateFailure(archive, mirrors: down)
        #expect(failure?.message == "the mirror could not be reached")
        #expect(failure?.place == "http://127.0.0.1:1/debian/dists/trixie/InRelease")
    }

    @Test func aMirrorWithoutAnAddressIsNamed() async throws {
        let archive = try await TestArchive()
        let down = try ArchiveMirrors(debian: ["http://archive.invalid/debian"], security: [])
        let failure = try await updateFailure(archive, mirrors: down)
        #expect(failure?.message == "the mirror's host name could not be resolved")
    }

    @Test func anUpdateThatFailsLeavesNoIndicesToBuildFrom() async throws {
        let archive = try await TestArchive()
        try await archive.publish(Self.packages)
        let solver = try archive.solver()
        try await solver.update(.refresh)
        try await archive.publish(Self.packages, signature: .unknown)
        let untrusted = await failure { try await solver.update(.refresh) }
        #expect(untrusted?.message == "the archive's signature is by a key that is not in the keyring")
        let failure = await failure { try await solver.update(.offline) }
        #expect(failure?.message == "there are no package indices of trixie here")
    }

    @Test func aMissingKeyringIsNamed() async throws {
        let sources = try ArchiveSource.suites(["trixie"], components: ["main"], keyring: "/nonexistent/debian.gpg")
        let mirrors = try ArchiveMirrors(debian: ["file:/nonexistent"], security: [])
        let failure = failure {
            _ = try AptSolver(sources: sources, architecture: "arm64", mirrors: mirrors, folder: "/tmp")
        }
        #expect(
            failure?.description == """
                /nonexistent/debian.gpg: the archive's keyring is missing
                  next:     make setup (or: sudo apt-get install debian-archive-keyring)
                """)
    }
}
