import Diagnostics

/// A line of config.txt that has no effect, and why.
package struct IneffectiveSetting: Sendable, Equatable {
    /// Where it stands.
    package var place: FirmwarePlace
    /// The line, without white space at either end.
    package var line: String
    /// What is wrong with it: a clause that `line` is in front of.
    package var reason: String
    /// Whether nothing that may be connected to a board could make it count.
    package var isCertain: Bool
    /// What to change; nil where there is nothing to say.
    package var next: String?

    /// `config.txt:12: dtoverlay=disable-bt: …`, without what to change.
    package var summary: String { "\(place): \(line): \(reason)" }
}

extension PiFirmware {
    /// The day from which on start4.elf has known `[boot_partition=N]` (raspberrypi/rpi-eeprom, pull request 676;
    /// raspberrypi/firmware, issue 1940).
    static let bootPartitionFilterSince = "2025-03-10"

    /// More findings than this are no mistakes any more.
    static let mostIneffective = 1_000

    /// Finds the lines of config.txt, and of what it includes, that no board of the Pi 4's family makes anything of: overlays that
    /// are not on the partition, parameters that nothing takes, keys that the firmware does not know, or not on these boards, and
    /// sections that none of them reads. What stands below `[none]` is left alone, and so is what may count on another boot, with
    /// another monitor, wire, or partition.
    ///
    /// - Returns: them, in the order that they are read in.
    /// - Throws: `Failure` for a config.txt that cannot be read, as ``FirmwareConfig`` does, and for more than a thousand findings.
    package static func ineffectiveSettings(_ files: any BootFiles) throws -> [IneffectiveSetting] {
        let boards = FirmwareBoard.family
        let text = try FirmwareText(
            "config.txt", follows: { filters in boards.contains { filters.mayHold(on: $0) } },
            contents: { try files.text($0) })
        let start = try startFile(files)
        var judged = try boards.map { try DeviceTreeSettings(board: $0, files) }
        var blamed: Set<FirmwarePlace> = []
        var found: [IneffectiveSetting] = []
        for line in text.lines where !line.filters.areNone {
            guard found.count < mostIneffective else {
                throw Failure(
                    at: "\(line.place)", "more than \(mostIneffective) lines in front of this one have no effect",
                    expected: "settings of a Pi 4", found: "the first is \(found[0].summary)")
            }
            if case .filter(let filter) = line.content {
                if !line.isVouchedFor, let reason = reason(against: filter, line, start) {
                    found.append(reason)
                    blamed.insert(line.place)
                }
                continue
            }
            let readers = judged.indices.filter { line.filters.mayHold(on: boards[$0]) }
            guard !readers.isEmpty else {
                // A section is blamed once, and only if something stands in it.
                for placed in line.filters.refused(by: boards) where blamed.insert(placed.place).inserted {
                    found.append(unread(placed))
                }
                continue
            }
            guard case .setting(let setting) = line.content else { continue }
            if setting.key == "dtoverlay" || setting.key == "dtparam" {
                let reasons = try readers.map { (judged[$0].hasDeviceTree, try judged[$0].take(setting, line)) }
                // One board for which it counts is enough; one that cannot start from this partition is not asked.
                let asked = reasons.contains(where: \.0) ? reasons.filter(\.0) : reasons
                if let reason = asked[0].1, asked.allSatisfy({ $0.1 != nil }) { found.append(reason) }
            } else if let reason = reason(against: setting, line, start) {
                found.append(reason)
            }
        }
        return found
    }

    /// The file that a Pi 4 Model B would run, if it is there.
    private static func startFile(_ files: any BootFiles) throws -> StartFile? {
        let name = try startFiles(try FirmwareConfig { try files.text($0) }).start
        return try files.contents(name).map { StartFile(name: name, bytes: $0) }
    }

    // MARK: Sections

    /// What is wrong with a section in itself, whatever stands in it.
    private static func reason(
        against filter: FirmwareFilter?, _ line: FirmwareText.Line, _ start: StartFile?
    ) -> IneffectiveSetting? {
        switch filter {
        case nil:
            let names = FirmwareFilter.models.union(["all", "none", "tryboot"])
            let nearest = nearestName(to: line.text.filter { $0 != "[" && $0 != "]" }, in: names)
            return IneffectiveSetting(
                place: line.place, line: line.text, reason: "no section that the firmware knows", isCertain: true,
                next: nearest.map { "perhaps [\($0)] is meant" } ?? vouching("section"))
        case .bootPartition:
            guard let start, let built = start.built, built < bootPartitionFilterSince else { return nil }
            return IneffectiveSetting(
                place: line.place, line: line.text,
                reason: "the firmware (\(start.name) of \(built)) does not know this section: it came on "
                    + bootPartitionFilterSince,
                isCertain: true, next: "use newer firmware, or leave the section out")
        default: return nil
        }
    }

    /// A section that has something in it, and that none of the boards reads.
    private static func unread(_ placed: FirmwareFilters.Placed) -> IneffectiveSetting {
        let reason: String
        switch placed.filter {
        case .hdmi: reason = "a Pi 4 has the HDMI ports 0 and 1"
        case .variable: reason = "a Pi 4 does not have this boot variable in config.txt"
        default:
            let sections = FirmwareBoard.family.map { board in
                "a \(board.name) reads \(board.models.sorted().map { "[\($0)]" }.joined(separator: " and "))"
            }
            reason = "no board of the Pi 4's family reads this section: \(sections.joined(separator: ", "))"
        }
        return IneffectiveSetting(
            place: placed.place, line: placed.text, reason: reason, isCertain: true,
            next: "leave the section out, or begin it with [all] or [pi4]")
    }

    // MARK: Keys

    private static func reason(
        against setting: FirmwareSetting, _ line: FirmwareText.Line, _ start: StartFile?
    ) -> IneffectiveSetting? {
        let key = setting.key
        if ["include", "initramfs"].contains(key) {
            return IneffectiveSetting(
                place: line.place, line: line.text, reason: "the firmware takes '\(key)' without an equals sign alone",
                isCertain: true, next: "write \(key) \(setting.value)")
        }
        if let reason = FirmwareKeys.reasonAgainst(key) {
            return IneffectiveSetting(
                place: line.place, line: line.text, reason: "no Pi 4 reads it: \(reason)", isCertain: true,
                next: "leave the line out")
        }
        if FirmwareKeys.perPort.contains(key), let port = setting.port, !["0", "1"].contains(port) {
            return IneffectiveSetting(
                place: line.place, line: line.text, reason: "a Pi 4 has the HDMI ports 0 and 1", isCertain: true,
                next: "write \(key):0 or \(key):1")
        }
        guard !line.isVouchedFor else { return nil }
        if FirmwareKeys.isNumber(key), setting.value.prefixMatch(of: /[-+]?(0[xX][0-9a-fA-F]|[0-9](?![xX]))/) == nil {
            return IneffectiveSetting(
                place: line.place, line: line.text, reason: "the value is no number", isCertain: true,
                next: "write \(key)= and a number")
        }
        guard !FirmwareKeys.isKnown(key) else { return nil }
        if let start, start.mayKnow(key) {
            return IneffectiveSetting(
                place: line.place, line: line.text,
                reason: "the documentation has no such key; \(start.name) holds the word, which may be one",
                isCertain: false, next: vouching("key"))
        }
        let witness = start.map { ", and \($0.name) does not hold it either" } ?? ""
        return IneffectiveSetting(
            place: line.place, line: line.text,
            reason: "'\(key)' is no key of config.txt that piforge knows\(witness)", isCertain: true,
            next: FirmwareKeys.nearest(to: key).map { "perhaps '\($0)' is meant" } ?? vouching("key"))
    }

    private static func vouching(_ what: String) -> String {
        "if your bootloader knows the \(what), put the line '\(FirmwareText.knownMark)' in front"
    }
}
