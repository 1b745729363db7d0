import Diagnostics
import Firmware
import Layers

/// What a stock image has on its boot partition.
package struct StockBoot: Sendable {
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
    package init(_ layer: Layer, mountPoint: EntryPath) throws {
        guard mountPoint == BootStep.mountPoint else {
            throw Failure(
                at: "base image", "its boot partition is mounted at \(mountPoint)",
                expected: "\(BootStep.mountPoint), as Ubuntu and Debian have it for the Pi",
                next: "use an image of the Ubuntu family")
        }
        entries = layer.entries.filter { $0.path.isInside(mountPoint) && $0.path != mountPoint }
        // FAT knows no difference of case (Microsoft FAT specification, section 7).
        var contents: [String: Content] = [:]
        for entry in entries {
            if case .regular(let content) = entry.kind { contents[entry.path.description.lowercased()] = content }
        }
        let reader = ContentReader()
        func text(_ name: String) throws -> String? {
            try contents["\(mountPoint)/\(name)".lowercased()].map { try reader.text(of: $0, limit: 1 << 20) }
        }
        config = StockConfigText(try text("config.txt") ?? "")
        let name = try FirmwareConfig(contents: text).settings["cmdline"] ?? "cmdline.txt"
        guard !name.contains("/"), !name.isEmpty, !name.hasPrefix(".") else {
            throw Failure(at: "base image: config.txt", "cmdline= names no file of the boot partition", found: name)
        }
        commandLineName = name
    }

    /// The files that stay beside those that are made anew: on FAT, names that differ by case alone are one name. A folder that
    /// both have is one, under the name of the one that is made.
    func entries(beside ours: [Entry]) -> [Entry] {
        let made = Dictionary(ours.map { ($0.path.description.lowercased(), $0) }, uniquingKeysWith: { $1 })
        return entries.compactMap { entry in
            var place = BootStep.mountPoint
            for component in entry.path.components.dropFirst(place.components.count) {
                place = place.appending(component)
                guard let mine = made[place.description.lowercased()] else { continue }
                guard mine.kind == .directory, mine.path.bytes.count < entry.path.bytes.count else { return nil }
                place = mine.path
            }
            return Entry(place, entry.attributes, entry.kind)
        }
    }
}
