import Diagnostics

/// What a kernel's Kconfig says of one symbol in one configuration: why it has the value it has.
package struct KconfigFacts: Sendable, Codable, Equatable {
    /// A symbol and its value: `y`, `m`, `n`, a number, or a text.
    package struct Setting: Sendable, Codable, Equatable {
        /// Without `CONFIG_`.
        package var name: String
        /// `n` for a symbol without a value, too. A text has no quotes.
        package var value: String
    }

    /// A part of a condition that is not met.
    package struct Condition: Sendable, Codable, Equatable {
        /// As Kconfig writes it: `VSOCKETS`, `A || !B`.
        package var text: String
        /// `n` or `m`.
        package var value: String
        /// The symbols in it.
        package var symbols: [Setting]
    }

    /// Without `CONFIG_`.
    package var name: String
    /// Whether this version has it; all that follows is nil where it does not.
    package var known: Bool
    /// `bool`, `tristate`, `string`, `int` or `hex`.
    package var type: String?
    /// As a `.config` has it: a text stands in quotes.
    package var value: String?
    /// Whether it can be set; a symbol without a prompt has what other symbols and its defaults give it.
    package var prompt: Bool?
    /// Of its prompt's condition, or without a prompt of what it depends on; empty where all is met, or where `n` is wanted.
    package var unmet: [Condition]?
    /// The symbols that select it, at most 8.
    package var selecting: [Setting]?
    /// The symbols that could select it and do not, at most 8.
    package var selectors: [Setting]?
    /// The symbol of the same choice that is set.
    package var chosen: String?
    /// The lowest and the highest value.
    package var range: [String]?
    /// What would have to be set besides it, in this order, and then it would take; nil when that was not found.
    package var remedy: [Setting]?
    /// `file:line` of the source.
    package var defined: [String]?

    /// Why the symbol does not have a value, in a few words.
    ///
    /// - Parameters:
    ///   - wanted: nil asks why it has the value it has.
    ///   - version: the kernel's.
    ///   - symbols: all of that version's, for names that are near.
    package func reasons(wanted: KernelOptionValue?, version: KernelVersion, symbols: Set<String>) -> [String] {
        guard known else {
            let near = nearestNames(to: name, in: symbols, count: 3)
            return ["Linux \(version) has no such symbol"]
                + (near.isEmpty ? [] : ["near: \(near.map { "CONFIG_\($0)" }.joined(separator: ", "))"])
        }
        var reasons: [String] = []
        let kind = type ?? "symbol"
        let article = kind == "int" ? "an" : "a"
        switch (wanted, kind) {
        case (.module?, "bool"): reasons.append("it is a bool, y or n, and never a module")
        case (.text?, "bool"), (.text?, "tristate"), (.number?, "bool"), (.number?, "tristate"), (.text?, "int"),
            (.text?, "hex"),
            (.yes?, "string"), (.yes?, "int"), (.yes?, "hex"), (.module?, "string"), (.module?, "int"),
            (.module?, "hex"),
            (.number?, "string"):
            reasons.append("it is \(article) \(kind)")
        default: break
        }
        if prompt == false {
            reasons.append("it has no prompt, so that no line sets it")
        }
        for condition in wanted == .notSet ? [] : unmet ?? [] {
            let parts = condition.symbols.count == 1 && condition.symbols[0].name == condition.text
            let values =
                parts ? "" : " (\(condition.symbols.map { "\($0.name) is \($0.value)" }.joined(separator: ", ")))"
            reasons.append(
                "depends on \(condition.text), which is \(condition.value)\(condition.symbols.isEmpty ? "" : values)")
        }
        if wanted != .notSet, let chosen { reasons.append("it is one of a choice, of which CONFIG_\(chosen) is taken") }
        if case .number? = wanted, let range, range.count == 2 {
            reasons.append("it takes \(range[0]) to \(range[1])")
        }
        if let selecting, !selecting.isEmpty, wanted == .notSet || wanted == .module || wanted == nil {
            reasons.append("selected by \(Self.list(selecting))")
        }
        if prompt == false, selecting?.isEmpty != false, let selectors, !selectors.isEmpty, wanted != .notSet {
            reasons.append("nothing selects it; these could: \(Self.list(selectors))")
        }
        if reasons.isEmpty {
            reasons.append(
                wanted == nil
                    ? "its prompt is shown, and nothing forbids another value" : "Kconfig gives it another value")
        }
        return reasons
    }

    /// What to add to a fragment; nil when nothing helps, or nothing is known to.
    package var next: String? {
        guard known, let remedy, !remedy.isEmpty else { return nil }
        return "add "
            + remedy.map { $0.value == "n" ? "# CONFIG_\($0.name) is not set" : "CONFIG_\($0.name)=\($0.value)" }
            .joined(separator: ", ")
    }

    private static func list(_ settings: [Setting]) -> String {
        settings.map { "\($0.name), which is \($0.value)" }.joined(separator: "; ")
    }
}

extension KconfigFacts {
    /// The error for a fragment's line that did not take.
    ///
    /// - Parameter found: what the option is instead.
    package func failure(
        _ line: ConfigFragment.Line, found: KernelOptionValue, version: KernelVersion, symbols: Set<String>
    ) -> Failure {
        let reasons = reasons(wanted: line.values.first, version: version, symbols: symbols)
        let next = line.values.first == .notSet ? nil : next
        return Failure(
            at: "kernel",
            "\(line.text) did not take (it is \(found)): \(reasons.joined(separator: "; ")). Fragment \(line.place)",
            next: next)
    }
}
