import Foundation
import Guest
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// What is a secret, held to what the programs write that make keys.
@Suite struct SecretContentTests {
    private let folder: TemporaryFolder
    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "secrets") }

    /// What a command leaves in the file `out`.
    private func made(_ command: String) async throws -> [UInt8] {
        let out = folder.path.appending("out")
        removeTree(out)
        try await ToolRunner(environment: ["GNUPGHOME": folder.path.string]).run(
            Judge.sh, ["-c", "cd \(folder.path) && { \(command)\n} >&2"], place: command)
        return try readFile(out)
    }

    @Test(arguments: [
        ("openssl genpkey -algorithm ed25519 -out out", "PEM"),
        ("openssl genrsa -traditional -out out 2048", "PEM"),
        ("openssl ecparam -name prime256v1 -genkey -noout -out out", "PEM"),
        ("openssl genpkey -algorithm rsa -aes256 -pass pass:x -out out", "PEM"),
        ("openssl genpkey -algorithm ed25519 -outform DER -out out", "DER"),
        ("openssl genrsa 2048 | openssl rsa -traditional -outform DER -out out", "DER"),
        ("openssl genpkey -algorithm rsa -outform DER -out out", "DER"),
        ("openssl ecparam -name prime256v1 -genkey -noout | openssl ec -outform DER -out out", "DER"),
        (
            "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout k -out c && openssl pkcs12 -export -inkey k -in c -passout pass:x -out out",
            "DER"
        ),
        ("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout k -out c && cat c k >out", "PEM"),
        ("ssh-keygen -q -t ed25519 -N '' -f out", "PEM"),
        ("ssh-keygen -q -t rsa -m PEM -N '' -f out", "PEM"),
        (
            "gpg -q --batch --passphrase '' --quick-gen-key a@example.org && cat private-keys-v1.d/*.key >out; gpgconf --kill all",
            "GnuPG"
        ),
        ("printf '\\0\\0\\0\\013ssh-ed25519\\0\\0\\0\\100' >out; head -c 64 /dev/urandom >>out", "Dropbear"),
        ("printf 'Private-key-format: v1.3\\nAlgorithm: 13 (ECDSAP256SHA256)\\n' >out", "DNSSEC"),
    ])
    func privateKeysAreKnownByTheirForm(command: String, form: String) async throws {
        // Whoever may read it: a private key that all may read is one all the same.
        #expect(SecretContent(try await made(command), isReadableByAll: true) == .privateKey(form))
    }

    @Test(arguments: [
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout /dev/null -out out",
        "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout /dev/null -outform DER -out out",
        "openssl req -newkey rsa:2048 -nodes -subj /CN=x -keyout /dev/null -out out",
        "openssl genrsa 2048 | openssl rsa -pubout -out out",
        "ssh-keygen -q -t ed25519 -N '' -f k && cp k.pub out; rm -f k k.pub",
    ])
    func publicHalvesAreNoSecrets(command: String) async throws {
        #expect(SecretContent(try await made(command), isReadableByAll: false) == .publicHalf)
    }

    @Test(arguments: [
        "head -c 1024 /dev/urandom >out",
        "head -c 32 /dev/urandom >out",
        "echo \"key \\\"rndc-key\\\" { algorithm hmac-sha256; secret \\\"$(openssl rand -base64 32)\\\"; };\" >out",
        "echo \"dbc_dbpass='aB3xK9fLq2Zw'\" >out",
        "openssl rand -hex 16 >out",
        "echo \"root:$(openssl passwd -6 secret):20000:0:99999:7:::\" >out",
        "printf '[Interface]\\nPrivateKey = %s\\n' \"$(openssl rand -base64 32)\" >out",
    ])
    func whatIsRandomIsASecretWhereNotAllMayReadIt(command: String) async throws {
        let bytes = try await made(command)
        #expect(SecretContent(bytes, isReadableByAll: false) == .randomSecret)
        #expect(SecretContent(bytes, isReadableByAll: true) == nil)
    }

    /// What chance writes into a hash says nothing of it.
    @Test(arguments: [
        "root:$6$aZ3kQ9xT1mD5cV7b$Qw8Er7Ty6Ui5Op4As3Df2Gh1Jk0ETAGzXc9Vb8Nm7:20000:0:99999:7:::",
        "root:$6$Pm4SHA1qL8wE2rT6$Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2Yz3:20000:0:99999:7:::",
    ])
    func aHashIsASecretWhateverItSpells(line: String) {
        #expect(SecretContent(Array(line.utf8), isReadableByAll: false) == .randomSecret)
    }

    @Test(arguments: [
        "root:*:20000:0:99999:7:::\npi:!*:20000:0:99999:7:::\n",
        "PasswordAuthentication yes\nPermitRootLogin prohibit-password\nUsePAM yes\n",
        "auth required pam_unix.so sha512crypt use_first_pass\n",
        "host all all 127.0.0.1/32 scram-sha-256\n",
        "KexAlgorithms sntrup761x25519-sha512,ecdh-sha2-nistp256 # key\n",
        "@includedir /etc/sudoers.d\nDefaults secure_path=\"/usr/local/sbin:/usr/local/bin\"\n",
        // A view of MariaDB's.
        "TYPE=VIEW\nquery=select 1\nmd5=28eb2ed8c4b1a1ea8b9ba4a1a1e9e5ac\nupdatable=1\n",
        "Name: ssl-cert/title\nTemplate: make-ssl-cert/title\nOwners: ssl-cert\n\n", "", "\u{0}\u{0}\u{0}\u{0}",
    ])
    func settingsAreNoSecrets(text: String) {
        #expect(SecretContent(Array(text.utf8), isReadableByAll: false) == nil)
    }

    @Test func whatIsPackedIsNoSecret() async throws {
        #expect(SecretContent(try await made("seq 1 9999 | gzip -n >out"), isReadableByAll: false) == nil)
        #expect(SecretContent(try await made("seq 1 9999 | xz >out"), isReadableByAll: false) == nil)
    }

    /// Any bytes end in an answer.
    @Test func cutKeysCrashNothing() async throws {
        let key = try await made("openssl genpkey -algorithm rsa -outform DER -out out")
        for count in stride(from: 0, to: key.count, by: 7) {
            _ = SecretContent(Array(key.prefix(count)), isReadableByAll: true)
            var changed = key
            changed[count] ^= 0xff
            _ = SecretContent(changed, isReadableByAll: true)
        }
        #expect(SecretContent(Array(key.dropLast()), isReadableByAll: true) == nil)
    }
}
