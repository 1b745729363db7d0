import Prove
import Testing

@Suite struct CommandLineTests {
    @Test func wordsAreAddedBeforeInitsOwn() {
        var line = CommandLine("root=LABEL=w  quiet dyndbg=\"file a +p\" -- single\n")
        #expect(line.words == ["root=LABEL=w", "quiet", "dyndbg=\"file a +p\"", "--", "single"])
        line.add(["mem=1024M"])
        #expect(line.text == "root=LABEL=w quiet dyndbg=\"file a +p\" mem=1024M -- single")
        #expect(line.values(of: "mem") == ["1024M"])
    }
}
