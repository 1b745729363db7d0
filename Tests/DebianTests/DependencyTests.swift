import Debian
import Diagnostics
import TestSupport
import Testing

@Suite struct DependencyTests {
    @Test func dependenciesAreParsed() throws {
        let parsed = try Dependency.parse("a, b:any(>=1.0) | c (<< 2:3-1~) ,d ( < 4 ),\n e (= 5),", place: "p")
        #expect(parsed.map(\.description) == ["a", "b:any (>= 1.0) | c (<< 2:3-1~)", "d (<= 4)", "e (= 5)"])
        #expect(parsed[1].alternatives[1].accepts(version: try DebianVersion("2:2")))
        #expect(!parsed[1].alternatives[1].accepts(version: try DebianVersion("2:3-1")))
    }

    @Test(arguments: [
        ("a |", "p: '' is not a dependency\n  expected: name (>= version)"),
        ("a (1", "p: 'a (1' is not a dependency\n  expected: name (>= version)"),
        ("a (=> 1)", "p: 'a (=> 1)' is not a dependency\n  expected: name (>= version)"),
        ("a b", "p: 'a b' is not a dependency\n  expected: name (>= version)"),
        ("a (>= )", "p: '' is not a version: its upstream part is empty"),
    ])
    func badDependenciesAreRefused(field: String, message: String) {
        let error = failure { try Dependency.parse(field, place: "p") }
        #expect(error?.description == message)
    }
}
