import Diagnostics
import Layers

/// Names the machine: host name, time zone, locale; and leaves its identity to the first boot.
public struct SystemStep: Step {
    public let name = "system"
    public var hostname: String
    /// A name of the time zone database: `Europe/Berlin`.
    public var timezone: String
    public var locale: String

    public init(hostname: String, timezone: String, locale: String) {
        self.hostname = hostname
        self.timezone = timezone
        self.locale = locale
    }

    public var summary: String { "\(hostname), \(timezone), \(locale)" }

    public var inputs: [StepInput] {
        [
            StepInput("system.hostname", hostname), StepInput("system.timezone", timezone),
            StepInput("system.locale", locale),
        ]
    }

    public func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        let zone = try EntryPath(validating: "usr/share/zoneinfo/\(timezone)")
        if tree.content(zone) != nil {
            layer.addSymlink("etc/localtime", to: zone.description, .root(0o777, epoch: epoch))
        } else if timezone != "UTC" {
            throw Failure(
                .usage, at: "system.timezone", "the image has no time zone '\(timezone)'",
                next: "choose one of /usr/share/zoneinfo, or add tzdata-legacy to packages.install for an old name")
        }
        layer.addText("etc/hostname", hostname + "\n", epoch: epoch)
        layer.addText(
            "etc/hosts",
            """
            127.0.0.1 localhost
            127.0.1.1 \(hostname)
            ::1 localhost ip6-localhost ip6-loopback
            ff02::1 ip6-allnodes
            ff02::2 ip6-allrouters

            """, epoch: epoch)
        layer.addText("etc/timezone", timezone + "\n", epoch: epoch)
        layer.addText("etc/locale.conf", "LANG=\(locale)\n", epoch: epoch)
        layer.addSymlink("etc/default/locale", to: "../locale.conf", .root(0o777, epoch: epoch))
        // Empty, not missing: systemd fills it at the first boot and commits it (machine-id(5), "Initialization").
        layer.addText("etc/machine-id", "", mode: 0o444, epoch: epoch)
        if tree["var/lib/dbus/machine-id"] != nil { layer.whiteouts.append("var/lib/dbus/machine-id") }
        return layer
    }
}
