import Debian
import Diagnostics
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite struct HostMirrorTests {
    /// A root whose etc/apt holds these files.
    private func root(_ files: [String: String]) throws -> TemporaryFolder {
        let folder = try TemporaryFolder(in: "/tmp", name: "mirror-tests")
        for (name, text) in files {
            try writeAtomically(to: folder.path.appending("etc/apt/\(name)"), bytes: Array(text.utf8))
        }
        return folder
    }

    static let deb822 = """
        # The archive
        Types: deb deb-src
        URIs: http://mirror.test/debian/
        Suites: bookworm bookworm-updates
        Components: main
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

        Types: deb
        URIs: http://security.test/debian-security
        Suites:
         bookworm-security
        Components: main
        Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
        """

    static let oneLine = """
        # deb http://commented.test/debian trixie main
        deb-src http://source.test/debian trixie main
        deb [arch=amd64 signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://mirror.test/debian trixie main # here
        deb http://security.test/debian-security/ trixie-security main contrib
        """

    @Test(arguments: [
        ["sources.list.d/debian.sources": deb822], ["sources.list": oneLine], ["sources.list.d/a.list": oneLine],
    ])
    func bothOfAptsFormsAreRead(_ files: [String: String]) throws {
        let root = try root(files)
        let mirrors = try HostMirror.find(root: root.path)
        #expect(mirrors.debian == ["http://mirror.test/debian"])
        #expect(mirrors.security == ["http://security.test/debian-security"])
    }

    @Test(arguments: [
        "deb https://vendor.test/linux/debian bookworm stable",
        "deb [signed-by=/usr/share/keyrings/vendor.gpg] https://vendor.test/debian bookworm main",
        "deb https://vendor.test/php/ bookworm main",
        "deb https://vendor.test/debian bookworm-pgdg main",
        "deb https://vendor.test/debian nodistro main",
        "deb cdrom:[Debian]/debian bookworm main",
    ]) func aThirdPartysLineIsNoMirror(_ line: String) throws {
        let root = try root(["sources.list": line + "\n" + Self.oneLine])
        #expect(try HostMirror.find(root: root.path).debian == ["http://mirror.test/debian"])
    }

    @Test func aDisabledStanzaIsNoMirror() throws {
        let disabled = Self.deb822.replacing("http://mirror.test", with: "http://disabled.test")
            .replacing("Types: deb deb-src", with: "Enabled: no\nTypes: deb")
        let root = try root(["sources.list.d/a.sources": disabled, "sources.list.d/b.sources": Self.deb822])
        #expect(try HostMirror.find(root: root.path).debian == ["http://mirror.test/debian"])
    }

    @Test func theOptionsTakeTheHostsPlace() throws {
        let root = try root(["sources.list": Self.oneLine])
        let mirrors = try HostMirror.find(root: root.path, debian: "https://other.test/debian/")
        #expect(mirrors.debian == ["https://other.test/debian"])
        #expect(mirrors.security == ["http://security.test/debian-security"])
        let both = try HostMirror.find(root: "/nonexistent", debian: "file:/a", security: "file:/b")
        #expect(both.debian == ["file:/a"])
        #expect(both.security == ["file:/b"])
    }

    @Test func aHostWithoutAMirrorIsToldHowToNameOne() throws {
        let root = try root(["sources.list": "deb http://mirror.test/debian bookworm main"])
        let security = failure { try HostMirror.find(root: root.path) }
        #expect(
            security?.description == """
                \(root.path)/etc/apt: the host's apt names no mirror of Debian's security archive
                  expected: a source with one of Debian's suites and the component main
                  next:     name one: --security-mirror URL
                """)
        let none = failure { try HostMirror.find(root: "/nonexistent") }
        #expect(
            none?.description == """
                /nonexistent/etc/apt: the host's apt names no mirror of Debian's archive
                  expected: a source with one of Debian's suites and the component main
                  next:     name one: --mirror URL
                """)
    }

    @Test(arguments: [
        "ftp://mirror.test/debian", "http://mirror.test/debian\nTrusted: yes", "mirror.test", "http://a b",
    ])
    func whatIsNoMirrorIsRefused(_ uri: String) throws {
        let failure = failure { try ArchiveMirrors(debian: [uri], security: []) }
        #expect(failure?.message == "'\(uri)' is not a mirror's URI")
    }
}
