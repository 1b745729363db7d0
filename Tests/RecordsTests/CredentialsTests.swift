import Records
import Diagnostics
import Storage
import SystemPackage
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Counts upwards, so that a test knows what comes.
private struct Counting: RandomNumberGenerator {
    var value: UInt64 = 0
    mutating func next() -> UInt64 {
        value &+= 0x9E37_79B9_7F4A_7C15
        return value
    }
}

@Suite struct CredentialsTests {
    @Test func madeUpPasswordStaysOnceItIsWritten() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-credentials")
        let path = folder.path.appending("x.credentials")
        var generator = Counting()
        var credentials = try Credentials.read(path)
        let password = credentials.password(of: "pi", using: &generator)
        #expect(password.wholeMatch(of: /([a-hjkmnp-z2-9]{4}-){3}[a-hjkmnp-z2-9]{4}/) != nil)
        try credentials.write(to: path)
        var status = stat()
        #expect(stat(path.string, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        var again = try Credentials.read(path)
        #expect(again.password(of: "pi", using: &generator) == password)
        #expect(again.password(of: "mo", using: &generator) != password)
    }

    @Test func lineThatIsNoCredentialIsNamed() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-credentials")
        let path = folder.path.appending("x.credentials")
        try writeAtomically(to: path, bytes: Array("pi:secret\nmo\n".utf8))
        let error = failure { try Credentials.read(path) }
        #expect(error?.place == "\(path):2")
        #expect(error?.message == "the line is no user name and password")
    }

    @Test func passwordMayHoldColonsAndSpaces() throws {
        let credentials = try Credentials(
            parsing: "# printed once\npi:a:b c\n \nroot:x\r\n", at: "x.credentials")
        #expect(credentials.logins == [.init(user: "pi", password: "a:b c"), .init(user: "root", password: "x")])
    }

    @Test func lastLineOfAUserCounts() throws {
        let credentials = try Credentials(parsing: "pi:a\nroot:x\npi:b\n", at: "x")
        #expect(credentials.logins == [.init(user: "pi", password: "b"), .init(user: "root", password: "x")])
    }

    @Test(arguments: [("pi", 1), ("pi:a\n:b", 2), ("pi:", 1)])
    func badLineIsRefusedWithoutShowingIt(text: String, line: Int) {
        #expect(
            failure { try Credentials(parsing: text, at: "x") }?.description == """
                x:\(line): the line is no user name and password
                  expected: user:password
                  next:     mend the line; where a build made the file, remove it to have new passwords made
                """)
    }

    @Test func credentialsMayComeFromWindows() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-credentials")
        let path = folder.path.appending("x.credentials")
        try writeAtomically(
            to: path, bytes: [0xef, 0xbb, 0xbf] + Array("# made\r\npi: a:b \r\n\r\nroot:x\r\n".utf8))
        #expect(try Credentials.read(path).passwords == ["pi": " a:b ", "root": "x"])
        try writeAtomically(to: path, bytes: Array("pi:a\tb\n".utf8))
        let error = failure { try Credentials.read(path) }
        #expect(error?.headline == "\(path):1: the line has an invisible character in the secret")
        #expect(error?.found == "U+0009 as character 2")
    }
}
