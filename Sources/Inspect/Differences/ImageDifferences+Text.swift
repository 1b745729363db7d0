import Diagnostics

extension ImageDifferences {
    /// As many lines of a section are shown, texts not counted.
    private static let mostLines = 400
    private static let mostBytes = 40

    /// For a person; empty where nothing differs.
    package var text: String {
        var lines: [String] = []
        func add(_ title: String, _ section: [String], most: Int = Self.mostLines) {
            if section.isEmpty { return }
            lines.append(title)
            lines += section.prefix(most).map { "  " + $0 }
            if section.count > most { lines.append("  … and \(section.count - most) lines more (--json has them all)") }
            lines.append("")
        }
        add("disk", disk.map(\.line))
        add("file systems", filesystems.map(\.line))
        add("boot", boot.map(\.line))
        add(
            "packages",
            packages.map { "\(printable($0.name)): \(Field.change($0.old.map(printable), $0.new.map(printable)))" })
        add("kernel configuration", kernel.map(\.line))
        add("files", files.flatMap(\.lines))
        addBytes(add)
        add("not compared", notCompared)
        return lines.isEmpty ? "" : lines.joined(separator: "\n")
    }

    /// In full where nothing else differs: then it is the whole story.
    private func addBytes(_ add: (String, [String], Int) -> Void) {
        guard !bytes.isEmpty else { return }
        let others = Section.allCases.filter { $0 != .bytes && count(of: $0) > 0 }
        if others.isEmpty {
            add("bytes", bytes.flatMap(\.lines), Self.mostBytes)
        } else {
            let sectors = bytes.reduce(0) { $0 + $1.sectors }
            add(
                "bytes",
                ["\(sectors) sectors differ, in \(bytes.count) things on the disk (--only bytes names them)"], 1)
        }
    }
}

extension ImageDifferences.Field {
    /// `partition 2: label: writable -> rootfs`.
    var line: String {
        let name = [object, field].filter { !$0.isEmpty }.joined(separator: ": ")
        return "\(name): \(Self.change(old, new))"
    }

    static func change(_ old: String?, _ new: String?) -> String {
        switch (old, new) {
        case (let old?, let new?): "\(old) -> \(new)"
        case (let old?, nil): "\(old) removed"
        case (nil, let new?): "\(new) added"
        case (nil, nil): ""
        }
    }
}

extension ImageDifferences.FileChange {
    /// The change, then the lines of the texts.
    var lines: [String] {
        let path = printable(path)
        switch change {
        case .added: return ["+ \(path) (\(fields.first?.new ?? ""))"]
        case .removed: return ["- \(path) (\(fields.first?.old ?? ""))"]
        case .changed:
            let changes = fields.map { $0.field == "content" ? "content" : $0.line }.joined(separator: ", ")
            return ["! \(path): \(changes)"] + (text ?? []).map { "    " + $0 }
        }
    }
}

extension ImageDifferences.ByteChange {
    var lines: [String] {
        let place = partition.map { "partition \($0): " } ?? ""
        let count = sectors == 1 ? "1 sector" : "\(sectors) sectors"
        return ["\(place)\(object): \(count), from byte \(offset) on"] + fields.map { "    " + $0.line }
    }
}
