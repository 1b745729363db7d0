import Debian
import Diagnostics
import Digests
import Layers
import TestSupport
import Testing

private typealias Case = (bytes: [UInt8], message: String)

private func data(_ fill: (inout TarBytes) -> Void) -> [UInt8] { DebBytes.package(data: fill) }

private func control(_ fill: (inout TarBytes) -> Void) -> [UInt8] { DebBytes.package(extraControl: fill) }

private func outer(_ members: [(String, String)], tail: String = "") -> [UInt8] {
    var deb = DebBytes()
    for (name, content) in members {
        var tar = TarBytes()
        if name == "control.tar" { tar.add("control", "0", DebBytes.controlText) }
        deb.add(name, content == "tar" ? tar.closed : Array(content.utf8))
    }
    return deb.bytes + Array(tail.utf8)
}

private let version = ("debian-binary", "2.0\n")

private let paths: [Case] = [
    (data { $0.add("/etc/passwd") }, "evil.deb: /etc/passwd: the path is absolute"),
    (data { $0.add("./../etc/passwd") }, "evil.deb: ./../etc/passwd: the path climbs out with '..'"),
    (data { $0.add("./a/../../b") }, "evil.deb: ./a/../../b: the path climbs out with '..'"),
    (data { $0.add("./a\nb") }, "evil.deb: ./a\nb: the path holds a newline"),
    (
        data {
            $0.add("./a")
            $0.add("a")
        }, "evil.deb: a: the path stands twice in the archive"
    ),
    (
        data {
            $0.add("./a", "2", link: "/etc")
            $0.add("./a/passwd")
        }, "evil.deb: ./a/passwd: it lies below /a, which is no folder in the same archive"
    ),
    (
        data {
            $0.add("./a")
            $0.add("./a/b/c")
        }, "evil.deb: ./a/b/c: it lies below /a, which is no folder in the same archive"
    ),
    (data { $0.add("./", "2", link: "x") }, "evil.deb: ./: the root must be a folder"),
]

private let kinds: [Case] = [
    (
        data { $0.add("./a/b", "2", link: "../../etc") },
        "evil.deb: ./a/b: the symbolic link leads out of the tree\n  found:    ../../etc"
    ),
    (data { $0.add("./a", "2") }, "evil.deb: ./a: the symbolic link's target is empty or too long"),
    (
        data { $0.add("./a", "1", link: "./gone") },
        "evil.deb: ./a: the hard link's target is not an earlier file of the archive\n  found:    ./gone"
    ),
    (
        data { $0.add("./a", "1", link: "/etc/passwd") },
        "evil.deb: ./a: the hard link's target is not an earlier file of the archive\n  found:    /etc/passwd"
    ),
    (
        data { $0.add("./a", "1", link: "../etc/passwd") },
        "evil.deb: ./a: the hard link's target is not an earlier file of the archive\n  found:    ../etc/passwd"
    ),
    (
        data {
            $0.add("./a", "2", link: "/etc/shadow")
            $0.add("./b", "1", link: "./a")
        }, "evil.deb: ./b: the hard link's target is not a plain file\n  found:    ./a"
    ),
    (
        data { $0.add("./dev/mem", "3") },
        "evil.deb: ./dev/mem: packages may not ship devices\n  found:    character device 0:0"
    ),
    (
        data { $0.add("./dev/sda", "4") },
        "evil.deb: ./dev/sda: packages may not ship devices\n  found:    block device 0:0"
    ),
]

private let sizes: [Case] = [
    (
        data { $0.add("./bomb", size: 0o77_777_777_777) },
        "evil.deb: data.tar: ./bomb: the file is too large\n  expected: at most 4294967296 bytes\n  found:    8589934591 bytes"
    ),
    (
        DebBytes.package(
            control: DebBytes.controlText + "Installed-Size: 10\n", data: { $0.add("./bomb", size: 65 << 20) }),
        "evil.deb: data.tar: ./bomb: the file is too large\n  expected: at most 67108864 bytes\n  found:    68157440 bytes"
    ),
    (
        DebBytes.package(control: DebBytes.controlText + "Installed-Size: much\n"),
        "evil.deb: control: Installed-Size is not a number of KiB\n  found:    much"
    ),
    (
        control { $0.add("./postinst", size: 17 << 20) },
        "evil.deb: control.tar: ./postinst: the file is too large\n  expected: at most 16777216 bytes\n  found:    17825792 bytes"
    ),
    (
        control { tar in for index in 0..<64 { tar.add("./f\(index)") } },
        "evil.deb: control.tar: ./f63: the archive holds too many members\n  expected: at most 64"
    ),
    (
        data { $0.add("./short", "0", "abc", size: 4096) },
        "evil.deb: data.tar: the archive is damaged: truncated tar archive"
    ),
]

private let controls: [Case] = [
    (
        control { $0.add("./../x") }, "evil.deb: control.tar: ./../x: the path climbs out with '..'"
    ),
    (
        control { $0.add("./x/postinst") },
        "evil.deb: control.tar: ./x/postinst: only plain files may stand in control.tar, and no folders"
    ),
    (
        control { $0.add("./postinst", "2", link: "/bin/sh") },
        "evil.deb: control.tar: ./postinst: only plain files may stand in control.tar, and no folders"
    ),
    (control { $0.add("./list") }, "evil.deb: control.tar: ./list: 'list' is not a name for a control file"),
    (control { $0.add("./a.b") }, "evil.deb: control.tar: ./a.b: 'a.b' is not a name for a control file"),
    (control { $0.add("./control") }, "evil.deb: control.tar: ./control: the file stands twice in the archive"),
    (
        DebBytes.package(control: "Package: other\nVersion: 1.0-1\nArchitecture: arm64\n"),
        "evil.deb: control: the Package is another than asked for\n  expected: evil\n  found:    other"
    ),
    (
        DebBytes.package(control: "Package: evil\nVersion: 1.0-2\nArchitecture: arm64\n"),
        "evil.deb: control: the Version is another than asked for\n  expected: 1.0-1\n  found:    1.0-2"
    ),
    (
        DebBytes.package(control: "Package: evil\nVersion: 1.0-1\nArchitecture: amd64\n"),
        "evil.deb: control: the Architecture is another than asked for\n  expected: arm64\n  found:    amd64"
    ),
    (DebBytes.package(control: "Package: evil\n"), "evil.deb: control: the field Version is missing"),
    (
        DebBytes.package(control: "Package: evil\n\nPackage: evil\n"),
        "evil.deb: control: the file must hold one paragraph\n  found:    2"
    ),
]

private let outers: [Case] = [
    ([], "evil.deb: the file is not a Debian package: it is no ar archive"),
    (Array("!<arch>\n".utf8), "evil.deb: the file is not a Debian package: its first member is not debian-binary"),
    (
        outer([("control.tar", "tar"), version, ("data.tar", "tar")]),
        "evil.deb: the file is not a Debian package: its first member is not debian-binary"
    ),
    (
        outer([("debian-binary", "3.0\n"), ("control.tar", "tar"), ("data.tar", "tar")]),
        "evil.deb: the package's format is unknown\n  expected: 2.0\n  found:    3.0"
    ),
    (
        outer([version, ("data.tar", "tar"), ("control.tar", "tar")]),
        "evil.deb: the member after debian-binary is not control.tar, plain or as .gz, .xz or .zst"
    ),
    (
        outer([version, ("control.tar", "tar"), ("data.tar.lz4", "tar")]),
        "evil.deb: the member after control.tar is not data.tar, plain or as .gz, .xz or .zst"
    ),
    (
        outer([version, ("control.tar", "tar")]),
        "evil.deb: the member after control.tar is not data.tar, plain or as .gz, .xz or .zst"
    ),
    (
        outer([version, ("control.tar", "tar"), ("data.tar", "tar"), ("more", "x")]),
        "evil.deb: the member more stands after data.tar, where nothing belongs"
    ),
    (
        outer([version, ("control.tar", "tar"), ("data.tar", "tar")], tail: "garbage"),
        "evil.deb: 7 bytes at the file's end are no member of the archive"
    ),
    (
        outer([version, ("control.tar", "tar"), ("data.tar", "tar")], tail: String(repeating: "x", count: 60)),
        "evil.deb: the archive is damaged: no member header at byte 3264"
    ),
    (
        outer([version, ("control.tar", "tar"), ("data.tar", "tar")]).dropLast(),
        "evil.deb: the file ends within its member data.tar\n  expected: 1024 bytes\n  found:    1023 bytes"
    ),
    (
        outer([version, ("control.tar.xz", "tar"), ("data.tar", "tar")]),
        "evil.deb: control.tar: the archive is not compressed as its name says\n  expected: xz"
    ),
].map { (Array($0.0), $0.1) }

private let all: [Case] = [paths, kinds, sizes, controls, outers].flatMap { $0 }

@Suite struct DebArchiveTests {
    @Test(arguments: all)
    func hostilePackagesAreRefusedByName(bytes: [UInt8], message: String) {
        let error = failure { try unpackEvil(bytes) }
        #expect(error?.description == message)
    }

    @Test func setUidFilesAndHarmlessLinksPass() throws {
        let package = try unpackEvil(
            data {
                $0.add("./", "5", mode: 0o755)
                $0.add("./bin/su", "0", "elf", mode: 0o4755)
                $0.add("./bin/su2", "1", link: "./bin/su")
                $0.add("./bin/sh", "2", link: "/usr/bin/dash")
                $0.add("./etc/a/b", "2", link: "../../usr/b")
            })
        #expect(package.data.entries.map(\.attributes.mode) == [0o755, 0o4755, 0o644, 0o644, 0o644])
        #expect(package.data.entries[2].kind == .hardLink("bin/su"))
        #expect(package.data.entries[3].kind == .symlink(Array("/usr/bin/dash".utf8)))
    }

    @Test func otherBytesThanTheLockedOnesAreRefused() throws {
        var bytes = DebBytes.package()
        let locked = bytes
        bytes[bytes.count - 1] = 1
        let error = failure { try unpackEvil(bytes, digestOf: locked) }
        #expect(
            error?.description == """
                evil.deb: the file is not the one that was locked
                  expected: SHA-256 \(SHA256Digest.of(locked).hex)
                  found:    SHA-256 \(SHA256Digest.of(bytes).hex)
                """)
    }
}
