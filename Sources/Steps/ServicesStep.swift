import Layers
import Recipe

/// Enables and disables systemd units by name.
public struct ServicesStep: TreeStep {
    public let name = "services"
    public var enable: [String]
    public var disable: [String]

    public init(enable: [String], disable: [String]) {
        self.enable = enable
        self.disable = disable
    }

    public init(_ services: Recipe.System.Services) {
        self.init(enable: services.enable, disable: services.disable)
    }

    public var summary: String { "\(enable.count) enabled, \(disable.count) disabled" }

    public var inputs: [StepInput] {
        [
            StepInput("system.services.enable", enable.joined(separator: " ")),
            StepInput("system.services.disable", disable.joined(separator: " ")),
        ]
    }

    public func key(of path: EntryPath) -> String { "system.services" }

    public func apply(to tree: Tree, epoch: Int64) throws -> Layer {
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
