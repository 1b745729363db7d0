import Records
import Prove
import Synchronization
import Testing

/// A root shell that answers with a script and keeps what it was asked.
final class ScriptedShell: RootShell {
    private let asked = Mutex<[String]>([])
    private let answer: @Sendable (String) throws -> CommandResult

    init(_ answer: @escaping @Sendable (String) throws -> CommandResult) { self.answer = answer }

    var commands: [String] { asked.withLock { $0 } }

    func run(_ command: String, within limit: Duration) async throws -> CommandResult {
        asked.withLock { $0.append(command) }
        return try answer(command)
    }

    func upload(_ bytes: [UInt8], to path: String, within limit: Duration) async throws {}
}

@Suite struct RuntimeProofTests {
    struct Case: Sendable, CustomTestStringConvertible {
        var what: String
        var answers: [String: CommandResult]
        var seen: String
        var passed: Bool
        /// What is asked, in order.
        var asked: [String]
        var testDescription: String { what }
    }

    static let check = Manifest.RuntimeCheck(
        name: "runs", setup: ["prepare", "import"], run: "go", expect: "from inside", cleanup: ["tidy", "wipe"])

    static func answer(_ status: Int32, _ output: String) -> CommandResult {
        CommandResult(status: status, output: output)
    }

    static let cases = [
        Case(
            what: "it prints what it should", answers: ["go": answer(0, "noise\nhello from inside 7\nmore")],
            seen: "hello from inside 7", passed: true, asked: ["prepare", "import", "go", "tidy", "wipe"]),
        Case(
            what: "it prints something else", answers: ["go": answer(0, "hello")], seen: "hello", passed: false,
            asked: ["prepare", "import", "go", "tidy", "wipe"]),
        Case(
            what: "it prints the right thing and fails", answers: ["go": answer(3, "from inside")],
            seen: "from inside\nstatus 3", passed: false, asked: ["prepare", "import", "go", "tidy", "wipe"]),
        Case(
            what: "it prints nothing and fails", answers: ["go": answer(125, "")], seen: "nothing, status 125",
            passed: false, asked: ["prepare", "import", "go", "tidy", "wipe"]),
        Case(
            what: "a line of the setup fails", answers: ["prepare": answer(1, "no such file")],
            seen: "prepare: no such file", passed: false, asked: ["prepare", "tidy", "wipe"]),
        Case(
            what: "what it left cannot be taken away",
            answers: ["go": answer(0, "from inside"), "tidy": answer(1, "busy")], seen: "from inside\ntidy: busy",
            passed: false, asked: ["prepare", "import", "go", "tidy", "wipe"]),
    ]

    @Test(arguments: cases) func checkIsRunAndTidiedUp(_ example: Case) async throws {
        let shell = ScriptedShell { example.answers[$0] ?? CommandResult(status: 0, output: "") }
        let proof = RuntimeProof(.init(name: "x", docker: nil, checks: [Self.check]))
        let observation = try await proof.observe(Self.check, on: shell)
        #expect(observation == Observation(example.seen, passed: example.passed))
        #expect(shell.commands == example.asked)
    }

    struct Silence: Error {}

    @Test func silenceIsTidiedUpToo() async throws {
        let shell = ScriptedShell {
            if $0 == "go" { throw Silence() }
            return CommandResult(status: 0, output: "")
        }
        let proof = RuntimeProof(.init(name: "x", docker: nil, checks: []))
        await #expect(throws: Silence.self) { _ = try await proof.observe(Self.check, on: shell) }
        #expect(shell.commands.suffix(2) == ["tidy", "wipe"])
    }

    @Test func runtimeThatDockerDoesNotListFails() async throws {
        let shell = ScriptedShell { _ in
            CommandResult(status: 0, output: "crun\nhvt\nio.containerd.runc.v2\nrunc\n")
        }
        func observe(_ name: String) async throws -> Observation {
            try await RuntimeProof(.init(name: "file", docker: name, checks: [])).registered(on: shell)
        }
        #expect(try await observe("hvt") == Observation("hvt", passed: true))
        #expect(try await observe("run") == Observation("Docker knows crun, hvt, runc", passed: false))
    }

    @Test func daemonThatDoesNotAnswerFails() async throws {
        let shell = ScriptedShell { _ in CommandResult(status: 1, output: "Cannot connect to the Docker daemon") }
        let proof = RuntimeProof(.init(name: "file", docker: "crun", checks: []))
        #expect(
            try await proof.registered(on: shell)
                == Observation("Cannot connect to the Docker daemon", passed: false))
    }
}

@Suite struct DockerInfoTests {
    static func text(_ cgroup: String, _ warnings: [String]) -> String {
        """
        Client:
         Version:    26.1.5+dfsg1
        Server:
         Server Version: 26.1.5+dfsg1
         Storage Driver: overlay2
         Cgroup Version: \(cgroup)
        \(warnings.map { "WARNING: \($0)" }.joined(separator: "\n"))
        """
    }

    struct Case: Sendable {
        var warning: String
        var cgroup: String
        var removable: Bool
    }

    @Test(arguments: [
        Case(warning: "No memory limit support", cgroup: "2", removable: true),
        Case(warning: "No swap limit support", cgroup: "1", removable: true),
        Case(warning: "No cpu cfs quota support", cgroup: "1", removable: true),
        Case(warning: "No io.weight support", cgroup: "2", removable: true),
        Case(warning: "bridge-nf-call-iptables is disabled", cgroup: "2", removable: true),
        Case(warning: "No kernel memory limit support", cgroup: "1", removable: false),
        Case(warning: "No oom kill disable support", cgroup: "2", removable: false),
        Case(warning: "No oom kill disable support", cgroup: "1", removable: true),
        Case(warning: "API is accessible on http://0.0.0.0:2375 without encryption.", cgroup: "2", removable: false),
    ]) func warningOfTheKernelIsToldFromOthers(_ example: Case) throws {
        let info = try #require(DockerInfo(Self.text(example.cgroup, [example.warning])))
        #expect(info.warnings == [example.warning])
        #expect(info.removableWarnings == (example.removable ? [example.warning] : []))
        #expect(info.storageDriver == "overlay2")
        #expect(info.version == "26.1.5+dfsg1")
    }

    @Test func silentDaemonIsNone() {
        #expect(DockerInfo("Cannot connect to the Docker daemon at unix:///var/run/docker.sock.") == nil)
    }
}
