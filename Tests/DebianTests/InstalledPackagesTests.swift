import Debian
import Diagnostics
import Digests
import Foundation
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite struct InstalledPackagesTests {
    private static let status = """
        Package: old
        Status: install ok installed
        Architecture: arm64
        Version: 1.0

        Package: half
        Status: install ok half-configured
        Architecture: arm64
        Version: 2.0

        """

    private func tree(_ more: [Entry] = [], status: String = status) throws -> Tree {
        try Tree([
            Layer(
                name: "stock",
                entries: [
                    Self.file("var/lib/dpkg/status", status),
                    Self.file(
                        "var/lib/dpkg/diversions",
                        "/usr/bin/moved\n/usr/bin/moved.real\nold\n/lib/local\n/lib/local.old\n:\n"),
                    Self.file(
                        "var/lib/dpkg/statoverride", "root adm 2755 /usr/bin/special\nroot root 755 /srv/two words\n"),
                    Self.file("usr/bin/there", "x"), Self.folder("usr/share/doc"), Self.link("bin", to: "usr/bin"),
                    Self.link("opt", to: "usr/share"), Self.file("etc/taken", "x"),
                    Self.link("etc/dangling", to: "none"),
                ] + more)
        ])
    }

    private static func file(_ path: EntryPath, _ text: String) -> Entry {
        Entry(path, Attributes(mode: 0o644, mtime: Timestamp(seconds: 1)), .regular(Content(text)))
    }

    private static func folder(_ path: EntryPath) -> Entry {
        Entry(path, Attributes(mode: 0o755, mtime: Timestamp(seconds: 1)), .directory)
    }

    private static func link(_ path: EntryPath, to target: String) -> Entry {
        Entry(path, Attributes(mode: 0o777, mtime: Timestamp(seconds: 1)), .symlink(Array(target.utf8)))
    }

    private func package(_ name: String, _ entry: Entry) throws -> UnpackedPackage {
        try unpackedPackage(
            name,
            control: ControlParagraph(fields: [.init("Package", name), .init("Version", "1.0")]),
            controlFiles: Layer(name: name), data: Layer(name: name, entries: [entry]))
    }

    static let obstacles: [(entry: Entry, reason: String?)] = [
        (file("usr/bin/new", "x"), nil), (folder("usr/share/doc"), nil), (folder("usr/share/new"), nil),
        // A folder over a link to a folder is the folder behind it.
        (folder("opt"), nil), (file("opt/x", "x"), nil),
        (file("usr/bin/there", "x"), "/usr/bin/there is there already"),
        // The same bytes belong to somebody else all the same, and so they do under another name.
        (file("bin/there", "x"), "/bin/there is there already"),
        (folder("etc/taken"), "/etc/taken is there already"),
        (file("usr/share/doc", ""), "/usr/share/doc is there already"),
        (link("etc/dangling", to: "none"), "/etc/dangling is there already"),
        (file("usr/bin/moved", ""), "/usr/bin/moved is diverted"),
        (file("usr/bin/moved.real", ""), "/usr/bin/moved.real is diverted"),
        (file("lib/local", ""), "/lib/local is diverted"),
        (file("usr/bin/special", ""), "/usr/bin/special has an override"),
        (folder("srv/two words"), "/srv/two words has an override"),
    ]

    @Test(arguments: obstacles.indices) func whatStandsInTheWayIsSaid(row: Int) throws {
        let (entry, reason) = Self.obstacles[row]
        #expect(try InstalledPackages(reading: tree()).obstacle(to: package("fresh", entry)) == reason)
    }

    @Test func whatIsBrokenOffIsNamed() throws {
        let installed = try InstalledPackages(reading: tree())
        #expect(installed.unfinished == ["half"])
        #expect(installed.names == ["old"])
        #expect(installed.version(of: "half") == "2.0")
        #expect(
            try installed.obstacle(to: package("half", Self.file("usr/bin/half", ""))) == "version 2.0 is installed")
    }

    @Test(arguments: [
        (
            "Package: x\nStatus: install installed\n",
            "/var/lib/dpkg/status: x: the field Status has not three words"
        ),
        ("Package: x\n", "/var/lib/dpkg/status: x: the field Status is missing"),
        ("Status: install ok installed\n", "/var/lib/dpkg/status: the field Package is missing"),
    ])
    func aStatusFileThatIsNoneIsRefused(status: String, message: String) throws {
        let error = failure { try InstalledPackages(reading: tree(status: status)) }
        #expect(error?.headline == message)
    }

    @Test func aTreeWithoutADatabaseIsRefused() {
        let error = failure { try InstalledPackages(reading: Tree()) }
        #expect(
            error?.description == """
                /var/lib/dpkg/status: the image has no dpkg status file that could be read
                  expected: an image of Debian or a system made from it
                """)
    }
}
