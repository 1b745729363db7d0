import Records
import Diagnostics
import Digests

/// How a check ended.
package enum Verdict: String, Codable, Sendable {
    case ok
    case failed
    /// What it needs is not there: nothing is known.
    case notRun = "not run"
}

/// What a check saw.
package struct Observation: Sendable, Equatable {
    /// For a person; may have several lines. Of a check that was not run, why.
    package var seen: String
    package var verdict: Verdict

    /// - Parameter passed: whether it is what was expected; if not, the check failed.
    package init(_ seen: String, passed: Bool) {
        self.seen = seen
        verdict = passed ? .ok : .failed
    }

    /// - Parameter why: what the check would have needed.
    package init(notRun why: String) {
        seen = why
        verdict = .notRun
    }

    /// False for a check that was not run, too.
    package var passed: Bool { verdict == .ok }
}

/// A system that has booted from the image, with somebody logged in as root.
struct BootedSystem: Sendable {
    /// `raspi4b` or `virt`.
    let machine: String
    let shell: any RootShell
    let image: ProofImage
    /// Bytes of the card or disk that the machine sees.
    let diskSize: UInt64
    /// The proof's program for arm64.
    let probe: [UInt8]
    /// The user who logged in.
    let user: String
    /// Where the machine has the archives of runtimes' proof images, by their digests.
    var proofImages: [SHA256Digest: String] = [:]

    var expectations: Manifest.Expectations? { image.manifest?.expectations }

    /// Runs a command as a user whom the recipe lets use Docker, with the user's groups as a login has them; as root where there is
    /// none.
    func runAsUser(_ command: String, within limit: Duration) async throws -> CommandResult {
        try await shell.run(asUser(command), within: limit)
    }

    /// The line for root's shell that runs a command as ``dockerUser``.
    func asUser(_ command: String) -> String {
        guard let dockerUser else { return command }
        return "runuser -u \(dockerUser.shellQuoted) -- sh -c \(command.shellQuoted)"
    }

    /// The first user of the recipe in the group docker; nil for none.
    var dockerUser: String? { image.manifest?.accounts.first { $0.groups.contains("docker") }?.name }

    /// Where the probe lies on the booted system; /run and /tmp may be mounted without the right to execute.
    static let probePath = "/var/tmp/kvm-probe"
}

/// One row of the proof: what is expected of a booted system, and how it is looked at.
struct Check: Sendable {
    let name: String
    let expected: String
    let observe: @Sendable (BootedSystem) async throws -> Observation

    init(
        _ name: String, expected: String, _ observe: @escaping @Sendable (BootedSystem) async throws -> Observation
    ) {
        self.name = name
        self.expected = expected
        self.observe = observe
    }
}

extension Duration {
    /// How long a command that does little may take on an emulated board with busy host cores.
    static let command = Duration.seconds(120)
    /// How long a command that starts programs or walks the disk may take there.
    static let longCommand = Duration.seconds(400)
}
