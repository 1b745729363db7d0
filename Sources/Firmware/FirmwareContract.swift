import Diagnostics
import Tools

/// What a build holds its boot partition to before the image is packed: what `piforge verify` will ask of it.
package struct FirmwareContract: Sendable {
    /// The recipe's lines of config.txt (`firmware.config`), which end the file.
    package var ownLines: [String]
    /// Whether the other lines are a publisher's, from a stock image: then they are said, and no more.
    package var hasPublisher: Bool
    /// What `total_mem` must be, in MiB (`memory.limit`); nil for no limit.
    package var memoryLimit: UInt64?

    package init(ownLines: [String], hasPublisher: Bool, memoryLimit: UInt64?) {
        self.ownLines = ownLines
        self.hasPublisher = hasPublisher
        self.memoryLimit = memoryLimit
    }

    /// - Returns: lines worth a note: a publisher's without effect, and the recipe's that may be without.
    /// - Throws: `Failure` for what the firmware of a Pi 4 could not boot; `FailureList` of kind usage with every line of the recipe, or
    ///   of its overlays, that is sure to have no effect.
    package func check(_ files: any BootFiles, tools: ToolRunner = ToolRunner()) async throws -> [String] {
        let boot = try await PiFirmware.boot(from: files, tools: tools)
        guard memoryLimit == nil || boot.totalMemory.map(UInt64.init) == memoryLimit else {
            throw Failure(
                .usage, at: "config.txt", "the memory's limit is not the recipe's",
                expected: memoryLimit.map { "total_mem=\($0), as memory.limit says" },
                found: boot.totalMemory.map { "total_mem=\($0)" } ?? "no total_mem",
                next: "look for total_mem in firmware.config and in the recipe's overlays")
        }
        let first = firstOwnLine(in: try files.text("config.txt") ?? "")
        var failures: [Failure] = []
        var notes: [String] = []
        for setting in try PiFirmware.ineffectiveSettings(files) {
            let key = key(of: setting.place, firstOwnLine: first)
            if setting.isCertain, key != nil || !hasPublisher {
                failures.append(
                    Failure(
                        .usage, at: key ?? "\(setting.place)", "'\(setting.line)' has no effect: \(setting.reason)",
                        found: key == nil ? nil : "line \(setting.place.line) of \(setting.place.file)",
                        next: setting.next))
            } else {
                let effect = setting.isCertain ? "has no effect" : "may have no effect"
                notes.append("\(key ?? "\(setting.place)"): '\(setting.line)' \(effect): \(setting.reason)")
            }
        }
        guard failures.isEmpty else { throw FailureList(failures) }
        return notes
    }

    /// The number of the line that the recipe's own begin with; nil where the file is another one, from an overlay.
    private func firstOwnLine(in text: String) -> Int? {
        var lines = text.splitLines(keepingEmpty: true)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines.suffix(ownLines.count).map(String.init) == ownLines ? lines.count - ownLines.count + 1 : nil
    }

    /// The recipe's key for a line, as `--set` has it; nil for a line from elsewhere.
    private func key(of place: FirmwarePlace, firstOwnLine: Int?) -> String? {
        guard let firstOwnLine, place.file == "config.txt", place.line >= firstOwnLine else { return nil }
        return "firmware.config[\(place.line - firstOwnLine)]"
    }
}
