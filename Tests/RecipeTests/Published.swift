import Foundation
import Recipe
import SystemPackage
import Testing

/// What is published of the schema is what the decoder uses.
@Suite struct Published {
    @Test func `recipes/schema.json is current`() throws {
        try expectCurrent(Recipe.schema(), project.appending("recipes/schema.json"))
    }

    @Test func `the table of docs/recipe.md is current`() throws {
        let page = project.appending("docs/recipe.md")
        let text = try contents(of: page)
        let begin = try #require(text.range(of: "<!-- keys: begin -->\n"))
        let end = try #require(text.range(of: "<!-- keys: end -->"))
        let current = text[..<begin.upperBound] + "\n" + Recipe.referenceText() + "\n" + text[end.lowerBound...]
        try expectCurrent(String(current), page)
    }

    @Test func `every mapping of the schema is closed, and every key described`() throws {
        let schema = try JSONSerialization.jsonObject(with: Data(Recipe.schema().utf8))
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
            if ["hash", "psk", "digest", "git", "commit", "debian", "suite", "tree"].contains(name) { continue }
            #expect(text.contains("\(name):"), "\(name) is in no test")
        }
    }
}
