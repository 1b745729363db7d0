import Records
import Foundation
import Storage
import Synchronization
import SystemPackage
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// What people ran into, in one image (`Field/field.yaml`): built, looked into, built anew elsewhere, and booted. Half an hour and more: it
/// runs by `make test-long`. The tests follow each other.
@Suite(.serialized) final class FieldTests {
    private static let folder = Mutex<TemporaryFolder?>(nil)

    private let root: FilePath

    init() throws {
        root = try Self.folder.withLock { folder in
            if let folder { return folder.path }
            let made = try TemporaryFolder(in: "/var/tmp", name: "piforge-field")
            folder = made
            // What a static holds is not released when a process ends.
            atexit { FieldTests.folder.withLock { $0 = nil } }
            try Self.prepare(made.path)
            return made.path
        }
    }

    /// The recipe in a folder of its own, with what a checkout would not keep as it is: a mark of byte order, carriage returns, a name that
    /// is no text.
    private static func prepare(_ folder: FilePath) throws {
        let recipe = folder.appending("field")
        let source = Program.repository.pushing(FilePath("Tests/AcceptanceTests/Field"))
        try FileManager.default.copyItem(atPath: source.string, toPath: recipe.string)
        try writeAtomically(
            to: recipe.appending("password.txt"), bytes: [0xef, 0xbb, 0xbf] + Array("field-Passw0rd\r\n".utf8))
        try writeAtomically(to: recipe.appending("wifi.txt"), bytes: Array("correct horse battery\r\n".utf8))
        try writeAtomically(
            to: recipe.appending("crlf.config"), bytes: Array("CONFIG_KVM=y\r\nCONFIG_MAC80211_HWSIM=m\r\n".utf8))
        let latin = recipe.appending("overlay").appending(name: Array("caf".utf8) + [0xe9])
        let file = try FileDescriptor.open(latin, .writeOnly, options: .create, permissions: .ownerReadWrite)
        _ = try file.closeAfter { try file.writeAll(Array("latin\n".utf8)) }
    }

    private var output: FilePath { root.appending("out") }
    private var image: FilePath { output.appending("field.img.xz") }

    private func build(_ cache: String? = nil, output: String = "out") throws -> Outcome {
        try Program.piforge(
            ["build", "field.yaml", "-o", root.appending(output).string]
                + (cache.map { ["--cache", root.appending($0).string] } ?? []),
            directory: root.appending("field"))
    }

    private func text(_ path: String) throws -> String {
        let read = try Program.piforge(["cat", image.string, path])
        #expect(read.status == 0, "\(read.errors)")
        return read.output
    }

    private func names(_ path: String, _ options: [String] = []) throws -> String {
        let listed = try Program.piforge(["ls"] + options + [image.string, path])
        #expect(listed.status == 0, "\(listed.errors)")
        return listed.output
    }

    @Test func theImageIsBuiltAndWhatScriptsMadeIsTold() throws {
        let built = try build()
        #expect(built.status == 0, "\(built.errors)")
        let secrets = try #require(try Manifest.read(output.appending("field.manifest.json")).secrets)
        #expect(secrets.allSatisfy { !$0.isKept })
        let made = secrets.filter(\.isMadeAtFirstBoot)
        for (path, package) in [
            ("/etc/dropbear/dropbear_ed25519_host_key", "dropbear"),
            ("/etc/dropbear/dropbear_rsa_host_key", "dropbear"),
            ("/etc/ssl/private/ssl-cert-snakeoil.key", "ssl-cert"), ("/etc/munge/munge.key", "munge"),
            ("/etc/bind/rndc.key", "bind9"),
        ] {
            #expect(made.contains { $0.path == path && $0.package == package }, "\(path) in \(secrets)")
            #expect(built.errors.contains(path))
            let read = try Program.piforge(["cat", image.string, path])
            #expect(read.status == 1)
        }
        // What belongs to a key goes with it.
        #expect(try !names("/etc/ssl/certs").contains("snakeoil"))
    }

    /// A stand-in reads what it is given to the end, and keeps what it says in the log.
    @Test func theDatabaseHasItsSystemTables() throws {
        let tables = try names("/var/lib/mysql/mysql")
        for name in ["global_priv.MAI", "db.frm", "proc.MAD"] { #expect(tables.contains(name), "\(tables)") }
        let log = String(decoding: try readFile(output.appending("field.configure.log")), as: UTF8.self)
        #expect(log.contains("mariadb-server: logger: "))
    }

    @Test func indexesComeAfterAllThatFeedsThem() throws {
        let release = try Manifest.read(output.appending("field.manifest.json")).expectations.kernelRelease
        #expect(try text("/usr/lib/modules/\(release)/modules.dep").contains("v4l2loopback.ko"))
        #expect(try names("/etc/ssl/certs").contains("field.pem"))
        let authority = try text("/usr/local/share/ca-certificates/field.crt")
        #expect(try text("/etc/ssl/certs/ca-certificates.crt").hasSuffix(authority))
        #expect(try text("/usr/lib/udev/hwdb.bin").contains("Field Works"))
    }

    @Test func theOverlayFeedsAndLeavesWhatIsThere() throws {
        #expect(try names("/etc/systemd/system/multi-user.target.wants").contains("field.service"))
        #expect(try text("/home/pi/.fieldrc").contains("/etc/skel"))
        let listing = try names("/", ["-lR"]).split(separator: "\n")
        func line(_ path: String) -> Substring {
            listing.first { $0.hasSuffix(" \(path)") || $0.hasSuffix(" \(path)/") } ?? ""
        }
        #expect(line("/home/pi/notes").contains("1000"), "\(line("/home/pi/notes"))")
        #expect(line("/tmp").hasPrefix("drwxrwxrwt"), "\(line("/tmp"))")
        #expect(try text("/etc/hosts").contains("127.0.1.1 field.example.org field\n"))
    }

    /// Keys are left out, so that a build with a cache of its own gives the same files, but for the database, whose own server writes random
    /// identifiers.
    @Test func anotherBuildMakesTheSame() throws {
        try createFolder(root.appending("again"))
        let built = try build("cache", output: "again")
        #expect(built.status == 0, "\(built.errors)")
        let difference = try Program.piforge([
            "diff", image.string, root.appending("again").appending("field.img.xz").string, "--only", "files",
            "--no-text",
        ])
        let lines = difference.output.split(separator: "\n").filter { $0.contains(" /") }
        #expect(difference.status == 0 || !lines.isEmpty, "\(difference.output)\(difference.errors)")
        for line in lines { #expect(line.contains(" /var/lib/mysql/"), "\(line)") }
    }

    @Test func theImageIsSoundAndProvesItself() throws {
        let verified = try Program.piforge(["verify", image.string])
        #expect(verified.status == 0, "\(verified.output)\(verified.errors)")
        try writeAtomically(to: output.appending("field.credentials"), bytes: Array("pi:field-Passw0rd\r\n".utf8))
        let proven = try Program.piforge(["prove", image.string, "--machine", "virt"])
        #expect(proven.status == 0, "\(proven.output)\(proven.errors)")
        let rows = proven.output.split(separator: "\n")
        #expect(rows.contains { $0.contains("secrets of packages") && $0.hasPrefix("ok ") }, "\(proven.output)")
    }
}
