import Diagnostics
import Foundation
import Recipe
import SystemPackage
import TestSupport
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
        let seen = refusal {
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
            refusal { _ = try Recipe.load(path: missing) }
                == "\(missing): could not read the file: no such file or directory")
        let folder = FileManager.default.temporaryDirectory.appending(path: "piforge-recipe-\(getpid())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let huge = FilePath(folder.path).appending("huge.yaml")
        try Data(repeating: 0x23, count: 1 << 20 + 1).write(to: folder.appending(path: "huge.yaml"))
        #expect(
            refusal { _ = try Recipe.load(path: huge) }
                == "\(huge): the file is too large\n  expected: at most 1024 KiB")
        let binary = FilePath(folder.path).appending("binary.yaml")
        try Data([0xff, 0xfe, 0x00, 0xc1]).write(to: folder.appending(path: "binary.yaml"))
        #expect(refusal { _ = try Recipe.load(path: binary) } == "\(binary): the file is not UTF-8 text")
    }

    @Test func `a plain password never reaches the message`() throws {
        let text = try contents(of: Self.folder.appending("password-in-plain-text.yaml"))
        let seen = try #require(refusal { _ = try Recipe.parse(text, file: "x.yaml", folder: Self.folder) })
        #expect(!seen.contains("raspberry"))
    }

    @Test(arguments: [
        ("- ", "x.yaml:2: the recipe is nested too deeply"), ("? ", "x.yaml:2: the recipe is nested too deeply"),
        ("[", "x.yaml:2: the recipe has too many brackets"), ("{a: ", "x.yaml:2: the recipe has too many brackets"),
    ])
    func `nesting without end is refused, not followed`(opening: String, said: String) throws {
        let text = "name:\n  " + String(repeating: opening, count: 20_000)
        #expect(refusal { try Recipe.parse(text, file: "x.yaml", folder: Self.folder) } == said)
    }

    @Test func `mappings in mappings without end are refused, not followed`() throws {
        let deep = (0..<1000).map { String(repeating: " ", count: $0) + "a:" }.joined(separator: "\n")
        #expect(
            refusal { try Recipe.parse(deep, file: "x.yaml", folder: Self.folder) } == """
                x.yaml:1000:1000: the recipe is not YAML: Maximum nesting level reached, \
                set with yaml_set_max_nest_level()) while parsing begun on line 1000
                """)
    }
}
