import Layers

/// Adds the services that finish the system on the board: the root file system grows to the card's end on the first
/// boot, and SSH host keys are made where they are missing. Their files are those of `overlays/firstboot`.
package struct FirstBootStep: TreeStep {
    package let name = "first boot"
    /// Whether the root file system grows to the card's end.
    package var grows: Bool
    /// Whether missing SSH host keys are made.
    package var makesHostKeys: Bool

    package init(grows: Bool, makesHostKeys: Bool) {
        self.grows = grows
        self.makesHostKeys = makesHostKeys
    }

    package var summary: String {
        let parts = [grows ? "grow the root" : nil, makesHostKeys ? "make host keys" : nil].compactMap { $0 }
        return parts.isEmpty ? "nothing" : parts.joined(separator: ", ")
    }

    package var inputs: [StepInput] {
        [StepInput("disk.grow", String(grows)), StepInput("host keys", String(makesHostKeys))]
            + brought.map { StepInput($0.name, $0.digest.hex) }
    }

    /// The files of both services, also of one that is not added.
    package var brought: [BroughtFiles] {
        [BroughtFiles(name: "overlays/firstboot", digest: Layer(name: "", entries: grow + hostKeys).digest)]
    }

    /// Each service's program and unit, and the links that enable it.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        let entries = (grows ? grow : []) + (makesHostKeys ? hostKeys : [])
        return Layer(
            name: name,
            entries: entries.map { entry in
                var entry = entry
                entry.attributes.mtime = Timestamp(seconds: epoch)
                return entry
            })
    }

    private var grow: [Entry] {
        Self.files(
            unit: "piforge-grow.service", PackageResources.piforge_grow_service, program: "grow-root",
            PackageResources.grow_root, wantedBy: ["sysinit.target"])
    }

    private var hostKeys: [Entry] {
        Self.files(
            unit: "piforge-host-keys.service", PackageResources.piforge_host_keys_service, program: "make-host-keys",
            PackageResources.make_host_keys, wantedBy: ["ssh.service", "ssh.socket"])
    }

    /// A program of the first boot with its unit.
    static func files(
        unit: String, _ unitText: [UInt8], program: String, _ programText: [UInt8], wantedBy: [String]
    ) -> [Entry] {
        let units: EntryPath = "usr/lib/systemd/system"
        let path = EntryPath("usr/lib/piforge").appending(program)
        return [
            Entry(path, .root(0o755, epoch: 0), .regular(Content(programText))),
            Entry(units.appending(unit), .root(0o644, epoch: 0), .regular(Content(unitText))),
        ]
            + wantedBy.map { target in
                Entry(
                    units.appending("\(target).wants").appending(unit), .root(0o777, epoch: 0),
                    .symlink(Array("../\(unit)".utf8)))
            }
    }
}
