import Diagnostics
import Foundation
import Pack
import Storage
import SystemPackage
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
            let error = #expect(throws: Failure.self) {
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
        let error = #expect(throws: Failure.self) { try secretText(bytes, at: "x", from: "the file x") }
        #expect(error?.message == "the file x is empty")
    }

    @Test func whatIsNotTextIsRefused() {
        let error = #expect(throws: Failure.self) { try secretText([0xff, 0xfe], at: "x", from: "the file x") }
        #expect(error?.message == "the file x is not UTF-8 text")
    }

    @Test func credentialsMayComeFromWindows() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-credentials")
        let path = folder.path.appending("x.credentials")
        try writeAtomically(
            to: path, bytes: Self.mark + Array("# made\r\npi: a:b \r\n\r\nroot:x\r\n".utf8))
        #expect(try Credentials.read(path).passwords == ["pi": " a:b ", "root": "x"])
        try writeAtomically(to: path, bytes: Array("pi:a\tb\n".utf8))
        let error = #expect(throws: Failure.self) { try Credentials.read(path) }
        #expect(error?.place == "\(path):1")
    }
}

@Suite struct LinesTests {
    @Test func bothLineEndsEndALine() {
        let text = "a\r\nb\n\r\n\nc"
        #expect(text.splitLines().map(String.init) == ["a", "b", "c"])
        #expect(text.splitLines(keepingEmpty: true).map(String.init) == ["a", "b", "", "", "c"])
        // What a split at "\n" sees of a file from Windows.
        #expect("a\r\nb\r\n".split(separator: "\n").count == 1)
        #expect("a\r\nb\r\n".splitLines().count == 2)
    }

    /// No reader of lines of its own: to Swift a file from Windows would be one line.
    @Test func noSourceSplitsLinesByItself() throws {
        let sources = FilePath(#filePath).removingLastComponent().removingLastComponent().removingLastComponent()
            .appending("Sources")
        let files = FileManager.default.enumerator(atPath: sources.string)?.compactMap { $0 as? String } ?? []
        #expect(files.count > 300)
        for name in files where name.hasSuffix(".swift") && !name.hasSuffix("/Lines.swift") {
            let text = String(decoding: try readFile(sources.pushing(FilePath(name))), as: UTF8.self)
            for pattern in [#"separator: "\n")"#, #"separator: "\n", "#, #"separatedBy: "\n""#] {
                let uses = text.splitLines().filter { $0.contains(pattern) && !$0.contains("joined(") }
                #expect(uses.isEmpty, "\(name): \(uses)")
            }
        }
    }
}
