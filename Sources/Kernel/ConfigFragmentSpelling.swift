import Diagnostics

/// The line of a fragment that a person meant who wrote another: what Kconfig would pass over in silence, or not understand.
///
///     #CONFIG_X is not set          a comment to Kconfig: only `# CONFIG_X is not set`, to the letter, is a setting
///                                   (Linux, scripts/kconfig/confdata.c, conf_read_simple)
///     CONFIG_X = y                  Kconfig takes no blanks around the equals sign
///     CONFIG_X=Y, CONFIG_X=yes      its values are y, m and n
///     config_x=y, X=y               its options begin with CONFIG_
///
/// `# CONFIG_X=y` is left alone: that is how a setting is put out of action.
struct ConfigFragmentSpelling {
    /// The line as it should be.
    let line: String

    /// A comment that reads like a setting; nil for any other comment.
    ///
    /// - Parameter setting: the line without its versions.
    init?(comment setting: Substring) {
        let words = setting.drop { $0 == "#" || $0.isWhitespace }.split(whereSeparator: \.isWhitespace)
        let rest = words.dropFirst().map { $0.lowercased() }
        guard let word = words.first, let option = Self.option(word),
            rest == ["is", "not", "set"] || rest == ["not", "set"] && Self.hasPrefix(word)
        else { return nil }
        line = "# \(option) is not set"
    }

    /// A line that is no setting; nil when nothing can be made of it.
    init?(setting written: Substring) {
        var text = written.drop(while: \.isWhitespace)
        if text.first == "#" {
            guard let comment = Self(comment: text) else { return nil }
            self = comment
            return
        }
        var versions = ""
        if let mark = text.firstIndex(of: "#"), !text[..<mark].contains("\"") {
            let words = text[text.index(after: mark)...].split(whereSeparator: \.isWhitespace)
            if ["since", "until"].contains(words.first) { versions = " # " + words.joined(separator: " ") }
            text = text[..<mark]
        }
        guard let equals = text.firstIndex(of: "="), let option = Self.option(Substring(text[..<equals].trimmed)) else {
            return nil
        }
        let values = text[text.index(after: equals)...].split(separator: "|", omittingEmptySubsequences: false)
            .compactMap { Self.value(Substring($0.trimmed)) }
        guard !values.isEmpty, Set(values).count == values.count,
            values.count == text[equals...].filter({ $0 == "|" }).count + 1
        else { return nil }
        line = "\(option)=\(values.joined(separator: "|"))\(versions)"
    }

    private static func hasPrefix(_ word: Substring) -> Bool { word.lowercased().hasPrefix("config_") }

    /// `CONFIG_KVM` for `config_kvm`, `Config_KVM` and `KVM`. A few of Linux' options have small letters, so those of a name that
    /// begins as it should are kept.
    private static func option(_ word: Substring) -> String? {
        let name: String
        if word.hasPrefix("CONFIG_") {
            name = String(word)
        } else if hasPrefix(word) {
            name = word.uppercased()
        } else {
            guard word.count > 1, word == word.uppercased(), word.contains(where: \.isLetter) else { return nil }
            name = "CONFIG_\(word)"
        }
        return KernelConfig.isOption(name[...]) ? name : nil
    }

    private static func value(_ written: Substring) -> String? {
        switch written.lowercased() {
        case "y", "yes", "true", "on": return "y"
        case "m", "module": return "m"
        case "n", "no", "false", "off": return "n"
        default: break
        }
        if let value = KernelOptionValue(written) { return value.description }
        guard !written.isEmpty, !written.contains(where: { $0.isWhitespace || "\"'\\#".contains($0) }) else {
            return nil
        }
        return KernelOptionValue.text(String(written)).description
    }
}
