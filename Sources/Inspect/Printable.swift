/// Bytes of an image as text that a terminal shows and does not obey: what is no printable character of UTF-8 becomes
/// `\ooo` (octal, byte by byte), tab and newline `\t` and `\n`, a backslash two.
///
/// - Parameter keeping: scalars that are left as they are.
package func printable(_ bytes: some Collection<UInt8>, keeping: Set<Unicode.Scalar> = []) -> String {
    var text = ""
    var rest = Array(bytes)[...]
    var parser = Unicode.UTF8.ForwardParser()
    var iterator = rest.makeIterator()
    while true {
        switch parser.parseScalar(from: &iterator) {
        case .emptyInput: return text
        case .error(let length):
            for byte in rest.prefix(length) { text += octal(byte) }
            rest = rest.dropFirst(length)
        case .valid(let encoded):
            let scalar = Unicode.UTF8.decode(encoded)
            if keeping.contains(scalar) {
                text.unicodeScalars.append(scalar)
            } else if scalar == "\\" {
                text += "\\\\"
            } else if scalar == "\n" {
                text += "\\n"
            } else if scalar == "\t" {
                text += "\\t"
            } else if isPrintable(scalar) {
                text.unicodeScalars.append(scalar)
            } else {
                for byte in rest.prefix(encoded.count) { text += octal(byte) }
            }
            rest = rest.dropFirst(encoded.count)
        }
    }
}

/// As ``printable(_:keeping:)-(Collection<UInt8>,_)``.
package func printable(_ text: String) -> String { printable(text.utf8) }

/// Controls, and what changes the direction or the line of text, are not.
private func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
    default: true
    }
}

private func octal(_ byte: UInt8) -> String {
    let digits = String(byte, radix: 8)
    return "\\" + String(repeating: "0", count: 3 - digits.count) + digits
}

/// A name for JSON: exact where it is UTF-8, as ``printable(_:keeping:)`` where it is not.
func exactText(_ bytes: some Collection<UInt8>) -> String {
    String(validating: bytes, as: UTF8.self) ?? printable(bytes)
}
