import Digests
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

@Suite struct ChecksumListTests {
    @Test func sha256sumAcceptsTheList() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-pack")
        var entries: [ChecksumList.Entry] = []
        for name in ["a b.img.xz", "x.manifest.json"] {
            try writeAtomically(to: folder.path.appending(name), bytes: Array(name.utf8))
            entries.append(.init(name: name, digest: .of(name)))
        }
        let path = folder.path.appending("x.SHA256SUMS")
        try ChecksumList(entries).write(to: path)
        let result = try await ToolRunner().run(
            Judge.sha256sum, ["-c", "--strict", "x.SHA256SUMS"], directory: folder.path, place: "sums")
        #expect(result.text == "a b.img.xz: OK\nx.manifest.json: OK\n")
        #expect(try ChecksumList.read(path).entries == entries)
        #expect(try ChecksumList.read(path)["x.manifest.json"] == SHA256Digest.of("x.manifest.json"))
    }

    static let hex = String(repeating: "ab", count: 32)

    @Test(arguments: [
        ("", "S: the list of sums is empty"), ("\(hex)  a", "S: the list of sums does not end with a newline"),
        (
            "\(hex) a\n",
            "S:1: this is not a line of SHA-256 sums\n  expected: 64 hex digits, two spaces, a file name\n  found:    \(hex) a"
        ),
        (
            "\(hex)  a\n\n",
            "S:2: this is not a line of SHA-256 sums\n  expected: 64 hex digits, two spaces, a file name\n  found:    nothing"
        ),
        (
            "\(hex)  ../a\n",
            "S:1: the file name is not allowed in a list of sums\n  expected: a name in the list's own folder\n  found:    ../a"
        ), ("\(hex)  a\n\(hex) *a\n", "S:2: the file is listed twice\n  found:    a"),
    ])
    func badListIsRefused(text: String, message: String) {
        #expect(refusal { try ChecksumList(parsing: text, at: "S") } == message)
    }
}
