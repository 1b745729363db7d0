import Debian
import Diagnostics
import TestSupport
import Testing
import Tools

@Suite struct DebianVersionTests {
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
        let answers = try await ToolRunner().run(Judge.sh, ["-c", script.joined(separator: "\n")], place: "dpkg").text
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
        let error = failure { try DebianVersion(text) }
        #expect(error?.description == message)
    }
}
