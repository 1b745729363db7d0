import Diagnostics
import Digests
import Fetch
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

@Suite struct SumsListTests {
    /// The judges: the lists that coreutils' own programs write, in both styles.
    @Test func listsOfCoreutilsAreRead() async throws {
        let scratch = try Scratch()
        try writeAtomically(to: scratch.folder.path.appending("hello (1) = x.img"), bytes: hello)
        let judges: [(String, ChecksumAlgorithm)] = [
            ("md5sum", .md5), ("sha1sum", .sha1), ("sha256sum", .sha256), ("sha512sum", .sha512),
        ]
        for (program, algorithm) in judges {
            for options in [[], ["--tag"], ["--binary"]] {
                let printed = try await ToolRunner().run(
                    Tool(program, package: "coreutils", purpose: "test"), options + ["./hello (1) = x.img"],
                    directory: scratch.folder.path, place: "test")
                let list = try SumsList(parsing: printed.output, at: "SUMS")
                #expect(try list.checksum(of: "hello (1) = x.img") == .of(hello, algorithm))
                #expect(list.names == ["hello (1) = x.img"])
            }
        }
    }

    @Test func aPublishersListMayBeLax() throws {
        let text = """
            # Ubuntu 18.04.3

            \(SHA256Text.hello) *./hello.img.xz
            \(SHA256Text.hello.uppercased())  hello.img.xz\r
            SHA512 (hello.img.xz) = \(Checksum.of(hello, .sha512).hex)
            SIZE (hello.img.xz) = 15
            RMD160 (hello.img.xz) = 00
            \(SHA256Text.reversed)  folder/reversed.img.xz
            """
        let list = try SumsList(parsing: Array(text.utf8), at: "SUMS")
        #expect(list.names == ["folder/reversed.img.xz", "hello.img.xz"])
        #expect(try list.checksum(of: "hello.img.xz").sha256 == .of(hello))
        #expect(list.checksums(of: "hello.img.xz").map(\.algorithm) == [.sha256, .sha512])
    }

    static let refused: [(String, String)] = [
        (
            "\(SHA256Text.hello)  a\n\(SHA256Text.reversed)  ./a\n",
            """
            SUMS:2: the file is listed twice, with different sums
              expected: a sha256:\(SHA256Text.hello)
              found:    a sha256:\(SHA256Text.reversed)
            """
        ),
        (
            "\n<html>\n",
            """
            SUMS:2: this is not a line of a list of sums
              expected: HEX  NAME, or SHA256 (NAME) = HEX
              found:    <html>
            """
        ),
        (
            "\(SHA256Text.hello.dropLast())  a\n",
            """
            SUMS:1: this is not a line of a list of sums
              expected: HEX  NAME, or SHA256 (NAME) = HEX
              found:    \(SHA256Text.hello.dropLast())  a
            """
        ),
        (
            "SHA256 (a) = 12\n",
            """
            SUMS:1: this is not a line of a list of sums
              expected: HEX  NAME, or SHA256 (NAME) = HEX
              found:    SHA256 (a) = 12
            """
        ),
        (
            String(repeating: "\n", count: 1 << 20) + "\n",
            "SUMS: the list of sums is too large\n  expected: at most 1048576 bytes\n  found:    1048577 bytes"
        ),
    ]

    @Test(arguments: refused.indices) func whatIsNoListHasItsMessage(_ row: Int) async throws {
        let (text, message) = Self.refused[row]
        let failure = failure { _ = try SumsList(parsing: Array(text.utf8), at: "SUMS") }
        #expect(failure?.description == message)
    }

    @Test func aListThatIsNotTextIsRefused() async throws {
        let failure = failure { _ = try SumsList(parsing: [0xff, 0xfe, 10], at: "SUMS") }
        #expect(failure?.description == "SUMS: the list of sums is not UTF-8 text")
    }

    @Test func aMissingLineIsNamedWithTheNearestOnes() async throws {
        let text = ["18.04.5", "18.04.6", "20.04.1"].map {
            "\(SHA256Text.hello) *ubuntu-\($0)-preinstalled-server-arm64+raspi3.img.xz\n"
        }.joined()
        let wanted = "ubuntu-18.04.3-preinstalled-server-arm64+raspi3.img.xz"
        let list = try SumsList(parsing: Array(text.utf8), at: "http://mirror.example/SHA256SUMS")
        let missing = failure { _ = try list.checksum(of: wanted) }
        #expect(
            missing?.description == """
                http://mirror.example/SHA256SUMS: the list of sums has no line for the file
                  expected: a line for \(wanted)
                  found:    3 files; nearest: ubuntu-18.04.5-preinstalled-server-arm64+raspi3.img.xz, \
                ubuntu-18.04.6-preinstalled-server-arm64+raspi3.img.xz, \
                ubuntu-20.04.1-preinstalled-server-arm64+raspi3.img.xz
                  next:     a later point release can drop an older file's line from the list: name a mirror that still \
                has the older list, or build the file that is listed now
                """)
        let strange = failure { _ = try list.checksum(of: "x") }
        #expect(strange?.found == "3 files, none with a name near to it")
    }

    @Test func checksumsAreParsedAndRefused() async throws {
        let sum = try Checksum(parsing: "sha1:1B96a6be5256182eaceb5894fb993c8ffce8c2a2", at: "x.yaml:1")
        #expect(sum.description == "sha1:1b96a6be5256182eaceb5894fb993c8ffce8c2a2")
        #expect(!sum.algorithm.isStrong)
        let short = failure { _ = try Checksum(parsing: "sha256:12", at: "x.yaml:1") }
        #expect(
            short?.description == """
                x.yaml:1: the checksum is not one of SHA-256
                  expected: 64 hex digits
                  found:    12
                """)
        let other = failure { _ = try Checksum(parsing: "crc32:12", at: "x.yaml:1") }
        #expect(
            other?.description == """
                x.yaml:1: this is not a checksum
                  expected: md5:HEX, sha1:HEX, sha256:HEX, sha512:HEX
                  found:    crc32:12
                """)
    }
}
