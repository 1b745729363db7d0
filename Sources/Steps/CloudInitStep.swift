import Foundation
import Layers

/// Keeps a stock image's cloud-init from undoing what the recipe says: it would make the stock user with the stock password,
/// name the host, and configure the network, at the first boot.
package struct CloudInitStep: TreeStep {
    package let name = "cloud-init"
    /// Whether it runs at all.
    package var isEnabled: Bool

    package init(isEnabled: Bool) { self.isEnabled = isEnabled }

    package var summary: String { isEnabled ? "kept, without host name and network" : "off" }
    package var inputs: [StepInput] { [StepInput("cloud-init", isEnabled ? "kept" : "off")] }

    /// Where the image's own data for the first boot lies (cloud-init manual, "NoCloud").
    private static let seeds: [EntryPath] = ["var/lib/cloud/seed/nocloud-net", "var/lib/cloud/seed/nocloud"]

    /// Nothing where the tree has no /etc/cloud.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        guard tree["etc/cloud"]?.kind == .directory else { return layer }
        var settings = """
            # Written by piforge: host name and network are set already.
            preserve_hostname: true
            network: {config: disabled}

            """
        if !isEnabled {
            settings += """
                # In case cloud-init is turned on again (rm /etc/cloud/cloud-init.disabled): it makes no user, sets no password,
                # and leaves the host keys and the card's size alone.
                users: []
                ssh_deletekeys: false
                growpart: {mode: "off"}
                resize_rootfs: false

                """
            layer.addText(
                "etc/cloud/cloud-init.disabled", "piforge has set the system up: see cloud.cfg.d/99-piforge.cfg\n",
                epoch: epoch)
            for seed in Self.seeds {
                for name in ["user-data", "vendor-data"] where tree.content(seed.appending(name)) != nil {
                    layer.addText(
                        seed.appending(name), "#cloud-config\n# Emptied by piforge: it held the stock password.\n",
                        mode: 0o600, epoch: epoch)
                }
            }
            // What an earlier start has left would be taken for this board's.
            for left: EntryPath in ["var/lib/cloud/instance", "var/lib/cloud/instances"] where tree[left] != nil {
                layer.whiteouts.append(left)
            }
        }
        layer.addText("etc/cloud/cloud.cfg.d/99-piforge.cfg", settings, epoch: epoch)
        return layer
    }
}
