/// The top of a flattened device tree: the root's children and their properties. Deeper nodes are passed over.
///
/// Source: Devicetree Specification 0.4, chapter 5 (header, structure block, strings block).
struct FlattenedDeviceTree {
    /// Properties' values by their names, by the name of the node that has them.
    private(set) var nodes: [String: [String: [UInt8]]] = [:]

    private enum Token {
        static let beginNode: UInt32 = 1
        static let endNode: UInt32 = 2
        static let property: UInt32 = 3
        static let nop: UInt32 = 4
        static let end: UInt32 = 9
    }

    static let magic: [UInt8] = [0xd0, 0x0d, 0xfe, 0xed]
    /// The largest of the boards' own is 55 KB.
    private static let largest = 4 << 20

    /// - Returns: nil for what is no device tree, or a damaged one.
    init?(_ bytes: [UInt8]) {
        guard bytes.count <= Self.largest, bytes.starts(with: Self.magic), let structure = Self.word(bytes, 8),
            let strings = Self.word(bytes, 12)
        else { return nil }
        var position = Int(structure)
        var node = ""
        var depth = 0
        while let token = Self.word(bytes, position) {
            position += 4
            switch token {
            case Token.beginNode:
                guard let name = Self.text(bytes, position) else { return nil }
                position = Self.aligned(position + name.utf8.count + 1)
                depth += 1
                if depth == 2 {
                    node = name
                    nodes[name] = nodes[name] ?? [:]
                }
            case Token.endNode:
                depth -= 1
                guard depth >= 0 else { return nil }
            case Token.property:
                guard let size = Self.word(bytes, position), let offset = Self.word(bytes, position + 4),
                    bytes.count - position - 8 >= Int(size),
                    let name = Self.text(bytes, Int(strings) + Int(offset))
                else { return nil }
                if depth == 2 {
                    nodes[node]?[name] = Array(bytes[(position + 8)..<(position + 8 + Int(size))])
                }
                position = Self.aligned(position + 8 + Int(size))
            case Token.nop: break
            case Token.end: return
            default: return nil
            }
        }
        return nil
    }

    /// A property's value as text; nil when it is none, or empty.
    static func string(_ value: [UInt8]) -> String? {
        let text = value.last == 0 ? value.dropLast() : value[...]
        return text.isEmpty ? nil : String(validating: text, as: UTF8.self)
    }

    private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt32? {
        guard offset >= 0, bytes.count - offset >= 4 else { return nil }
        return bytes[offset..<(offset + 4)].reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// The text up to the next zero byte; nil when there is none, or the text is too long for a name (31 characters; the strings of
    /// `__symbols__` and `__overrides__` are longer).
    private static func text(_ bytes: [UInt8], _ offset: Int) -> String? {
        guard offset >= 0, offset < bytes.count, let end = bytes[offset...].prefix(256).firstIndex(of: 0) else {
            return nil
        }
        return String(validating: bytes[offset..<end], as: UTF8.self)
    }

    private static func aligned(_ offset: Int) -> Int { (offset + 3) & ~3 }
}
