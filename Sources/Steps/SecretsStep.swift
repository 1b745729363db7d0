import Guest
import Layers

/// Has the board make, at its first boot, the private keys and secrets that packages' scripts make: their programs are those of
/// `overlays/firstboot`, and the packages' own scripts do the work.
package struct SecretsStep: Step {
    package let name = "secrets"
    package let summary = "made at the first boot, where packages' scripts make any"

    package init() {}

    /// What there is to make is a result of the steps below.
    package var inputs: [StepInput] { [] }

    /// Nothing where no package's script made a secret that the board can make itself.
    package func apply(to tree: Tree, _ facts: SystemFacts, epoch: Int64) throws -> Layer {
        let list = Self.list(facts.secrets)
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
    private static func list(_ secrets: [MadeSecret]) -> String {
        secrets.compactMap { secret in
            guard let means = secret.means, let package = secret.package else { return nil }
            return
                "\(means.rawValue) \(package) \(secret.qualified) \(secret.architecture) \(secret.version) \(secret.path)\n"
        }.joined()
    }
}
