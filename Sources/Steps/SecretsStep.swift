import Guest
import Layers

/// Has the board make, at its first boot, the private keys and secrets that packages' scripts make: their programs are those of
/// `overlays/firstboot`, and the packages' own scripts do the work.
public struct SecretsStep: Step {
    public let name = "secrets"
    /// Those that are left out of the image, each with the means by which its package makes it.
    public var secrets: [MadeSecret]

    public init(secrets: [MadeSecret]) { self.secrets = secrets }

    public var summary: String {
        secrets.isEmpty ? "none" : "made at the first boot: " + secrets.map { "/\($0.path)" }.joined(separator: ", ")
    }

    public var inputs: [StepInput] { [StepInput("secrets of packages", list)] }

    public func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        guard !list.isEmpty else { return layer }
        let files = FirstBootStep.files(
            unit: "piforge-secrets.service", PackageResources.piforge_secrets_service, program: "make-secrets",
            PackageResources.make_secrets, wantedBy: ["sysinit.target"])
        layer.entries = files.map { entry in
            var entry = entry
            entry.attributes.mtime = Timestamp(seconds: epoch)
            return entry
        }
        layer.addText("usr/lib/piforge/secrets", list, epoch: epoch)
        return layer
    }

    /// What `make-secrets` reads: a line for each secret that a package can make.
    private var list: String {
        secrets.compactMap { secret in
            guard let means = secret.means, let package = secret.package else { return nil }
            return
                "\(means.rawValue) \(package) \(secret.qualified) \(secret.architecture) \(secret.version) \(secret.path)\n"
        }.joined()
    }
}
