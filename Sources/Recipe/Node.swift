/// A node of a recipe, with the place it was written at. No file beside `YAMLReader.swift` sees the YAML library.
struct Node: Sendable {
    indirect enum Value: Sendable {
        /// A scalar's text. `plain` says that it stood there without quotes, so that `null` and `true` have their meaning.
        case scalar(String, plain: Bool)
        case list([Node])
        case map([Pair])
    }

    struct Pair: Sendable {
        var key: String
        var keyPlace: Place
        var value: Node
    }

    var value: Value
    var place: Place

    /// Where a node was written: a line of the recipe, an override of the command line, or a line of another file.
    enum Place: Sendable, Equatable {
        case line(Int)
        case override(String)
        /// `devices.yaml:7`.
        case elsewhere(String)

        /// For sorting a report: the file's mistakes first, by line.
        var order: Int {
            switch self {
            case .line(let line): line
            case .override, .elsewhere: Int.max
            }
        }

        func text(in file: String) -> String {
            switch self {
            case .line(let line): "\(file):\(line)"
            case .override(let text): "--set \(text)"
            case .elsewhere(let text): text
            }
        }
    }

    /// Whether the node has no value: nothing after the colon, `~` or `null`.
    var isNull: Bool {
        if case .scalar(let text, plain: true) = value { return ["", "~", "null", "Null", "NULL"].contains(text) }
        return false
    }

    /// What the node is, for "expected a list, found …".
    var kind: String {
        switch value {
        case .scalar: isNull ? "nothing" : "a single value"
        case .list: "a list"
        case .map: "a mapping (key: value)"
        }
    }

    subscript(key: String) -> Node? {
        guard case .map(let pairs) = value else { return nil }
        return pairs.first { $0.key == key }?.value
    }
}

/// One step of the way from a recipe's root to a value.
enum PathStep: Sendable, Equatable {
    case key(String)
    case index(Int)
}

extension [PathStep] {
    /// The path as messages and `--set` write it: `accounts.users[0].name`.
    var text: String {
        reduce(into: "") { text, step in
            switch step {
            case .key(let key): text += (text.isEmpty ? "" : ".") + key
            case .index(let index): text += "[\(index)]"
            }
        }
    }

    /// Whether `other` is this path or lies below it, or above it.
    func overlaps(_ other: [PathStep]) -> Bool {
        zip(self, other).allSatisfy { $0 == $1 }
    }

    /// Parses `accounts.users[0].name`; nil for anything that is not such a path.
    init?(parsing text: some StringProtocol) {
        var steps: [PathStep] = []
        for part in text.split(separator: ".", omittingEmptySubsequences: false) {
            let pieces = part.split(separator: "[", omittingEmptySubsequences: false)
            guard let key = pieces.first, !key.isEmpty,
                key.utf8.allSatisfy({ $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: "-") || isAlphanumeric($0) })
            else { return nil }
            steps.append(.key(String(key)))
            for piece in pieces.dropFirst() {
                guard piece.last == "]", let index = Int(piece.dropLast()), index >= 0 else { return nil }
                steps.append(.index(index))
            }
        }
        self = steps
    }
}

private func isAlphanumeric(_ byte: UInt8) -> Bool {
    (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
        || (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte | 0x20)
}
