import Debian
import Diagnostics
import Digests
import Engine
import Fetch
import Foundation
import Recipe
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// A recipe of a stock image in a folder of its own, and what stands beside it. Nothing here reaches a network: the mirror of the
/// packages is a port that nobody listens on.
final class StockBench {
    let folder: TemporaryFolder
    let image = Array("no image, but nobody looks inside before it is proven".utf8)

    init(keyring: [UInt8]? = nil) throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-stock-inputs")
        try writeAtomically(to: path("images/stock.img.xz"), bytes: image)
        try writeAtomically(
            to: path("keys.gpg"), bytes: keyring ?? readFile("/usr/share/keyrings/debian-archive-keyring.gpg"))
    }

    func path(_ name: String) -> FilePath { folder.path.appending(name) }
    var lockPath: FilePath { path("stock.lock") }
    var store: FilePath { path("cache/store") }

    /// - Parameter trust: YAML of base.image.trust.
    func builder(
        trust: String = "confirm", mirrors: String = "[images]", offline: Bool = false, locked: Bool = false,
        updateLock: Bool = false
    ) throws -> ImageBuilder {
        let text = """
            name: stock
            epoch: 2026-11-01
            base: {image: {file: stock.img.xz, mirrors: \(mirrors), trust: \(trust)}}
            packages:
              sources:
                - name: ports
                  uris: ["http://127.0.0.1:1/ports"]
                  suites: [bionic]
                  components: [main]
                  keyring: {file: keys.gpg}
            """
        let file = path("stock.yaml")
        try writeAtomically(to: file, bytes: Array(text.utf8))
        let options = BuildOptions(
            recipePath: file, output: path("out"), offline: offline, locked: locked, updateLock: updateLock, jobs: 1,
            environment: [:])
        return ImageBuilder(
            recipe: try Recipe.load(path: file), options: options, cache: try Cache(root: path("cache")),
            progress: SilentProgress())
    }

    /// A lock that pins the image and has one package.
    func writeLock(request: SHA256Digest = .of("another"), pin: PinnedInput, more: [PinnedInput] = []) throws {
        let package = try LockedPackage(
            .init(name: "hello", version: "1.0", architecture: "arm64"), size: 1, sha256: .of("hello"),
            path: "pool/main/h/hello/hello_1.0_arm64.deb", archive: .init(rawValue: "ports"), source: "hello",
            sourceVersion: "1.0")
        try PackageLock(request: request, packages: [package], removed: ["snapd"], inputs: [pin] + more)
            .write(to: lockPath)
    }

    func pin(_ trust: PinnedInput.Trust, _ digest: SHA256Digest? = nil) throws -> PinnedInput {
        try PinnedInput(
            name: "stock.img.xz", use: "base image", size: UInt64(image.count), sha256: digest ?? .of(image),
            trust: trust)
    }
}

/// With `--locked` and no packages in the lock, that is what a plan says once every input is proven and pinned.
private let provenButNotLocked = "the recipe has no lock file"

@Suite struct StockInputTests {
    @Test func aFileThatNothingVouchesForIsAcceptedOnce() async throws {
        let bench = try StockBench()
        let digest = SHA256Digest.of(bench.image)
        let asked = await failure { _ = try await bench.builder().plan() }
        #expect(
            asked?.description == """
                \(bench.path("stock.yaml")): nothing vouches for a file but you
                  expected: a pin in \(bench.lockPath) for each, given by somebody who has compared the sums
                  found:    stock.img.xz, \(bench.image.count) bytes
                              sha256:\(digest.hex)
                              from \(bench.path("images/stock.img.xz"))
                              compare with what its publisher says
                  next:     piforge lock accept \(bench.path("stock.yaml")) --all
                """)
        #expect(!exists(bench.lockPath))

        let builder = try bench.builder(locked: true)
        let name = failure { _ = try builder.accept("other.img.xz", digest) }
        #expect(name?.message == "the recipe has no file 'other.img.xz' that must be accepted")
        #expect(name?.expected == "stock.img.xz")
        let sum = failure { _ = try builder.accept("stock.img.xz", .of("another")) }
        #expect(sum?.message == "no file with this sum was fetched")
        #expect(!exists(bench.lockPath))

        #expect(
            try builder.accept("stock.img.xz", digest)
                == "\(bench.lockPath): stock.img.xz is pinned to sha256:\(digest.hex), \(bench.image.count) bytes, accepted by the user on first use"
        )
        #expect(try PackageLock.read(bench.lockPath).inputs == [bench.pin(.accepted)])
        // From now on the pin is the proof; what is missing are the packages.
        let next = await failure { _ = try await builder.plan() }
        #expect(next?.message == provenButNotLocked)
    }

    @Test func onlyAFileWithoutProofCanBeAccepted() async throws {
        let bench = try StockBench()
        let builder = try bench.builder(trust: "{digest: 'sha256:\(SHA256Digest.of(bench.image).hex)'}")
        let refused = failure { _ = try builder.accept("stock.img.xz", .of(bench.image)) }
        #expect(
            refused?.description == """
                \(bench.path("stock.yaml")): the recipe has no file that must be accepted
                  expected: base.image with trust: confirm, or a runtime's release file without sha256
                """)
    }

    @Test func theRecipesDigestIsHeld() async throws {
        let bench = try StockBench()
        let right = SHA256Digest.of(bench.image).hex
        let wrong = String(repeating: "7a", count: 32)
        let good = await failure {
            _ = try await bench.builder(trust: "{digest: 'sha256:\(right)'}", locked: true).plan()
        }
        #expect(good?.message == provenButNotLocked)
        let other = try StockBench()
        let bad = await failure {
            _ = try await other.builder(trust: "{digest: 'sha256:\(wrong)'}", locked: true).plan()
        }
        let text = bad?.description ?? ""
        #expect(text.contains(wrong) && text.contains(right) && !text.contains(provenButNotLocked), "\(text)")
    }

    @Test func aDigestOfAnotherKindIsComparedAndTheFileIsPinnedBySHA256() async throws {
        let sha512sum = Tool("sha512sum", package: "coreutils", purpose: "judge digests")
        let bench = try StockBench()
        let printed = try await ToolRunner().run(
            sha512sum, [bench.path("images/stock.img.xz").string], place: "test"
        ).text
        let sum = printed.prefix { $0 != " " }
        let good = await failure {
            _ = try await bench.builder(trust: "{digest: 'sha512:\(sum)'}", locked: true).plan()
        }
        #expect(good?.message == provenButNotLocked)
        let other = try StockBench()
        let image = other.path("images/stock.img.xz")
        let wrong = String(repeating: "0", count: 128)
        let bad = await failure {
            _ = try await other.builder(trust: "{digest: 'sha512:\(wrong)'}", locked: true).plan()
        }
        #expect(bad?.headline == "\(image): the file's SHA-512 is not the expected one; nothing was kept")
        #expect(bad?.expected == wrong)
        #expect(bad?.found == "\(sum)")
    }

    @Test func offlineNothingIsFetchedAndThatIsSaid() async throws {
        let bench = try StockBench()
        // A file of this machine needs no network, and is asked about as ever.
        let asked = await failure { _ = try await bench.builder(offline: true).plan() }
        #expect(asked?.message == "nothing vouches for a file but you")
        let refused = await failure {
            _ = try await bench.builder(mirrors: "[\"http://127.0.0.1:1/images\"]", offline: true).plan()
        }
        #expect(
            refused?.description == """
                stock.img.xz: the file is not pinned in the lock file, and may not be fetched
                  next:     run once without --offline
                """)
    }

    @Test func aLockThatContradictsTheRecipeIsRefused() async throws {
        let bench = try StockBench()
        try bench.writeLock(pin: bench.pin(.recipe, .of("another")))
        let wanted = SHA256Digest.of(bench.image)
        let refused = await failure {
            _ = try await bench.builder(trust: "{digest: 'sha256:\(wanted.hex)'}", locked: true).plan()
        }
        #expect(
            refused?.description == """
                \(bench.lockPath): the lock has another digest of stock.img.xz than the recipe
                  expected: sha256:\(wanted.hex)
                  found:    sha256:\(SHA256Digest.of("another").hex)
                  next:     correct the recipe, or renew the lock with --update-lock
                """)
    }

    /// What was accepted by a person is no proof once the recipe asks for more.
    @Test(arguments: [PinnedInput.Trust.accepted, .signature("843938DF228D22F7B3742BC0D94AA3F0EFE21092")])
    func aPinCountsForWhatTheRecipeTrustsNow(trust: PinnedInput.Trust) async throws {
        let bench = try StockBench()
        try bench.writeLock(pin: bench.pin(trust))
        let key = String(repeating: "A", count: 40)
        let signed = await failure {
            _ = try await bench.builder(
                trust: "{signature: {keys: ['\(key)'], keyring: {file: keys.gpg}}}", offline: true, locked: true
            ).plan()
        }
        #expect(signed?.message == "the image is not pinned in the lock file, and may not be fetched")
        // It is enough where nothing is asked for.
        let plain = await failure { _ = try await bench.builder(offline: true, locked: true).plan() }
        #expect(plain?.message == "the lock file answers another request than the recipe's")
    }

    @Test func aKeyringThatChangedStopsTheBuild() async throws {
        let bench = try StockBench()
        let pinned = try PinnedInput(
            name: "keys.gpg", use: "keyring", size: 4, sha256: .of("keys"), trust: .recipe)
        try bench.writeLock(pin: bench.pin(.accepted), more: [pinned])
        let refused = await failure { _ = try await bench.builder(locked: true).plan() }
        #expect(refused?.place == "keys.gpg")
        #expect(
            refused?.message
                == "the keyring is another than the one that is pinned: this may be an attack on the supply chain")
        #expect(refused?.expected == "sha256:\(SHA256Digest.of("keys").hex) (\(bench.lockPath))")
    }

    @Test func aPlanNeedsTheLockAndNotTheImage() async throws {
        let bench = try StockBench()
        try bench.writeLock(pin: bench.pin(.accepted))
        // The request that a lock has to answer is what the refusal of another one names.
        func builder() throws -> ImageBuilder {
            try bench.builder(mirrors: "[/nonexistent]", offline: true, locked: true)
        }
        let other = await failure { _ = try await builder().plan() }
        #expect(other?.message == "the lock file answers another request than the recipe's")
        let request = try #require(
            SHA256Digest(hex: (other?.expected ?? "").dropFirst("request sha256:".count)))
        try bench.writeLock(request: request, pin: bench.pin(.accepted))
        let rows = try await builder().plan().rows
        #expect(
            Array(rows.map(\.step).prefix(6)) == [
                "base image", "packages", "module index", "configure", "kernel", "apt",
            ])
        #expect(rows.first?.summary == "stock.img.xz")
        #expect(rows.contains { $0.step == "cloud-init" && $0.summary == "off" })
        #expect(
            rows.allSatisfy { row in
                row.action == (["module index", "configure", "kernel"].contains(row.step) ? "after base image" : "run")
            })
        // Another image is another base, and all that stands on it.
        let pin = try bench.pin(.accepted, .of("another image"))
        try bench.writeLock(request: request, pin: pin)
        let changed = await failure { _ = try await builder().plan() }
        #expect(changed?.message == "the lock file answers another request than the recipe's")
    }
}

/// The publisher's signature, from the recipe to the pin.
@Suite struct StockSignatureTests {

    /// Signs a list of sums beside the image.
    private func sign(_ bench: StockBench, sums: String) async throws -> String {
        let home = bench.path("gnupg")
        try createFolder(home)
        restrictToOwner(home)
        let runner = ToolRunner(environment: ["GNUPGHOME": home.string])
        func run(_ arguments: [String]) async throws -> [UInt8] {
            try await runner.run(Judge.gpg, ["--batch", "--yes", "--quiet"] + arguments, place: "gpg").output
        }
        _ = try await run(["--passphrase", "", "--quick-gen-key", "publisher@example.org", "ed25519", "sign", "never"])
        let listing = String(decoding: try await run(["--with-colons", "--list-keys"]), as: UTF8.self)
        let key = try #require(listing.split(separator: "\n").first { $0.hasPrefix("fpr:") }).split(separator: ":")[1]
        try writeAtomically(to: bench.path("publisher.gpg"), bytes: try await run(["--export"]))
        let list = bench.path("images/SHA256SUMS")
        try writeAtomically(to: list, bytes: Array(sums.utf8))
        try writeAtomically(
            to: bench.path("images/SHA256SUMS.gpg"),
            bytes: try await run(["--output", "-", "--detach-sign", list.string]))
        _ = try? await runner.result(
            Judge.gpgconf, ["--kill", "all"])
        return String(key)
    }

    @Test func aSignedSumProvesTheImage() async throws {
        let bench = try StockBench()
        let key = try await sign(bench, sums: "\(SHA256Digest.of(bench.image).hex) *stock.img.xz\n")
        let trust = "{signature: {keys: ['\(key)'], keyring: {file: publisher.gpg}}}"
        let proven = await failure { _ = try await bench.builder(trust: trust, locked: true).plan() }
        #expect(proven?.message == provenButNotLocked)

        // A key that is not in the keyring proves nothing.
        let wrong = String(repeating: "A", count: 40)
        let other = await failure {
            _ = try await bench.builder(
                trust: "{signature: {keys: ['\(wrong)'], keyring: {file: publisher.gpg}}}", locked: true
            ).plan()
        }
        #expect(other?.message == "the keyring does not have the pinned key")
        #expect(other?.expected == wrong)
        #expect(other?.found == "\(key)")
    }

    @Test func anImageThatIsNotTheSignedOneIsRefused() async throws {
        let bench = try StockBench()
        let key = try await sign(bench, sums: "\(SHA256Digest.of("another").hex) *stock.img.xz\n")
        let trust = "{signature: {keys: ['\(key)'], keyring: {file: publisher.gpg}}}"
        let refused = await failure { _ = try await bench.builder(trust: trust, locked: true).plan() }
        let text = refused?.description ?? ""
        #expect(
            text.contains(SHA256Digest.of("another").hex) && text.contains(SHA256Digest.of(bench.image).hex), "\(text)")
        let store = try DownloadStore(bench.store)
        #expect(try store.file(.of(bench.image), size: nil, check: .digest) == nil)
    }
}
