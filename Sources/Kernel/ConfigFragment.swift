import Diagnostics
import Storage
import SystemPackage

/// What a kernel's configuration must have: lines as in a `.config`, with alternatives, and limits to kernel versions.
///
///     CONFIG_KVM=y                            set to this value
///     CONFIG_VHOST_NET=y|m                    set to one of these; in a kernel that is configured here, to the first
///     # CONFIG_X is not set                   not set, or not there
///     CONFIG_VHOST_MENU=y # since 5.7         asked of Linux 5.7 and later
///     CONFIG_NF_NAT_IPV4=y|m # until 5.0      asked of Linux up to 5.0.x; `# since 4.8 until 5.0` is both
///     # anything else                         a comment; one that reads like a setting, as `#CONFIG_X is not set`, is refused
package struct ConfigFragment: Sendable, Equatable {
    /// One line that asks for something.
    package struct Line: Sendable, Equatable {
        /// Such as `CONFIG_KVM`.
        package var option: String
        /// The values that will do, at least one; ``KernelOptionValue/notSet`` where the option must not be set.
        package var values: [KernelOptionValue]
        /// The first version that the line is asked of.
        package var since: KernelVersion?
        /// The last version that the line is asked of; `5.1` is every 5.1.x.
        package var until: KernelVersion?
        /// `file:line`.
        package var place: String

        /// Whether the line is asked of a kernel of that version.
        package func applies(to version: KernelVersion) -> Bool {
            if let since, version.cut(like: since).lexicographicallyPrecedes(since.numbers) { return false }
            if let until, until.numbers.lexicographicallyPrecedes(version.cut(like: until)) { return false }
            return true
        }

        /// The line without its versions, as a fragment has it.
        package var text: String {
            if values == [.notSet] { return "# \(option) is not set" }
            return "\(option)=\(values.map(\.description).joined(separator: "|"))"
        }

        /// Whether some version is in both lines' ranges.
        fileprivate func overlaps(_ other: Line) -> Bool {
            func endsBefore(_ a: Line, _ b: Line) -> Bool {
                guard let until = a.until, let since = b.since else { return false }
                return until.numbers.lexicographicallyPrecedes(since.cut(like: until))
            }
            return !endsBefore(self, other) && !endsBefore(other, self)
        }
    }

    /// In the file's order.
    package let lines: [Line]

    /// Parses a fragment.
    ///
    /// - Parameter file: its path, for errors.
    /// - Throws: `FailureList` with every line that is malformed, asks twice for an option, or contradicts another.
    package static func parse(_ text: String, file: String) throws -> ConfigFragment {
        var lines: [Line] = []
        var failures: [Failure] = []
        for (index, line) in text.splitLines(keepingEmpty: true).enumerated() {
            let place = "\(file):\(index + 1)"
            do {
                if let parsed = try ConfigFragmentLine(line, at: place).parsed { lines.append(parsed) }
            } catch let failure as Failure {
                failures.append(failure)
            }
        }
        failures += conflicts(in: lines)
        guard failures.isEmpty else { throw FailureList(failures) }
        return ConfigFragment(lines: lines)
    }

    /// Reads the fragment `NAME.config` of a folder.
    ///
    /// - Throws: `Failure` of kind usage when there is none of that name; as ``parse(_:file:)``.
    package static func named(_ name: String, in folder: FilePath) throws -> ConfigFragment {
        guard isPlainFileName(name), !name.hasPrefix(".") else {
            throw Failure(.usage, at: folder.string, "not a fragment's name", expected: "such as kvm", found: name)
        }
        let path = folder.appending("\(name).config")
        guard exists(path) else {
            throw Failure(
                .usage, at: path.string, "there is no kernel configuration fragment '\(name)'",
                next: "choose one of the *.config files in \(folder)")
        }
        let bytes = try readFile(path, limit: KernelConfig.largest)
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.usage, at: path.string, "the fragment is not UTF-8 text")
        }
        return try parse(text, file: path.string)
    }

    /// The lines of several fragments. Two of them may ask for the same option when some value will do for both.
    ///
    /// - Throws: `FailureList` with every two lines that contradict each other.
    package static func joined(_ fragments: [ConfigFragment]) throws -> ConfigFragment {
        let lines = fragments.flatMap(\.lines)
        let failures = conflicts(in: lines, allowingAgreement: true)
        guard failures.isEmpty else { throw FailureList(failures) }
        return ConfigFragment(lines: lines)
    }

    /// What to write into a configuration for a kernel of that version: one line for each option, in the order in which they are
    /// first asked for. Of the values that do for every line, the one that the first of them names first.
    ///
    /// - Throws: `FailureList` with every option for which no value will do.
    package func settings(for version: KernelVersion) throws -> [Line] {
        var settings: [Line] = []
        var places: [String: Int] = [:]
        var failures: [Failure] = []
        for line in lines(for: version) {
            guard let place = places[line.option] else {
                places[line.option] = settings.count
                settings.append(line)
                continue
            }
            let common = settings[place].values.filter(line.values.contains)
            if common.isEmpty {
                failures.append(Self.contradiction(line, settings[place]))
            } else {
                settings[place].values = common
            }
        }
        guard failures.isEmpty else { throw FailureList(failures) }
        return settings.map { line in
            var line = line
            line.values = Array(line.values.prefix(1))
            return line
        }
    }

    /// The lines that are asked of a kernel of that version.
    package func lines(for version: KernelVersion) -> [Line] { lines.filter { $0.applies(to: version) } }

    /// Each line of the fragment that a configuration does not follow.
    package static func violations(
        of fragment: ConfigFragment, in config: KernelConfig, version: KernelVersion
    ) -> [Violation] {
        fragment.lines(for: version).compactMap { line in
            let found = config[line.option]
            return line.values.contains(found) ? nil : Violation(line: line, found: found)
        }
    }

    /// A line and what the configuration has instead.
    package struct Violation: Sendable, Equatable, CustomStringConvertible {
        package var line: Line
        /// ``KernelOptionValue/notSet`` also where the configuration does not name the option.
        package var found: KernelOptionValue

        /// `kvm.config:3: CONFIG_KVM=y, but it is not set`.
        package var description: String { "\(line.place): \(summary)" }

        /// `CONFIG_KVM=y, but it is not set`.
        package var summary: String {
            "\(line.text), but " + (found == .notSet ? "it is not set" : "it is \(found)")
        }
    }

    private static func conflicts(in lines: [Line], allowingAgreement: Bool = false) -> [Failure] {
        var earlier: [String: [Line]] = [:]
        var failures: [Failure] = []
        for line in lines {
            let others = earlier[line.option, default: []].filter(line.overlaps)
            if let other = others.first(where: { !allowingAgreement || Set($0.values).isDisjoint(with: line.values) }) {
                failures.append(
                    Set(other.values) == Set(line.values)
                        ? Failure(
                            .usage, at: line.place, "\(line.option) is asked for twice",
                            expected: "one line for an option", found: "another at \(other.place)")
                        : contradiction(line, other))
            }
            earlier[line.option, default: []].append(line)
        }
        return failures
    }

    private static func contradiction(_ line: Line, _ other: Line) -> Failure {
        Failure(
            .usage, at: line.place, "the line contradicts another for the same option",
            expected: "\(other.text), as at \(other.place)", found: line.text)
    }
}

/// Takes one line of a fragment apart.
private struct ConfigFragmentLine {
    /// nil for a comment and an empty line.
    private(set) var parsed: ConfigFragment.Line?
    private let place: String
    private let text: String

    /// - Throws: `Failure` of kind usage, at the line.
    init(_ line: Substring, at place: String) throws {
        self.place = place
        text = String(line.prefix(100))
        if line.allSatisfy(\.isWhitespace) { return }
        let (setting, versions) = Self.split(line)
        if let first = line.first(where: { !$0.isWhitespace }), first == "#" {
            guard let option = KernelConfig.notSet(setting) else {
                if let meant = ConfigFragmentSpelling(comment: setting) { throw comment(meaning: meant.line, versions) }
                return
            }
            parsed = ConfigFragment.Line(option: option, values: [.notSet], place: place)
        } else {
            guard let equals = setting.firstIndex(of: "="), KernelConfig.isOption(setting[..<equals]),
                let values = Self.values(setting[setting.index(after: equals)...])
            else {
                throw malformed(
                    ConfigFragmentSpelling(setting: line)?.line
                        ?? "CONFIG_X=VALUE, CONFIG_X=y|m or # CONFIG_X is not set")
            }
            guard Set(values).count == values.count else { throw malformed("every alternative once") }
            parsed = ConfigFragment.Line(option: String(setting[..<equals]), values: values, place: place)
        }
        if let versions { try limit(versions) }
    }

    /// Reads `since 4.8`, `until 5.1` or both.
    private mutating func limit(_ versions: Substring) throws {
        let words = versions.split(separator: " ")
        let expected = "# since VERSION, # until VERSION, or # since VERSION until VERSION"
        guard ["since", "until"].contains(words.first) else {
            throw malformed(expected, next: "put a comment on a line of its own")
        }
        guard [2, 4].contains(words.count) else { throw malformed(expected) }
        for index in stride(from: 0, to: words.count, by: 2) {
            let word = words[index + 1]
            guard let version = KernelVersion(word), KernelVersion.isWhole(word) else { throw malformed(expected) }
            switch words[index] {
            case "since" where index == 0: parsed?.since = version
            case "until" where words.count == 2 || index == 2: parsed?.until = version
            default: throw malformed(expected)
            }
        }
        if let since = parsed?.since, let until = parsed?.until,
            until.numbers.lexicographicallyPrecedes(since.cut(like: until))
        {
            throw malformed("a last version that is not before the first")
        }
    }

    private func malformed(_ expected: String, next: String? = nil) -> Failure {
        Failure(
            .usage, at: place, "this is not a line of a kernel configuration fragment", expected: expected, found: text,
            next: next)
    }

    private func comment(meaning line: String, _ versions: Substring?) -> Failure {
        Failure(
            .usage, at: place, "the line reads like a setting, but is a comment to Kconfig",
            expected: line + (versions.map { " # " + $0.drop { $0 == " " } } ?? ""), found: text,
            next: "write it so, or put the comment in other words")
    }

    /// Cuts the comment off a line's end: what stands behind the first `#` that is outside of quotes and has a blank before it, the
    /// one that the line itself begins with aside.
    private static func split(_ line: Substring) -> (setting: Substring, versions: Substring?) {
        var quoted = false
        var previous: Character = "x"
        let start = line.firstIndex { !$0.isWhitespace } ?? line.endIndex
        for index in line[start...].indices {
            let character = line[index]
            if character == "\"", previous != "\\" { quoted.toggle() }
            if character == "#", !quoted, previous == " " {
                var setting = line[..<index]
                while setting.last == " " { setting.removeLast() }
                return (setting, line[line.index(after: index)...])
            }
            previous = character
        }
        return (line, nil)
    }

    /// The alternatives, separated by bars outside of quotes; nil when one is no value.
    private static func values(_ written: Substring) -> [KernelOptionValue]? {
        var parts: [Substring] = []
        var start = written.startIndex
        var quoted = false
        var previous: Character = "x"
        for index in written.indices {
            let character = written[index]
            if character == "\"", previous != "\\" { quoted.toggle() }
            if character == "|", !quoted {
                parts.append(written[start..<index])
                start = written.index(after: index)
            }
            previous = previous == "\\" && character == "\\" ? "x" : character
        }
        parts.append(written[start...])
        let values = parts.compactMap { KernelOptionValue($0) }
        return values.count == parts.count ? values : nil
    }
}
