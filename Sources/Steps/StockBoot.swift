import Diagnostics
import Firmware
import Layers

/// What a stock image has on its boot partition.
public struct StockBoot: Sendable {
    /// The files, below ``BootStep/mountPoint``.
    let entries: [Entry]
    let config: StockConfigText
    /// The file that config.txt names as the kernel's command line, for a Pi 4.
    let commandLineName: String

    /// - Parameters:
    ///   - layer: the image's own.
    ///   - mountPoint: where it mounts its boot partition.
    /// - Throws: `Failure` when it mounts it elsewhere than at /boot/firmware, has no config.txt there, or one that the firmware
    ///   could not use either.
    public init(_ layer: Layer, mountPoint: EntryPath) throws {
        guard mountPoint == BootStep.mountPoint else {
            throw Failure(
                at: "base image", "its boot partition is mounted at /\(mountPoint)",
                expected: "/\(BootStep.mountPoint), as Ubuntu and Debian have it for the Pi",
                next: "use an image of the Ubuntu family")
        }
        entries = layer.entries.filter { $0.path.isInside(mountPoint) && $0.path != mountPoint }
        let tree = try Tree([Layer(name: layer.name, entries: entries)])
        let reader = ContentReader()
        func text(_ name: String) throws -> String? {
            let path = try EntryPath(validating: "\(mountPoint)/\(name)")
            return try tree.content(path).map { try reader.text(of: $0, limit: 1 << 20) }
        }
        config = StockConfigText(try text("config.txt") ?? "")
        let name = try FirmwareConfig(contents: text).settings["cmdline"] ?? "cmdline.txt"
        guard !name.contains("/"), !name.isEmpty, !name.hasPrefix(".") else {
            throw Failure(at: "base image: config.txt", "cmdline= names no file of the boot partition", found: name)
        }
        commandLineName = name
    }
}
