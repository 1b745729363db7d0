import Foundation
import Recipe
import SystemPackage
import TestSupport
import Testing

/// What is published of the schema is what the decoder uses.
@Suite struct Published {
    @Test func `recipes/schema.json is current`() throws {
        try expectCurrent(Recipe.schema(), repository.appending("recipes/schema.json"))
    }

    @Test func `the table of docs/recipe.md is current`() throws {
        try expectTable(Recipe.referenceText(), in: repository.appending("docs/recipe.md"))
    }

    @Test func `recipes/runtime-schema.json is current`() throws {
        try expectCurrent(ContainerRuntime.schema(), repository.appending("recipes/runtime-schema.json"))
    }

    @Test func `the table of docs/runtimes.md is current`() throws {
        try expectTable(ContainerRuntime.referenceText(), in: repository.appending("docs/runtimes.md"))
    }

    @Test func `every key of runtime files stands in the test runtime that has them all`() throws {
        let text = try contents(of: fixtures.appending("good/runtimes/mine.yaml"))
        for row in ContainerRuntime.referenceText().split(separator: "\n") {
            guard let key = row.split(separator: "`").dropFirst().first, row.hasPrefix("| `") else { continue }
            let name = String(key.split(separator: ".").last ?? "")
            #expect(text.contains("\(name):"), "\(name) is in no test")
        }
    }

    /// Compares a table with the one between the marks of a page, or writes it there when asked to.
    private func expectTable(_ table: String, in page: FilePath) throws {
        let text = try contents(of: page)
        let begin = try #require(text.range(of: "<!-- keys: begin -->\n"))
        let end = try #require(text.range(of: "<!-- keys: end -->"))
        try expectCurrent(String(text[..<begin.upperBound] + "\n" + table + "\n" + text[end.lowerBound...]), page)
    }

    @Test(arguments: [Recipe.schema(), ContainerRuntime.schema()])
    func `every mapping of the schema is closed, and every key described`(text: String) throws {
        let schema = try JSONSerialization.jsonObject(with: Data(text.utf8))
        func visit(_ value: Any, _ path: String) {
            if let list = value as? [Any] {
                for (index, item) in list.enumerated() { visit(item, "\(path)[\(index)]") }
            }
            guard let object = value as? [String: Any] else { return }
            if let properties = object["properties"] as? [String: Any] {
                #expect(object["additionalProperties"] as? Bool == false, "\(path) is open")
                for (key, value) in properties {
                    #expect(
                        (value as? [String: Any])?["description"] != nil, "\(path).\(key) is not described")
                }
            }
            for (key, item) in object { visit(item, "\(path).\(key)") }
        }
        visit(schema, "")
    }

    @Test func `every key stands in one of the test recipes that have them all`() throws {
        let text = try ["everything", "kernel", "stock"].map { try contents(of: fixtures.appending("good/\($0).yaml")) }
            .joined()
        let keys = Recipe.referenceText().split(separator: "\n").compactMap {
            $0.split(separator: "`").dropFirst().first
        }
        for key in keys {
            let name = String(key.split(separator: ".").last ?? "")
            if ["hash", "psk", "digest", "git", "commit", "debian", "suite", "tree", "NAME"].contains(name) {
                continue
            }
            #expect(text.contains("\(name):"), "\(name) is in no test")
        }
    }
}
