/// A stock image's config.txt, with what starts its own kernel taken out.
///
/// Its `kernel=` line is replaced, not followed by another: which of two counts depends on the sections between them
/// (Raspberry Pi documentation, "The config.txt file", "Conditional filters"). All else stays where it is.
struct StockConfigText: Sendable, Equatable {
    /// The lines before ours, and behind them.
    private var before: [String] = []
    private var after: [String] = []
    /// Whether a section stands before the place where ours go.
    private var needsSection = false

    /// Keys that piforge sets itself, or that mean something to U-Boot alone.
    private static let ours: Set<String> = [
        "kernel", "initramfs", "arm_64bit", "arm_control", "enable_uart", "enable_gic", "upstream_kernel", "total_mem",
        "arm_boost", "core_freq", "os_prefix", "kernel_address", "device_tree", "device_tree_address",
        "device_tree_end",
        "ramfsfile",
        "ramfsaddr",
    ]

    init(_ text: String) {
        var replaced = false
        var sawSection = false
        for line in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).map(String.init) {
            let key = Self.key(of: line)
            if key == "kernel", !replaced, !sawSection { replaced = true }
            if let key, Self.ours.contains(key) { continue }
            if Self.isSection(line) { sawSection = true }
            if replaced { after.append(line) } else { before.append(line) }
        }
        // Without a kernel line that counts everywhere, ours stand at the end.
        needsSection = !replaced && sawSection
        for list in [\StockConfigText.before, \StockConfigText.after] {
            while self[keyPath: list].last?.allSatisfy(\.isWhitespace) == true { self[keyPath: list].removeLast() }
        }
    }

    /// The whole text with our lines in place, and the recipe's own at the end, where of two values the later counts.
    func text(with lines: [String], last: [String]) -> String {
        let endsInSection = !last.isEmpty && after.contains(where: Self.isSection)
        return (before + (needsSection ? ["[all]"] : []) + lines + after + (endsInSection ? ["[all]"] : []) + last)
            .map { $0 + "\n" }.joined()
    }

    /// What stays, without comments: for the board's hook, which writes config.txt anew.
    var settings: [String] {
        let kept = (before + after).filter { !$0.allSatisfy(\.isWhitespace) && !$0.hasPrefix("#") }
        return kept.contains(where: Self.isSection) ? kept + ["[all]"] : kept
    }

    private static func isSection(_ line: String) -> Bool {
        line.drop(while: \.isWhitespace).hasPrefix("[")
    }

    /// What a line sets; nil for comments, sections and empty lines.
    private static func key(of line: String) -> String? {
        let text = line.drop(while: \.isWhitespace)
        guard let first = text.first, first != "#", first != "[" else { return nil }
        return String(text.prefix { $0 != "=" && !$0.isWhitespace })
    }
}
