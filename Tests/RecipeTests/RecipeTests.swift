import Foundation
import Recipe
import SystemPackage
import TestSupport
import Testing

let fixtures = repository.appending("Tests/RecipeTests/Fixtures")

func contents(of path: FilePath) throws -> String { try String(contentsOfFile: path.string, encoding: .utf8) }

/// The files of a folder, sorted.
func files(in folder: FilePath, ending suffix: String) throws -> [FilePath] {
    try FileManager.default.contentsOfDirectory(atPath: folder.string).sorted().filter { $0.hasSuffix(suffix) }
        .map { folder.appending($0) }
}

/// A recipe with nothing but what is required.
let least = """
    name: least
    epoch: 2026-11-01
    base: {debian: trixie}
    packages: {install: [openssh-server, sudo]}

    """

/// Regenerates what is kept as files: set to write instead of compare, then look at `git diff`.
let rewrite = ProcessInfo.processInfo.environment["PIFORGE_REWRITE_GOLDEN"] != nil

/// Compares text with a file, or writes it there when asked to.
func expectCurrent(_ text: String, _ path: FilePath) throws {
    if rewrite { try text.write(toFile: path.string, atomically: true, encoding: .utf8) }
    #expect(
        try contents(of: path) == text,
        "\(path.lastComponent?.string ?? "") is not current: run the tests with PIFORGE_REWRITE_GOLDEN=1")
}
