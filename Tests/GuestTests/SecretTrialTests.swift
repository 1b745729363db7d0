import Guest
import Layers
import Storage
import SystemPackage
import Testing

/// Packages whose scripts make secrets, in real boots with real dpkg.
@Suite struct SecretTrialTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "guest-tests") }

    /// Sixteen random bytes as hex, as scripts without openssl make them.
    private static let random = "cat /proc/sys/kernel/random/uuid | sed 's/-//g'"

    /// Makes a key that is missing whenever it is asked.
    private static let careful = SmallPackage(
        name: "careful",
        control: [
            "postinst": """
            #!/bin/sh -e
            mkdir -p /etc/careful/certs
            [ -e /etc/careful/key ] || {
                printf -- '-----BEGIN PRIVATE KEY-----\\n%s\\n-----END PRIVATE KEY-----\\n' "$(\(random))" >/etc/careful/key
                printf -- '-----BEGIN CERTIFICATE-----\\n%s\\n-----END CERTIFICATE-----\\n' "$(\(random))" >/etc/careful/certs/cert.pem
                ln -sf cert.pem /etc/careful/certs/0a1b2c3d.0
            }
            echo "Port 22" >/etc/careful/settings
            """
        ])
    /// Makes its secret on a first installation only.
    private static let once = SmallPackage(
        name: "once",
        control: [
            "postinst": """
            #!/bin/sh -e
            [ -n "$2" ] || { (umask 077; echo "password=\\"$(\(random))\\"" >/etc/once.conf); }
            """
        ])
    /// Never makes it again.
    private static let never = SmallPackage(
        name: "never",
        control: [
            "postinst": """
            #!/bin/sh -e
            [ -e /etc/never.done ] || { (umask 077; echo "secret $(\(random))" >/etc/never.key); }
            echo done >/etc/never.done
            # Not in the same second as another's.
            sleep 2
            """
        ])

    private func configure(
        _ packages: [SmallPackage], store: String, keepsSecrets: Bool = false
    ) async throws -> MicroVM.Result {
        let parts = try await SmallTree.shared.parts()
        var tree = parts.tree
        try tree.apply(SmallPackage.layer(of: packages))
        var request = ConfigureRequest(
            tree: tree, packages: packages.map(\.package), kernel: parts.kernel, busybox: parts.busybox,
            epoch: MicroVMTests.epoch)
        request.freeSpace = 16 << 20
        return try await MicroVM.configure(
            request, store: LayerStore(folder: folder.path.appending(store)), keepsSecrets: keepsSecrets,
            work: folder.path.appending("work"), log: folder.path.appending("configure.log"))
    }

    @Test func whatScriptsMakeIsLeftOutAndTriedWhoMakesItAgain() async throws {
        let packages = [Self.careful, Self.once, Self.never]
        let result = try await configure(packages, store: "one")
        let secrets = Dictionary(uniqueKeysWithValues: result.secrets.map { ($0.path, $0) })
        #expect(secrets.keys.sorted() == ["etc/careful/key", "etc/never.key", "etc/once.conf"])
        let key = try #require(secrets["etc/careful/key"])
        #expect(key.package == "careful" && key.means == .again && key.what == "a private key (PEM)")
        #expect(key.companions == ["etc/careful/certs/cert.pem", "etc/careful/certs/0a1b2c3d.0"])
        let once = try #require(secrets["etc/once.conf"])
        #expect(once.package == "once" && once.means == .fresh && once.what == "a random secret")
        let never = try #require(secrets["etc/never.key"])
        #expect(never.package == "never" && never.means == nil)

        let paths = result.layer.entries.map(\.path)
        #expect(paths.contains("etc/careful/settings") && paths.contains("etc/careful/certs"))
        #expect(paths.allSatisfy { !$0.isInside("run") })
        // The same from another run, to the bit: nothing random is left.
        let again = try await configure(packages, store: "two")
        #expect(again.layer.digest == result.layer.digest && again.secrets == result.secrets)
        // Nothing that was made is in the store of who did not ask for it.
        let stored = try await configure(packages, store: "one")
        #expect(stored.report == nil && stored.secrets == result.secrets && stored.layer.digest == result.layer.digest)
        for file in files(below: folder.path.appending("one")) {
            let text = String(decoding: try readFile(folder.path.appending("one").appending(file)), as: UTF8.self)
            #expect(!text.contains("PRIVATE KEY-----") && !text.contains("password="))
        }
    }

    @Test func aSecretThatIsAskedForIsKeptApart() async throws {
        let without = try await configure([Self.careful], store: "store")
        #expect(without.secrets.first.map { without.files(of: $0) } == [])
        let with = try await configure([Self.careful], store: "store", keepsSecrets: true)
        #expect(with.report != nil && with.layer.digest == without.layer.digest)
        let kept = with.files(of: try #require(with.secrets.first))
        #expect(
            kept.map(\.path) == ["etc/careful/certs/0a1b2c3d.0", "etc/careful/certs/cert.pem", "etc/careful/key"])
        let stored = try await configure([Self.careful], store: "store", keepsSecrets: true)
        let secret = try #require(stored.secrets.first)
        #expect(stored.report == nil && stored.files(of: secret) == kept)
    }

    private func files(below folder: FilePath) -> [String] { fileNames(in: folder) }
}
