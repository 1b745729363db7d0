import Diagnostics

/// What a Pi 4 Model B reads from config.txt: the settings that its filters let through, the last value of each.
///
/// Source: Raspberry Pi documentation, "The config.txt file", sections "File format" and "Conditional filters".
public struct FirmwareConfig: Sendable, Equatable {
    /// The board and the card that filters are answered for.
    public struct Board: Sendable {
        /// The model filters that match, without brackets.
        public var models: Set<String>
        /// The number of the board's type in its revision code, for `[board-type=…]`.
        public var type: UInt64

        /// A Pi 4 Model B.
        public static let pi4ModelB = Board(models: ["pi4"], type: 0x11)
    }

    /// The firmware reads this many characters of a line and drops the rest.
    public static let longestLine = 98

    /// `key=value` settings; where a key stands twice, the later value.
    public private(set) var settings: [String: String] = [:]
    /// Every `dtoverlay`, `dtparam` line, in order, as `dtoverlay=…` or `dtparam=…`.
    public private(set) var deviceTreeLines: [String] = []
    /// The last `initramfs FILE ADDRESS` line's two words.
    public private(set) var initramfs: (file: String, address: String)?
    /// What a reader should know: filters that are not understood, and so taken as not matching.
    public private(set) var notes: [String] = []

    public static func == (a: FirmwareConfig, b: FirmwareConfig) -> Bool {
        a.settings == b.settings && a.deviceTreeLines == b.deviceTreeLines && a.notes == b.notes
            && a.initramfs?.file == b.initramfs?.file && a.initramfs?.address == b.initramfs?.address
    }

    /// Reads config.txt and what it includes.
    ///
    /// - Parameters:
    ///   - name: the file's name, for errors.
    ///   - contents: the text of a file of the boot partition; nil when there is none.
    /// - Throws: `Failure` for a line over 98 characters, an included file that is missing, and a line that is no setting.
    public init(
        _ name: String = "config.txt", board: Board = .pi4ModelB, contents: (String) throws -> String?
    ) throws {
        guard let text = try contents(name) else {
            throw Failure(at: name, "the boot partition has no such file")
        }
        var filters: [String: Bool] = [:]
        try read(text, name, board, &filters, depth: 0, contents)
    }

    private mutating func read(
        _ text: String, _ file: String, _ board: Board, _ filters: inout [String: Bool], depth: Int,
        _ contents: (String) throws -> String?
    ) throws {
        for (index, raw) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let place = "\(file):\(index + 1)"
            let line = raw.trimmed
            if line.isEmpty || line.hasPrefix("#") { continue }
            guard line.count <= Self.longestLine else {
                throw Failure(
                    at: place, "the line is too long; the firmware drops what is past its limit",
                    expected: "at most \(Self.longestLine) characters", found: "\(line.count)")
            }
            if line.hasPrefix("[") {
                apply(filter: line, place, board, &filters)
            } else if filters.values.allSatisfy({ $0 }) {
                try take(line, place, board, &filters, depth, contents)
            }
        }
    }

    private mutating func take(
        _ line: String, _ place: String, _ board: Board, _ filters: inout [String: Bool], _ depth: Int,
        _ contents: (String) throws -> String?
    ) throws {
        let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
        if words[0] == "include", words.count == 2 {
            guard depth < 8 else { throw Failure(at: place, "files include each other without end") }
            guard let text = try contents(words[1]) else {
                throw Failure(at: place, "the boot partition has no file '\(words[1])' to include")
            }
            try read(text, words[1], board, &filters, depth: depth + 1, contents)
        } else if words[0] == "initramfs", words.count == 2 || words.count == 3 {
            initramfs = (words[1], words.count == 3 ? words[2] : "followkernel")
        } else if let equals = line.firstIndex(of: "=") {
            let key = line[..<equals].trimmed
            let value = line[line.index(after: equals)...].trimmed
            if key == "dtoverlay" || key == "dtparam" {
                deviceTreeLines.append("\(key)=\(value)")
            } else {
                settings[key] = value
            }
        } else {
            throw Failure(at: place, "the line is no setting", expected: "key=value", found: line)
        }
    }

    /// A filter replaces the one of its own kind and is combined with those of the others; `[all]` ends them all.
    private mutating func apply(
        filter line: String, _ place: String, _ board: Board, _ filters: inout [String: Bool]
    ) {
        guard line.hasSuffix("]") else {
            notes.append("\(place): '\(line)' is no filter; what follows is taken as not meant for this board")
            filters["unknown"] = false
            return
        }
        let name = line.dropFirst().dropLast().trimmed
        switch name.lowercased() {
        case "all": filters = [:]
        case "none": filters["none"] = false
        case let model where Self.models.contains(model): filters["model"] = board.models.contains(model)
        case let type where type.hasPrefix("board-type="):
            filters["type"] = number(type.dropFirst("board-type=".count)) == board.type
        // A first boot is no try-out boot, and nothing is plugged into this board.
        case "tryboot": filters["tryboot"] = false
        case let edid where edid.hasPrefix("edid="): filters["edid"] = false
        default:
            notes.append(
                "\(place): the filter [\(name)] is not known; what follows is taken as not meant for this board")
            filters["unknown"] = false
        }
    }

    private static let models: Set<String> = [
        "pi0", "pi0w", "pi02", "pi1", "pi2", "pi3", "pi3+", "pi4", "pi400", "pi5", "pi500", "cm0", "cm1", "cm3", "cm3+",
        "cm4", "cm4s", "cm5",
    ]

    /// Whether a 0/1 setting is on.
    ///
    /// - Throws: `Failure` when its value is no number.
    public func flag(_ key: String, default standard: Bool) throws -> Bool {
        guard let value = try integer(key) else { return standard }
        return value != 0
    }

    /// A number, decimal or with 0x; nil when the key is not set.
    ///
    /// - Throws: `Failure` when its value is no number.
    public func integer(_ key: String) throws -> UInt64? {
        guard let text = settings[key] else { return nil }
        guard let value = number(text) else {
            throw Failure(at: "config.txt", "the value of '\(key)' is no number", found: text)
        }
        return value
    }
}

private func number(_ text: some StringProtocol) -> UInt64? {
    text.lowercased().hasPrefix("0x") ? UInt64(text.dropFirst(2), radix: 16) : UInt64(text)
}

extension StringProtocol {
    /// Without white space at either end.
    package var trimmed: String {
        guard let start = firstIndex(where: { !$0.isWhitespace }),
            let end = lastIndex(where: { !$0.isWhitespace })
        else { return "" }
        return String(self[start...end])
    }
}
