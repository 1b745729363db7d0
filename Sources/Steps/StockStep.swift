import Debian
import Diagnostics
import Layers

/// Makes a stock image's system leave alone what is ours: flash-kernel would overwrite the boot files at the next upgrade of a
/// kernel, and what the image was first started with is no secret of the board's.
///
/// A conffile that was removed stays removed when its package is upgraded (dpkg, conffile handling), so the hooks do not come
/// back; packages on hold are not upgraded at all (dpkg --set-selections).
package struct StockStep: TreeStep {
    package let name = "stock"

    package init() {}

    package var summary: String { "flash-kernel's hooks off, its packages and the stock kernel on hold" }
    package var inputs: [StepInput] { [StepInput("held packages", Self.held.joined(separator: " "))] }

    /// The hooks by which flash-kernel writes the boot partition.
    static let hooks: [EntryPath] = [
        "etc/kernel/postinst.d/zz-flash-kernel", "etc/kernel/postrm.d/zz-flash-kernel",
        "etc/initramfs/post-update.d/flash-kernel",
    ]

    /// flash-kernel, and the packages of Ubuntu's own kernel for the Pi.
    static let held = [
        "flash-kernel", "linux-raspi2", "linux-image-raspi2", "linux-headers-raspi2", "linux-firmware-raspi2",
    ]

    /// What two boards must not share.
    private static let identity: [EntryPath] = [
        "var/lib/systemd/random-seed", "var/lib/systemd/credential.secret", "var/lib/urandom/random-seed",
    ]

    /// The hooks and the seeds of random numbers are taken away where the tree has them, and dpkg's status notes what is on hold.
    ///
    /// - Throws: `Failure` when dpkg's status has more than 64 MiB; `DamagedContent`.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        layer.whiteouts = (Self.hooks + Self.identity).filter { tree[$0] != nil }
        let path: EntryPath = "var/lib/dpkg/status"
        guard let content = tree.content(path), let node = tree.lookup(path) else { return layer }
        let text = try ContentReader().text(of: content, limit: 64 << 20)
        let changed = Self.holding(Self.held, in: text)
        if changed != text {
            var attributes = node.attributes
            attributes.mtime = Timestamp(seconds: epoch)
            layer.addFile(path, attributes, text: changed)
        }
        return layer
    }

    /// dpkg's status file with these packages on hold, as far as they are installed.
    static func holding(_ names: [String], in status: String) -> String {
        var inside = false
        return status.splitLines(keepingEmpty: true).map { line in
            if line.hasPrefix("Package: ") { inside = names.contains(String(line.dropFirst("Package: ".count))) }
            return inside && line == "Status: install ok installed" ? "Status: hold ok installed" : line
        }.joined(separator: "\n")
    }
}
