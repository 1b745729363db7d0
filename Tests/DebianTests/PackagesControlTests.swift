import Debian
import Diagnostics
import Testing
import Tools

private let dpkg = Tool("dpkg", package: "dpkg", purpose: "judge versions in tests")

@Suite struct PackagesControlTests {
    private static let versions = [
        "0", "0-0", "1.0", "1.00-0", "1.0-1", "1.0-1+b1", "1.0-1~bpo12+1", "1.0~rc1-1", "1.0~~", "1.0~", "1.0a", "1.0+",
        "1.0.1", "1.0-1.1",
        "1:0.1", "0:1.0", "1.10", "1.9", "2.41-12+deb13u4", "2.41-12", "20250419+deb13u1", "1.0-1a", "1.0-10",
        "1:1.2:3-1", "1-2-3", "9.0",
    ]

    /// dpkg decides on every pair.
    @Test func versionsAreOrderedAsDpkgOrdersThem() async throws {
        let pairs = Self.versions.indices.flatMap { a in Self.versions.indices.filter { $0 > a }.map { (a, $0) } }
        let script = pairs.map { a, b in
            let (a, b) = (Self.versions[a], Self.versions[b])
            return
                "if dpkg --compare-versions \(a) lt \(b); then echo lt; elif dpkg --compare-versions \(a) eq \(b); then echo eq; else echo gt; fi"
        }
        let shell = Tool("sh", package: "dash", purpose: "ask dpkg")
        let answers = try await ToolRunner().run(shell, ["-c", script.joined(separator: "\n")], place: "dpkg").text
            .split(separator: "\n")
        try #require(answers.count == pairs.count)
        for ((a, b), answer) in zip(pairs, answers) {
            let (left, right) = (try DebianVersion(Self.versions[a]), try DebianVersion(Self.versions[b]))
            let ours = left < right ? "lt" : left == right ? "eq" : "gt"
            #expect(ours == answer, "\(left) \(right)")
            #expect((right < left) == (ours == "gt"))
        }
    }

    @Test(arguments: [
        ("", "version: '' is not a version: its upstream part is empty"),
        ("x:1", "version: 'x:1' is not a version: its epoch is not a number"),
        ("-1:1", "version: '-1:1' is not a version: its epoch is not a number"),
        ("1-", "version: '1-' is not a version: its revision is empty"),
        ("1_2", "version: '1_2' is not a version: it holds a character that versions do not have"),
    ])
    func impossibleVersionsAreRefused(text: String, message: String) {
        let error = #expect(throws: Failure.self) { try DebianVersion(text) }
        #expect(error?.description == message)
    }

    @Test func paragraphsKeepOrderAndContinuationLines() throws {
        let text = """
            Package: a
            Description: short
             long

            package: b
            Conffiles:
             /etc/b 0123
            Depends:   c ,
              d

            """
        let paragraphs = try ControlParagraph.parse(Array(text.utf8), place: "status")
        #expect(paragraphs.map(\.fields.count) == [2, 3])
        #expect(paragraphs[0]["description"] == "short\n long")
        #expect(paragraphs[1]["Package"] == "b")
        #expect(paragraphs[1]["Conffiles"] == "\n /etc/b 0123")
        #expect(paragraphs[1].text == "package: b\nConffiles:\n /etc/b 0123\nDepends: c ,\n  d\n")
    }

    @Test(arguments: [
        (" x\n", "f:1: a continuation line stands where a field must begin"),
        ("A: 1\nnonsense\n", "f:2: the line is not a field\n  expected: Name: value"),
        ("A: 1\na: 2\n", "f:2: the field a is given twice"),
        (": 1\n", "f:1: the line is not a field\n  expected: Name: value"),
        ("-----BEGIN PGP-----: x\n", "f:1: the line is not a field\n  expected: Name: value"),
    ])
    func badParagraphsAreRefused(text: String, message: String) {
        let error = #expect(throws: Failure.self) { try ControlParagraph.parse(Array(text.utf8), place: "f") }
        #expect(error?.description == message)
    }

    @Test func dependenciesAreParsed() throws {
        let parsed = try Dependency.parse("a, b:any(>=1.0) | c (<< 2:3-1~) ,d ( < 4 ),\n e (= 5),", place: "p")
        #expect(parsed.map(\.description) == ["a", "b:any (>= 1.0) | c (<< 2:3-1~)", "d (<= 4)", "e (= 5)"])
        #expect(parsed[1].alternatives[1].accepts(version: try DebianVersion("2:2")))
        #expect(!parsed[1].alternatives[1].accepts(version: try DebianVersion("2:3-1")))
    }

    @Test(arguments: [
        ("a |", "p: '' is not a dependency\n  expected: name (>= version)"),
        ("a (1", "p: 'a (1' is not a dependency\n  expected: name (>= version)"),
        ("a (=> 1)", "p: 'a (=> 1)' is not a dependency\n  expected: name (>= version)"),
        ("a b", "p: 'a b' is not a dependency\n  expected: name (>= version)"),
        ("a (>= )", "p: '' is not a version: its upstream part is empty"),
    ])
    func badDependenciesAreRefused(field: String, message: String) {
        let error = #expect(throws: Failure.self) { try Dependency.parse(field, place: "p") }
        #expect(error?.description == message)
    }
}
