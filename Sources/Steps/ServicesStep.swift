import Layers
import Recipe

/// Enables and disables systemd units by name.
package struct ServicesStep: TreeStep {
    package let name = "services"
    /// Units' names; one without a dot means the `.service` of that name.
    package var enable: [String]
    /// As ``enable``; a unit in both lists is enabled.
    package var disable: [String]

    package init(enable: [String], disable: [String]) {
        self.enable = enable
        self.disable = disable
    }

    package init(_ services: Recipe.System.Services) {
        self.init(enable: services.enable, disable: services.disable)
    }

    package var summary: String { "\(enable.count) enabled, \(disable.count) disabled" }

    package var inputs: [StepInput] {
        [
            StepInput("system.services.enable", enable.joined(separator: " ")),
            StepInput("system.services.disable", disable.joined(separator: " ")),
        ]
    }

    package func key(of path: EntryPath) -> String { "system.services" }

    /// The links that enable units; those of disabled units are taken away.
    ///
    /// - Throws: `Failure` of kind usage for a unit that the tree does not have, and for one to enable that has no [Install] section.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        let units = SystemdUnits(tree)
        for unit in disable { try units.disable(Self.full(unit), for: "system.services.disable", in: &layer) }
        for unit in enable {
            try units.enable(Self.full(unit), for: "system.services.enable", epoch: epoch, in: &layer)
        }
        return layer
    }

    /// `docker` means `docker.service`, as systemctl has it.
    private static func full(_ unit: String) -> String { unit.contains(".") ? unit : unit + ".service" }
}
