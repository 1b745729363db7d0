import Diagnostics
import Layers

/// Writes /etc/fstab: the root and the boot partition, by label.
package struct FileSystemTableStep: TreeStep {
    package let name = "fstab"
    /// The label of the root file system, an ext4: at most 16 bytes (mke2fs(8), -L).
    package static let rootLabel = "writable"
    /// The label of the boot partition, a FAT32: at most 11 bytes (mkfs.fat(8), -n).
    package static let bootLabel = "system-boot"

    /// Whether the tree is a stock image's: what else its table mounts stays, and how.
    package var keepsTable: Bool

    package init(keepsTable: Bool = false) { self.keepsTable = keepsTable }

    package var summary: String { "\(Self.rootLabel), \(Self.bootLabel)" }
    package var inputs: [StepInput] { [StepInput("stock fstab", keepsTable ? "kept" : "none")] }
    package func key(of path: EntryPath) -> String { "disk" }

    /// A new table, or the tree's own with the labels in place of what it mounts at / and at /boot/firmware; lines for these are added where
    /// it has none.
    ///
    /// - Throws: `Failure` when the tree's own table has more than 1 MiB; `DamagedContent`.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        let path: EntryPath = "etc/fstab"
        guard keepsTable, let content = tree.content(path) else {
            layer.addText(
                path,
                """
                LABEL=\(Self.rootLabel) / ext4 defaults,noatime 0 1
                LABEL=\(Self.bootLabel) /boot/firmware vfat defaults 0 2

                """, epoch: epoch)
            return layer
        }
        let labels = ["/": Self.rootLabel, BootStep.mountPoint.description: Self.bootLabel]
        var missing = labels
        let text = try ContentReader().text(of: content, limit: 1 << 20)
        var lines = text.splitLines(keepingEmpty: true).map { line -> String in
            let fields = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            guard fields.count >= 3, !fields[0].hasPrefix("#") else { return String(line) }
            let place = fields[1] == "/" ? "/" : String(fields[1].reversed().drop { $0 == "/" }.reversed())
            guard let label = labels[place] else { return String(line) }
            missing[place] = nil
            let source = "LABEL=\(label)"
            return fields[0] == source
                ? String(line) : ([Substring(source)] + fields.dropFirst()).joined(separator: " ")
        }
        while lines.last == "" { lines.removeLast() }
        if let label = missing["/"] { lines.append("LABEL=\(label) / ext4 defaults 0 1") }
        if let label = missing[BootStep.mountPoint.description] {
            lines.append("LABEL=\(label) \(BootStep.mountPoint) vfat defaults 0 2")
        }
        layer.addText(path, lines.map { $0 + "\n" }.joined(), epoch: epoch)
        return layer
    }
}
