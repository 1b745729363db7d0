import Diagnostics

/// What one option of a kernel's configuration is set to.
package enum KernelOptionValue: Sendable, Hashable, CustomStringConvertible {
    case yes
    case module
    /// `# CONFIG_X is not set`, or not there at all.
    case notSet
    /// A string, without its quotes and escapes.
    case text(String)
    /// A number as it is written: `14`, `-1`, `0x80000`.
    case number(String)

    /// Reads what stands behind an option's equals sign (Linux, Documentation/kbuild/kconfig-language.rst, the types of symbols).
    ///
    /// - Returns: nil when it is no value.
    init?(_ written: Substring) {
        switch written {
        case "y": self = .yes
        case "m": self = .module
        case "n": self = .notSet
        case _ where written.first == "\"":
            guard let text = Self.unquote(written) else { return nil }
            self = .text(text)
        default:
            guard Self.isNumber(written) else { return nil }
            self = .number(String(written))
        }
    }

    private static func isNumber(_ text: Substring) -> Bool {
        if text.hasPrefix("0x") || text.hasPrefix("0X") {
            return text.count > 2 && text.dropFirst(2).allSatisfy { $0.isASCII && $0.isHexDigit }
        }
        let digits = text.first == "-" ? text.dropFirst() : text
        return !digits.isEmpty && digits.allSatisfy { $0.isASCII && $0.isNumber }
    }

    /// kconfig puts a backslash before quotes and backslashes of a string.
    private static func unquote(_ written: Substring) -> String? {
        var text = ""
        var rest = written.dropFirst()
        while let character = rest.popFirst() {
            switch character {
            case "\"": return rest.isEmpty ? text : nil
            case "\\":
                guard let next = rest.popFirst() else { return nil }
                text.append(next)
            default: text.append(character)
            }
        }
        return nil
    }

    /// As a `.config` has it: `y`, `m`, `"text"`, `14`; `n` for what is not set.
    package var description: String {
        switch self {
        case .yes: return "y"
        case .module: return "m"
        case .notSet: return "n"
        case .number(let digits): return digits
        case .text(let text):
            let escaped = text.map { $0 == "\"" || $0 == "\\" ? "\\\($0)" : String($0) }.joined()
            return "\"\(escaped)\""
        }
    }
}

/// The configuration that a kernel was built with: a `.config`, or Debian's `/boot/config-RELEASE`.
///
///     CONFIG_X=y | CONFIG_X=m | CONFIG_X="text" | CONFIG_X=14 | # CONFIG_X is not set | # a comment
package struct KernelConfig: Sendable, Equatable {
    /// Bytes; Debian's have some 300 KB.
    package static let largest = 4 << 20

    /// By the option's name, `CONFIG_` included.
    private let values: [String: KernelOptionValue]

    /// - Parameter place: the file's path, for errors.
    /// - Throws: `Failure` at `place:line` for a line that is none of a `.config`, and for an option that is there twice;
    ///   `Failure` at `place` when there are more than 4 MiB, no text, or no option.
    package init(_ bytes: [UInt8], at place: String) throws {
        guard bytes.count <= Self.largest else {
            throw Failure(
                at: place, "the kernel configuration is too large", expected: "at most \(Self.largest) bytes",
                found: "\(bytes.count)")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(at: place, "the kernel configuration is not UTF-8 text")
        }
        var values: [String: KernelOptionValue] = [:]
        for (index, line) in text.splitLines(keepingEmpty: true).enumerated() {
            guard let (option, written) = try Self.setting(line, at: "\(place):\(index + 1)") else { continue }
            guard values.updateValue(written, forKey: option) == nil else {
                throw Failure(at: "\(place):\(index + 1)", "\(option) is there twice")
            }
        }
        guard !values.isEmpty else {
            throw Failure(at: place, "this is no kernel configuration: it has no option", expected: "lines CONFIG_X=y")
        }
        self.values = values
    }

    private static func setting(_ line: Substring, at place: String) throws -> (String, KernelOptionValue)? {
        if line.first == "#" { return notSet(line).map { ($0, .notSet) } }
        if line.allSatisfy(\.isWhitespace) { return nil }
        guard let equals = line.firstIndex(of: "="), isOption(line[..<equals]),
            let value = KernelOptionValue(line[line.index(after: equals)...])
        else {
            throw Failure(
                at: place, "this is not a line of a kernel configuration", expected: "CONFIG_X=VALUE",
                found: String(line.prefix(100)))
        }
        return (String(line[..<equals]), value)
    }

    /// The option that a line `# CONFIG_X is not set` names; nil for any other comment.
    static func notSet(_ line: Substring) -> String? {
        guard line.hasPrefix("# "), line.hasSuffix(" is not set") else { return nil }
        let option = line.dropFirst(2).dropLast(" is not set".count)
        return isOption(option) ? String(option) : nil
    }

    /// `CONFIG_` and letters, digits and underscores.
    static func isOption(_ text: Substring) -> Bool {
        text.hasPrefix("CONFIG_") && text.utf8.count > 7
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                    true
                default: false
                }
            }
    }

    /// How many options the file names, set or not.
    package var count: Int { values.count }

    /// The options that the file names, set or not, sorted.
    package var options: [String] { values.keys.sorted() }

    /// An option's value, such as of `CONFIG_KVM`.
    package subscript(option: String) -> KernelOptionValue { values[option] ?? .notSet }
}
