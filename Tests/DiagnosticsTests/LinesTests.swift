import Diagnostics
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing

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
        let sources =
            repository
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
