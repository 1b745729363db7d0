import Layers

/// Bounds how long a boot may wait for a network, where something in the image waits for one at all.
///
/// piforge's own network lets nothing wait. A stock image, a package or `system.services.enable: [systemd-networkd]` brings a unit
/// that does, in front of network-online.target: 120 seconds without a cable (systemd-networkd-wait-online.service(8)), and who
/// is started behind that target waits too, which may be the login (cloud-init, /etc/rc.local, a network mount).
package struct NetworkWaitStep: TreeStep {
    package let name = "network wait"
    /// The longest wait, in seconds: an address by DHCP, behind a switch that takes its 30 s to let a port in (IEEE 802.1D: twice a
    /// forward delay of 15 s), comes after it, and what needs the network goes on without.
    package static let limit = 30

    package init() {}

    package var summary: String { "at most \(Self.limit) s, where anything waits" }
    package var inputs: [StepInput] { [StepInput("network wait", "\(Self.limit) s")] }

    private static let place = "network wait"

    /// A drop-in for each unit that only waits and that network-online.target wants; nothing where there is none.
    ///
    /// - Throws: `Failure` when a unit's file has more than 1 MiB, or its program more than 16 MiB; `DamagedContent`.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        let units = SystemdUnits(tree)
        for unit in units.wanted(by: "network-online.target") where Self.waits(unit) && !units.isMasked(unit) {
            // A link that leads nowhere starts nothing.
            guard (try? units.path(of: unit, for: Self.place)) != nil else { continue }
            // Behind netplan's own 10-netplan.conf: the last word counts (systemd.unit(5)).
            layer.addText(
                try EntryPath(validating: "etc/systemd/system/\(unit).d/50-piforge.conf"),
                try Self.dropIn(unit, units, tree), epoch: epoch)
        }
        return layer
    }

    /// What does nothing but wait. Others in front of the target, such as ifupdown's networking.service, set the network up: ended
    /// in the middle, they would leave none.
    private static func waits(_ unit: String) -> Bool {
        unit.contains("wait-online") && unit.hasSuffix(".service")
    }

    private static func dropIn(_ unit: String, _ units: SystemdUnits, _ tree: Tree) throws -> String {
        let comment = "# Written by piforge: a board without a network goes on after \(limit) seconds.\n[Service]\n"
        guard unit == "systemd-networkd-wait-online.service",
            let command = try units.values(of: "ExecStart", in: "Service", of: unit, for: place).last,
            let program = command.split(separator: " ").first?.drop(while: { "-@:+!|".contains($0) })
        else { return comment + "TimeoutStartSec=\(limit)\n" }
        // Since systemd 242: one link will do. Else a board on wifi would wait for a cable.
        let any = try knows("--any", String(program), tree) ? " --any" : ""
        let arguments = command.split(separator: " ").dropFirst().map { " \($0)" }.joined()
        // The hyphen: no network is no failed unit.
        return comment + "ExecStart=\nExecStart=-\(program)\(arguments)\(any) --timeout=\(limit)\n"
    }

    /// Whether a program's own list of options has this one.
    private static func knows(_ option: String, _ program: String, _ tree: Tree) throws -> Bool {
        guard program.hasPrefix("/"), let content = tree.content(try EntryPath(validating: String(program.dropFirst())))
        else { return false }
        return try ContentReader().bytes(of: content, limit: 16 << 20).contains(Array(option.utf8))
    }
}
