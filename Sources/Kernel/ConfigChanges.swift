import Diagnostics

/// What differs between two configurations of a kernel, grouped by who asks for it: a fragment, or a menu of Kconfig.
package struct ConfigChanges: Sendable, Equatable, Codable {
    /// One option that differs.
    package struct Change: Sendable, Equatable, Codable {
        /// Such as `CONFIG_KVM`.
        package var option: String
        /// As a `.config` has the value: `y`, `m`, `"text"`, `14`; `n` for an option that is not set or not there.
        package var old: String
        /// As ``old``.
        package var new: String
    }

    /// What one fragment or one menu asks for. `no longer offered` has the options that neither a fragment nor the new configuration names.
    package struct Group: Sendable, Equatable, Codable {
        /// `fragment kvm.config` or `menu Device Drivers`.
        package var name: String
        /// Sorted by option; never empty.
        package var changes: [Change]
    }

    /// Fragments in their order, then menus in the order of the new configuration.
    package var groups: [Group]

    /// How many options differ.
    package var count: Int { groups.reduce(0) { $0 + $1.changes.count } }

    /// - Parameters:
    ///   - text: of the new configuration, as Kconfig writes it, with its menus.
    ///   - fragment: the lines that were asked for; their places name the groups.
    package init(from old: KernelConfig, to new: KernelConfig, text: String, fragment: ConfigFragment) {
        let menus = Self.menus(text)
        var owners: [String: String] = [:]
        var order: [String] = []
        for line in fragment.lines {
            let name = "fragment " + line.place.prefix { $0 != ":" }
            if !order.contains(name) { order.append(name) }
            if owners[line.option] == nil { owners[line.option] = name }
        }
        var groups: [String: [Change]] = [:]
        for option in Set(old.options + new.options).sorted() where old[option] != new[option] {
            let name = owners[option] ?? menus.owner[option].map { "menu \($0)" } ?? "no longer offered"
            groups[name, default: []].append(
                Change(option: option, old: old[option].description, new: new[option].description))
        }
        self.groups = (order + menus.order.map { "menu \($0)" } + ["no longer offered"]).compactMap { name in
            groups[name].map { Group(name: name, changes: $0) }
        }
    }

    /// The outermost menu of each option, by the comments that Kconfig writes around a menu's lines:
    ///
    ///     #
    ///     # Device Drivers
    ///     #
    ///     …
    ///     # end of Device Drivers
    private static func menus(_ text: String) -> (owner: [String: String], order: [String]) {
        var owner: [String: String] = [:]
        var order: [String] = []
        var open: [Substring] = []
        let lines = text.splitLines(keepingEmpty: true)
        let ends = Set(lines.filter { $0.hasPrefix("# end of ") }.map { $0.dropFirst("# end of ".count) })
        for (index, line) in lines.enumerated() {
            if line.hasPrefix("# end of ") {
                let title = line.dropFirst("# end of ".count)
                if let last = open.lastIndex(of: title) { open.removeSubrange(last...) }
            } else if line.hasPrefix("# "), index > 0, index + 1 < lines.count, lines[index - 1] == "#",
                lines[index + 1] == "#", ends.contains(line.dropFirst(2))
            {
                open.append(line.dropFirst(2))
            } else if let option = KernelConfig.notSet(line)
                ?? (line.hasPrefix("CONFIG_") ? line.firstIndex(of: "=").map { String(line[..<$0]) } : nil)
            {
                let menu = open.first.map(String.init) ?? "Linux"
                owner[option] = menu
                if !order.contains(menu) { order.append(menu) }
            }
        }
        return (owner, order)
    }

    /// For a person: each group with its changes, at most `limit` of a group.
    package func text(limit: Int) -> String {
        groups.map { group in
            let shown = group.changes.prefix(limit).map { "    \($0.option): \($0.old) -> \($0.new)\n" }.joined()
            let more = group.changes.count - limit
            return "  \(group.name): \(group.changes.count)\n\(shown)" + (more > 0 ? "    and \(more) more\n" : "")
        }.joined()
    }
}
