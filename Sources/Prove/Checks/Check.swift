import Digests
import Pack

/// What a check saw.
public struct Observation: Sendable, Equatable {
    public var seen: String
    public var passed: Bool

    public init(_ seen: String, passed: Bool) {
        self.seen = seen
        self.passed = passed
    }
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

    var expectations: Manifest.Expectations? { image.manifest?.expectations }

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
