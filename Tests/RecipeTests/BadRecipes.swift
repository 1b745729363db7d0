import Diagnostics
import Foundation
import Recipe
import SystemPackage
import Testing

/// Every file of Fixtures/bad is refused with exactly the message that stands beside it.
@Suite struct BadRecipes {
    private static let folder = fixtures.appending("bad")

    private static var names: [String] {
        ((try? files(in: folder, ending: ".yaml")) ?? []).compactMap { $0.lastComponent?.stem }
    }

    @Test func `there are golden mistakes`() { #expect(Self.names.count >= 30) }

    @Test(arguments: names)
    func `a bad recipe is refused with its message`(name: String) throws {
        let text = try contents(of: Self.folder.appending("\(name).yaml"))
        var thrown: (any Error)?
        let seen = message {
            do { _ = try Recipe.parse(text, file: "recipes/\(name).yaml", folder: Self.folder) } catch {
                thrown = error
                throw error
            }
        }
        let refusal = try #require(seen, "\(name).yaml was accepted")
        #expect((thrown as? Failure)?.exitCode == 2 || (thrown as? FailureList)?.exitCode == 2)
        try expectCurrent(refusal + "\n", Self.folder.appending("\(name).txt"))
    }

    @Test func `a missing file, a huge one and one that is not text are refused`() throws {
        let missing = fixtures.appending("bad/none.yaml")
        #expect(
            message { _ = try Recipe.load(path: missing) }
                == "\(missing): could not read the file: no such file or directory")
        let folder = FileManager.default.temporaryDirectory.appending(path: "piforge-recipe-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let huge = FilePath(folder.path).appending("huge.yaml")
        try Data(repeating: 0x23, count: 1 << 20 + 1).write(to: folder.appending(path: "huge.yaml"))
        #expect(
            message { _ = try Recipe.load(path: huge) }
                == "\(huge): the file is too large\n  expected: at most 1024 KiB")
        let binary = FilePath(folder.path).appending("binary.yaml")
        try Data([0xff, 0xfe, 0x00, 0xc1]).write(to: folder.appending(path: "binary.yaml"))
        #expect(message { _ = try Recipe.load(path: binary) } == "\(binary): the file is not UTF-8 text")
    }

    @Test func `a plain password never reaches the message`() throws {
        let text = try contents(of: Self.folder.appending("password-in-plain-text.yaml"))
        let seen = try #require(message { _ = try Recipe.parse(text, file: "x.yaml", folder: Self.folder) })
        #expect(!seen.contains("raspberry"))
    }

    @Test(arguments: ["- ", "? ", "[", "{a: "])
    func `nesting without end is refused, not followed`(opening: String) throws {
        let text = "name: " + String(repeating: opening, count: 20_000)
        #expect(throws: Failure.self) { _ = try Recipe.parse(text, file: "x.yaml", folder: Self.folder) }
        let deep = (0..<1000).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n")
        #expect(throws: Failure.self) { _ = try Recipe.parse(deep, file: "x.yaml", folder: Self.folder) }
    }
}
