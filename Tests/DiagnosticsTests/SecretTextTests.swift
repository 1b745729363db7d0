import Diagnostics
import TestSupport
import Testing

@Suite struct SecretTextTests {
    struct Stored: Sendable, CustomTestStringConvertible {
        var bytes: [UInt8]
        var secret: String?
        var found: String?
        var testDescription: String { bytes.map { String($0, radix: 16) }.joined(separator: " ") }
    }

    static let mark: [UInt8] = [0xef, 0xbb, 0xbf]

    @Test(arguments: [
        Stored(bytes: Array("geheim".utf8), secret: "geheim"),
        Stored(bytes: Array("geheim\n".utf8), secret: "geheim"),
        Stored(bytes: Array("geheim\r\n".utf8), secret: "geheim"),
        Stored(bytes: mark + Array("geheim\r\n".utf8), secret: "geheim"),
        // Blanks are the secret's own, and so are letters of any script.
        Stored(bytes: Array(" pass wörd 密 ".utf8), secret: " pass wörd 密 "),
        Stored(bytes: Array("two\nlines\n".utf8), found: "a line end as character 4"),
        Stored(bytes: Array("old\rmac".utf8), found: "U+000D as character 4"),
        Stored(bytes: Array("tab\there".utf8), found: "U+0009 as character 4"),
        Stored(bytes: Array("nul\0".utf8), found: "U+0000 as character 4"),
        Stored(bytes: Array("a".utf8) + mark, found: "U+FEFF as character 2"),
        Stored(bytes: Array("esc\u{1b}[A".utf8), found: "U+001B as character 4"),
    ])
    func whatAnEditorAddsIsNotTheSecret(_ stored: Stored) throws {
        guard let secret = stored.secret else {
            let error = failure {
                try secretText(stored.bytes, at: "accounts: pi", from: "the file x")
            }
            #expect(error?.message == "the file x has an invisible character in the secret")
            #expect(error?.found == stored.found)
            #expect(error?.exitCode == 2)
            return
        }
        #expect(try secretText(stored.bytes, at: "x", from: "x") == secret)
    }

    @Test(arguments: [[], [0x0a], [0x0d, 0x0a], [0xef, 0xbb, 0xbf]] as [[UInt8]])
    func anEmptySecretIsNone(bytes: [UInt8]) {
        let error = failure { try secretText(bytes, at: "x", from: "the file x") }
        #expect(error?.message == "the file x is empty")
    }

    @Test func whatIsNotTextIsRefused() {
        let error = failure { try secretText([0xff, 0xfe], at: "x", from: "the file x") }
        #expect(error?.message == "the file x is not UTF-8 text")
    }
}
