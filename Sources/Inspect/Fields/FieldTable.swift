import Diagnostics

/// The fields of a structure on the disk, by their places.
struct FieldTable {
    enum Form {
        /// A little-endian number.
        case number
        /// The same, in hexadecimal.
        case hex
        /// Text that zeros or spaces fill.
        case text
        /// Bytes that are shown as they are.
        case bytes
        /// Bytes of which it is said only that they differ.
        case blob
    }

    struct Entry {
        var name: String
        var offset: Int
        var size: Int
        var form: Form
        /// A checksum of the rest: not worth a word where anything else differs.
        var isSum: Bool

        init(_ name: String, _ offset: Int, _ size: Int, _ form: Form = .number, isSum: Bool = false) {
            self.name = name
            self.offset = offset
            self.size = size
            self.form = form
            self.isSum = isSum
        }
    }

    let entries: [Entry]

    init(_ entries: [Entry]) { self.entries = entries }

    /// The fields whose bytes differ. Bytes that no field has are `unused bytes`.
    ///
    /// - Parameter old: as long as `new`.
    func differences(_ old: [UInt8], _ new: [UInt8]) -> [ImageDifferences.Field] {
        let count = min(old.count, new.count)
        var covered = [Bool](repeating: false, count: count)
        var found: [(entry: Entry, field: ImageDifferences.Field)] = []
        for entry in entries where entry.offset < count {
            let range = entry.offset..<min(count, entry.offset + entry.size)
            for index in range { covered[index] = true }
            guard old[range] != new[range] else { continue }
            found.append(
                (
                    entry,
                    ImageDifferences.Field(
                        object: "", field: entry.name, old: entry.text(of: old[range]), new: entry.text(of: new[range]))
                ))
        }
        let unused = (0..<count).filter { !covered[$0] && old[$0] != new[$0] }
        var fields = found.filter { !$0.entry.isSum }.map(\.field)
        if !unused.isEmpty {
            fields.append(
                ImageDifferences.Field(
                    object: "", field: "unused bytes", old: "0x" + old[unused[0]].hex(digits: 2),
                    new: "0x" + new[unused[0]].hex(digits: 2)))
        }
        return fields.isEmpty ? found.map(\.field) : fields
    }

    /// Whether a field is a checksum of the rest.
    func isSum(_ name: String) -> Bool { entries.contains { $0.name == name && $0.isSum } }

    /// A field's value as text; nil where the bytes end before it.
    func text(of name: String, in bytes: [UInt8]) -> String? {
        guard let entry = entries.first(where: { $0.name == name }), entry.offset + entry.size <= bytes.count else {
            return nil
        }
        return entry.text(of: bytes[entry.offset..<entry.offset + entry.size])
    }

    /// A field's value as a number, of at most 8 bytes; 0 where the bytes end before it.
    func number(_ name: String, in bytes: [UInt8]) -> UInt64 {
        guard let entry = entries.first(where: { $0.name == name }), entry.offset + entry.size <= bytes.count else {
            return 0
        }
        return bytes[entry.offset..<entry.offset + min(8, entry.size)].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension FieldTable.Entry {
    func text(of bytes: ArraySlice<UInt8>) -> String {
        switch form {
        case .number: return String(value(bytes))
        case .hex: return "0x" + value(bytes).hex(digits: 2 * size)
        case .text:
            let text = bytes.prefix { $0 != 0 }
            return printable(text.reversed().drop { $0 == UInt8(ascii: " ") }.reversed())
        case .bytes: return bytes.hex()
        case .blob: return "\(bytes.count) bytes"
        }
    }

    private func value(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}

extension FieldTable {
    /// UEFI specification 2.10, section 5.2.1. The partitions' entries are told as fields of the partitions.
    static let masterBootRecord = FieldTable(
        [Entry("boot code", 0, 440, .blob), Entry("signature", 440, 4, .hex), Entry("reserved", 444, 2, .hex)]
            + (1...4).flatMap { number in
                let start = 446 + 16 * (number - 1)
                return [
                    Entry("partition \(number): active", start, 1, .hex),
                    Entry("partition \(number): first CHS address", start + 1, 3, .bytes),
                    Entry("partition \(number): type", start + 4, 1, .hex),
                    Entry("partition \(number): last CHS address", start + 5, 3, .bytes),
                    Entry("partition \(number): first sector", start + 8, 4),
                    Entry("partition \(number): sectors", start + 12, 4),
                ]
            })
}
