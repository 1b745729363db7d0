import Diagnostics

/// What a board of the Pi 4's family reads from config.txt: the settings that its filters let through, the last value of each.
///
/// Source: Raspberry Pi documentation, "The config.txt file", sections "File format" and "Conditional filters".
package struct FirmwareConfig: Sendable, Equatable {
    /// `key=value` settings; where a key stands twice, the later value. A setting of the second HDMI port has `:1` behind its key,
    /// wherever the file has the port; one of the first has nothing.
    package private(set) var settings: [String: String] = [:]
    /// Every `dtoverlay`, `dtparam` line, in order, as `dtoverlay=…` or `dtparam=…`.
    package private(set) var deviceTreeLines: [String] = []
    /// The last `initramfs FILE ADDRESS` line's two words.
    package private(set) var initramfs: (file: String, address: String)?
    /// What a reader should know: filters that are not understood, or that hang on what is not known here; both are taken as not
    /// matching.
    package private(set) var notes: [String] = []

    package static func == (a: FirmwareConfig, b: FirmwareConfig) -> Bool {
        a.settings == b.settings && a.deviceTreeLines == b.deviceTreeLines && a.notes == b.notes
            && a.initramfs?.file == b.initramfs?.file && a.initramfs?.address == b.initramfs?.address
    }

    /// Reads config.txt and what it includes, as on the first boot of a board that nothing is connected to.
    ///
    /// - Parameters:
    ///   - name: the file's name, for errors.
    ///   - contents: the text of a file of the boot partition; nil when there is none.
    /// - Throws: `Failure` for a line over 98 bytes, an included file that is missing, and a line that is no setting.
    package init(
        _ name: String = "config.txt", board: FirmwareBoard = .pi4ModelB, contents: (String) throws -> String?
    ) throws {
        let text = try FirmwareText(name, follows: { $0.hold(on: board) }, contents: contents)
        for line in text.lines {
            if case .filter(let filter) = line.content {
                if let note = Self.note(on: filter, line, board) { notes.append(note) }
            } else if line.filters.hold(on: board) {
                try take(line)
            }
        }
    }

    private mutating func take(_ line: FirmwareText.Line) throws {
        switch line.content {
        case .filter, .include: break
        case .initramfs(let file, let address): initramfs = (file, address)
        case .setting(let setting):
            if setting.key == "dtoverlay" || setting.key == "dtparam" {
                deviceTreeLines.append("\(setting.key)=\(setting.value)")
            } else {
                settings[Self.name(of: setting, under: line.filters)] = setting.value
            }
        case .malformed:
            throw Failure(at: "\(line.place)", "the line is no setting", expected: "key=value", found: line.text)
        }
    }

    /// The key with the port that it is for. Ports of settings that have none are ignored (Raspberry Pi documentation, "HDMI mode").
    private static func name(of setting: FirmwareSetting, under filters: FirmwareFilters) -> String {
        guard FirmwareKeys.perPort.contains(setting.key) else { return setting.key }
        let port = setting.port ?? filters.port.map(String.init) ?? "0"
        return port == "0" ? setting.key : "\(setting.key):\(port)"
    }

    private static func note(on filter: FirmwareFilter?, _ line: FirmwareText.Line, _ board: FirmwareBoard) -> String? {
        guard let filter else {
            let what = line.text.hasSuffix("]") ? "the filter \(line.text) is not known" : "'\(line.text)' is no filter"
            return "\(line.place): \(what); what follows is taken as not meant for this board"
        }
        guard case .notHere(let why) = filter.answer(on: board) else { return nil }
        return "\(line.place): \(line.text) is taken as not matching: \(why)"
    }

    /// Whether a 0/1 setting is on.
    ///
    /// - Throws: `Failure` when its value is no number.
    package func flag(_ key: String, default standard: Bool) throws -> Bool {
        guard let value = try integer(key) else { return standard }
        return value != 0
    }

    /// A number, decimal or with 0x; nil when the key is not set.
    ///
    /// - Throws: `Failure` when its value is no number.
    package func integer(_ key: String) throws -> UInt64? {
        guard let text = settings[key] else { return nil }
        guard let value = number(text) else {
            throw Failure(at: "config.txt", "the value of '\(key)' is no number", found: text)
        }
        return value
    }
}
