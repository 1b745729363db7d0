import Diagnostics

/// What the `dtoverlay` and `dtparam` lines of config.txt find on the boot partition, for one board.
///
/// Source: Raspberry Pi documentation, "Device Trees, Overlays, and Parameters", sections "The overlay map file", "DTBs, overlays and
/// config.txt" and "DT parameters"; "Boot options" for `os_prefix` and `overlay_prefix`.
struct DeviceTreeSettings {
    private let files: any BootFiles
    /// What overlays' names are put behind.
    private let prefix: String
    /// Overlays by another name, or for other boards; nil where there is no such file.
    private let map: FlattenedDeviceTree?
    private let deviceTreeName: String
    /// The parameters of the board's own device tree; nil where it cannot be read.
    private let parameters: Set<String>?
    /// The overlay that parameters go to before they go to the board's tree: its name and parameters, which are nil where they
    /// cannot be told. Several where it hangs on a filter which.
    private var overlays: [(name: String, parameters: Set<String>?)] = []
    private var overlayNames: Set<String> = []
    /// What ``parametersOfOverlay(_:)`` has read, by the files' names.
    private var read: [String: Set<String>?] = [:]
    /// Whether the partition has a device tree for the board: else it would not start from it.
    let hasDeviceTree: Bool
    /// Whether the overlay of an attached HAT may take parameters: until another one is named.
    private var mayBeHAT = true

    /// The platform's name in the overlay map.
    private static let platform = "bcm2711"
    /// Parameters that the firmware makes up for each board, from those of the tree.
    private static let madeUp: Set<String> = [
        "i2c", "i2c_arm", "i2c_vc", "i2c_baudrate", "i2c_arm_baudrate", "i2c_vc_baudrate",
    ]

    init(board: FirmwareBoard, _ files: any BootFiles) throws {
        self.files = files
        let config = try FirmwareConfig(board: board) { try files.text($0) }
        let osPrefix = try PiFirmware.osPrefix(config, board, files)
        let folder = config.settings["overlay_prefix"] ?? "overlays/"
        prefix = try files.size("\(osPrefix)\(folder)README") != nil ? osPrefix + folder : folder
        map = try files.contents("\(prefix)overlay_map.dtb").flatMap { FlattenedDeviceTree($0) }
        deviceTreeName = try PiFirmware.deviceTree(config, board, osPrefix, files)
        let tree = try files.contents(deviceTreeName)
        hasDeviceTree = tree != nil
        parameters = tree.flatMap { FlattenedDeviceTree($0) }.map(Self.parameters)
        mayBeHAT = try config.flag("force_eeprom_read", default: true)
    }

    private static func parameters(_ tree: FlattenedDeviceTree) -> Set<String> {
        Set((tree.nodes["__overrides__"] ?? [:]).keys)
    }

    /// - Returns: nil for a file that is no device tree.
    private mutating func parametersOfOverlay(_ file: String) throws -> Set<String>? {
        if let known = read[file] { return known }
        let parameters = try files.contents(file).flatMap { FlattenedDeviceTree($0) }.map(Self.parameters)
        read.updateValue(parameters, forKey: file)
        return parameters
    }

    /// Takes the next line.
    ///
    /// - Returns: why it has no effect; nil when it has, or when that cannot be told.
    mutating func take(_ setting: FirmwareSetting, _ line: FirmwareText.Line) throws -> IneffectiveSetting? {
        if setting.key == "dtparam" {
            return reason(against: Self.names(setting.value), line)
        }
        let parts = setting.value.split(separator: ",", maxSplits: 1, omittingEmptySubsequences: false).map(\.trimmed)
        // Where it hangs on a monitor or a wire whether the line counts, what was before may still be what takes parameters.
        if line.filters.inForce.values.allSatisfy({ Self.isSure($0) }) {
            overlays = []
            overlayNames = []
            mayBeHAT = false
        }
        guard let name = parts.first, !name.isEmpty else { return nil }
        switch try find(name) {
        case .missing(let reason, let next):
            // Its parameters are lost with it.
            add(name, nil)
            return IneffectiveSetting(place: line.place, line: line.text, reason: reason, isCertain: true, next: next)
        case .found(let file):
            guard let parameters = try parametersOfOverlay(file) else {
                add(name, nil)
                return IneffectiveSetting(
                    place: line.place, line: line.text, reason: "\(file) is no flattened device tree", isCertain: true,
                    next: "put an overlay there that dtc has made")
            }
            add(name, parameters)
        }
        return parts.count == 2 ? reason(against: Self.names(parts[1]), line) : nil
    }

    private mutating func add(_ name: String, _ parameters: Set<String>?) {
        if overlayNames.insert(name).inserted { overlays.append((name, parameters)) }
    }

    /// Whether a filter says the same on every boot of the board.
    private static func isSure(_ placed: FirmwareFilters.Placed) -> Bool {
        switch placed.filter {
        case .model, .boardType, .hdmi: true
        default: false
        }
    }

    // MARK: Overlays

    private enum Search {
        case found(String)
        case missing(reason: String, next: String?)
    }

    private func find(_ name: String) throws -> Search {
        var name = name
        var seen: Set<String> = []
        while let node = map?.nodes[name] {
            guard seen.insert(name).inserted else {
                return .missing(
                    reason: "\(prefix)overlay_map.dtb renames the overlay in a circle, by way of '\(name)'", next: nil)
            }
            if let value = node[Self.platform] { return try file(FlattenedDeviceTree.string(value) ?? name) }
            if let deprecated = node["deprecated"].flatMap(FlattenedDeviceTree.string) {
                return .missing(reason: "the overlay is deprecated: \(deprecated)", next: nil)
            }
            guard let renamed = node["renamed"].flatMap(FlattenedDeviceTree.string) else {
                return .missing(
                    reason: "\(prefix)overlay_map.dtb has the overlay for other boards than the Pi 4's family",
                    next: nil)
            }
            name = renamed
        }
        return try file(name)
    }

    private func file(_ name: String) throws -> Search {
        let path = "\(prefix)\(name).dtbo"
        guard try files.size(path) == nil else { return .found(path) }
        return .missing(
            reason: "the boot partition has no \(path)",
            next: "bring the file with an overlay of the recipe, at boot/firmware/\(path), or leave the line out")
    }

    // MARK: Parameters

    /// More overlays than this are counted, not named.
    private static let mostNamed = 4

    /// `a=1,b,c=x` as names.
    private static func names(_ text: String) -> [String] {
        text.split(separator: ",").map { $0.prefix { $0 != "=" }.trimmed }.filter { !$0.isEmpty }
    }

    private func reason(against names: [String], _ line: FirmwareText.Line) -> IneffectiveSetting? {
        guard let parameters, overlays.allSatisfy({ $0.parameters != nil }) else { return nil }
        let known = overlays.reduce(parameters) { $0.union($1.parameters ?? []) }
        let lost = names.filter { !known.contains($0) && !Self.madeUp.contains($0) }
        guard let first = lost.first else { return nil }
        let isOne = lost.count == 1
        let list = lost.map { "'\($0)'" }.joined(separator: ", ") + (isOne ? " is no parameter" : " are no parameters")
        let more = overlays.count - Self.mostNamed
        let places =
            overlays.prefix(Self.mostNamed).map { "the overlay \($0.name)" }
            + (more > 0 ? ["\(more) other overlays"] : [])
            + [deviceTreeName]
        var reason = "\(list) of \(places.joined(separator: " or "))"
        if parameters.isEmpty, overlays.isEmpty { reason += ", which has none" }
        if mayBeHAT { reason += "; only the overlay of an attached HAT could have \(isOne ? "it" : "them")" }
        return IneffectiveSetting(
            place: line.place, line: line.text, reason: reason, isCertain: !mayBeHAT,
            next: nearestName(to: first, in: known).map { "perhaps '\($0)' is meant" } ?? "leave it out")
    }
}
