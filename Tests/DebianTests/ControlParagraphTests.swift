import Debian
import Diagnostics
import TestSupport
import Testing

@Suite struct ControlParagraphTests {
    @Test func paragraphsKeepOrderAndContinuationLines() throws {
        let text = """
            Package: a
            Description: short
             long

            package: b
            Conffiles:
             /etc/b 0123
            Depends:   c ,
              d

            """
        let paragraphs = try ControlParagraph.parse(Array(text.utf8), place: "status")
        #expect(paragraphs.map(\.fields.count) == [2, 3])
        #expect(paragraphs[0]["description"] == "short\n long")
        #expect(paragraphs[1]["Package"] == "b")
        #expect(paragraphs[1]["Conffiles"] == "\n /etc/b 0123")
        #expect(paragraphs[1].text == "package: b\nConffiles:\n /etc/b 0123\nDepends: c ,\n  d\n")
    }

    @Test(arguments: [
        (" x\n", "f:1: a continuation line stands where a field must begin"),
        ("A: 1\nnonsense\n", "f:2: the line is not a field\n  expected: Name: value"),
        ("A: 1\na: 2\n", "f:2: the field a is given twice"),
        (": 1\n", "f:1: the line is not a field\n  expected: Name: value"),
        ("-----BEGIN PGP-----: x\n", "f:1: the line is not a field\n  expected: Name: value"),
    ])
    func badParagraphsAreRefused(text: String, message: String) {
        let error = failure { try ControlParagraph.parse(Array(text.utf8), place: "f") }
        #expect(error?.description == message)
    }
}
