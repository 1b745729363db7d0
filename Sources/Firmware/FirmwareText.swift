import Diagnostics

/// config.txt and what it includes, line by line, each with the filters that it stands under. Nothing is decided yet.
///
/// Source: Raspberry Pi documentation, "The config.txt file", sections "File format" and "Advanced features".
struct FirmwareText {
    struct Line {
        var place: FirmwarePlace
        /// Without white space at either end.
        var text: String
        var filters: FirmwareFilters
        var content: Content
        /// The line above says that the firmware knows this one (``FirmwareText/knownMark``).
        var isVouchedFor: Bool
    }

    enum Content {
        /// nil for a filter that is not known.
        case filter(FirmwareFilter?)
        case setting(FirmwareSetting)
        case initramfs(file: String, address: String)
        case include(String)
        case malformed
    }

    /// The firmware reads this many bytes of a line, from its beginning, and drops the rest.
    static let longestLine = 98
    /// A comment by which somebody vouches for the key or the section in the next line.
    static let knownMark = "# piforge: known"
    /// More lines and bytes than these, with what is included, are nobody's settings.
    private static let mostLines = 20_000
    private static let mostBytes = 4 << 20
    /// No file is included by more files than this, each by the next.
    private static let deepestInclude = 8

    private(set) var lines: [Line] = []
    /// What was read so far, empty lines and comments too.
    private var lineCount = 0
    private var byteCount = 0

    /// Reads config.txt and the files that it includes where the filters let it.
    ///
    /// - Parameters:
    ///   - name: the file's name, for errors.
    ///   - follows: whether what stands under these filters is read on.
    ///   - contents: the text of a file of the boot partition; nil when there is none.
    /// - Throws: `Failure` for a line over 98 bytes, an included file that is missing, and for too many lines or bytes.
    init(_ name: String, follows: (FirmwareFilters) -> Bool, contents: (String) throws -> String?) throws {
        guard let text = try contents(name) else {
            throw Failure(at: name, "the boot partition has no such file")
        }
        var filters = FirmwareFilters()
        try read(text, name, &filters, depth: 0, follows, contents)
    }

    private mutating func read(
        _ text: String, _ file: String, _ filters: inout FirmwareFilters, depth: Int,
        _ follows: (FirmwareFilters) -> Bool, _ contents: (String) throws -> String?
    ) throws {
        byteCount += text.utf8.count
        guard byteCount <= Self.mostBytes else {
            throw Failure(
                at: file, "there is too much text",
                expected: "at most \(Self.mostBytes >> 20) MiB, with what is included")
        }
        var isVouchedFor = false
        for (index, raw) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let place = FirmwarePlace(file: file, line: index + 1)
            lineCount += 1
            guard lineCount <= Self.mostLines else {
                throw Failure(
                    at: "\(place)", "there are too many lines",
                    expected: "at most \(Self.mostLines), with what is included")
            }
            let text = raw.trimmed
            if text.isEmpty || text.hasPrefix("#") {
                isVouchedFor = text == Self.knownMark
                continue
            }
            // White space at the line's end may be dropped; at its beginning it takes room.
            let length = raw.prefix { $0.isWhitespace }.utf8.count + text.utf8.count
            guard length <= Self.longestLine else {
                throw Failure(
                    at: "\(place)", "the line is too long; the firmware drops what is past its limit",
                    expected: "at most \(Self.longestLine) bytes", found: "\(length)")
            }
            var content = Self.content(of: text)
            if case .filter(nil) = content, isVouchedFor { content = .filter(.vouchedFor) }
            if case .filter(let filter) = content { filters.apply(filter, text, at: place) }
            lines.append(
                Line(place: place, text: text, filters: filters, content: content, isVouchedFor: isVouchedFor))
            isVouchedFor = false
            if case .include(let included) = content, follows(filters) {
                guard depth < Self.deepestInclude else {
                    throw Failure(at: "\(place)", "files include each other without end")
                }
                guard let text = try contents(included) else {
                    throw Failure(at: "\(place)", "the boot partition has no file '\(included)' to include")
                }
                try read(text, included, &filters, depth: depth + 1, follows, contents)
            }
        }
    }

    private static func content(of text: String) -> Content {
        if text.hasPrefix("[") {
            return .filter(text.hasSuffix("]") ? FirmwareFilter(String(text.dropFirst().dropLast())) : nil)
        }
        let words = text.split(whereSeparator: \.isWhitespace).map(String.init)
        if words[0] == "include", words.count == 2 { return .include(words[1]) }
        if words[0] == "initramfs", words.count == 2 || words.count == 3 {
            return .initramfs(file: words[1], address: words.count == 3 ? words[2] : "followkernel")
        }
        return FirmwareSetting(text).map { .setting($0) } ?? .malformed
    }
}

/// A `key=value` line; of a setting of an HDMI port, `key:0=value` or `key:1=value`.
struct FirmwareSetting: Sendable, Equatable {
    var key: String
    /// What stands behind a colon of the key; nil for none.
    var port: String?
    var value: String

    /// - Returns: nil for a line without an equals sign, or without a key.
    init?(_ text: String) {
        guard let equals = text.firstIndex(of: "=") else { return nil }
        let parts = text[..<equals].trimmed.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
        key = parts[0].trimmed
        port = parts.count == 2 ? parts[1].trimmed : nil
        value = text[text.index(after: equals)...].trimmed
        guard !key.isEmpty else { return nil }
    }
}
