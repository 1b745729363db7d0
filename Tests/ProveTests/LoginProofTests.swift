import Prove
import Storage
import Testing

@Suite struct LoginProofTests {
    /// A systemd of a few units.
    private static let systemctl = """
        case "$*" in
            list-units*) printf '%s\\n' "$LIST";;
            *' Before '*) shift 4; for u; do case $u in
                systemd-networkd-wait-online.service) echo 'network-online.target shutdown.target';;
                network-online.target) echo 'docker.service cloud-init.service';;
                cloud-init.service) echo 'ssh.service systemd-user-sessions.service network-online.target';;
                NetworkManager-wait-online.service) echo 'docker.service';;
            esac; echo; done;;
            *TimeoutStartUSec*) echo "$LIMIT";;
            *ExecStart*) echo "{ path=/x ; argv[]=/x/systemd-networkd-wait-online$OPTIONS ; status=0/0 }";;
        esac
        """

    struct Case: Sendable, CustomTestStringConvertible {
        var what: String
        var units: String
        var limit = "infinity"
        var options = ""
        var seen: String
        var passed: Bool
        var testDescription: String { what }
    }

    private static let behind =
        "ssh.service, systemd-user-sessions.service behind systemd-networkd-wait-online.service, "

    static let cases = [
        Case(what: "nothing waits", units: "", seen: "nothing", passed: true),
        Case(
            what: "what waits is not part of this boot",
            units: "systemd-networkd-wait-online.service loaded inactive dead Wait", seen: "nothing", passed: true),
        Case(
            what: "it waits as its package has it",
            units: "systemd-networkd-wait-online.service loaded failed failed Wait",
            seen: behind + "without a limit of its own", passed: false),
        Case(
            what: "it waits too long", units: "systemd-networkd-wait-online.service loaded active exited Wait",
            options: " --timeout=120", seen: behind + "for up to 120 s", passed: false),
        Case(
            what: "it waits as we have it", units: "systemd-networkd-wait-online.service loaded active exited Wait",
            options: " --any --timeout=30", seen: behind + "for up to 30 s", passed: true),
        Case(
            what: "systemd ends it", units: "systemd-networkd-wait-online.service loaded active exited Wait",
            limit: "1min 30s", seen: behind + "for up to 90 s", passed: false),
        Case(
            what: "no login is behind it", units: "NetworkManager-wait-online.service loaded activating start Wait",
            seen: "nothing", passed: true),
    ]

    @Test(arguments: cases) func loginsBehindANetworkAreFound(_ example: Case) async throws {
        let variables = "LIST='\(example.units)' LIMIT='\(example.limit)' OPTIONS='\(example.options)'\n"
        let shell = try LocalShell(programs: ["systemctl": variables + Self.systemctl])
        #expect(try await LoginProof.observe(on: shell) == Observation(example.seen, passed: example.passed))
    }

    @Test func answerThatCannotBeReadFails() async throws {
        let shell = ScriptedShell { _ in CommandResult(status: 0, output: "Failed to connect to bus") }
        #expect(try await LoginProof.observe(on: shell) == Observation("Failed to connect to bus", passed: false))
    }
}
