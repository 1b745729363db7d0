/// Reads a secret as somebody has stored it: a byte order mark at its start and one line end behind it are the editor's, not the secret's;
/// any other control character would be typed by nobody, and is refused.
///
/// - Parameters:
///   - place: what needs the secret.
///   - source: where it was stored, for the error; the secret itself is never shown.
/// - Throws: `Failure` of kind `.usage` for an empty secret, one with a control character or of several lines, and what is not UTF-8.
package func secretText(_ bytes: some Sequence<UInt8>, at place: String, from source: String) throws -> String {
    guard let stored = String(validating: Array(bytes), as: UTF8.self) else {
        throw Failure(.usage, at: place, "\(source) is not UTF-8 text", expected: "one line with the secret")
    }
    // By scalars: "\r\n" is one character, and a mark may join with what follows it.
    var scalars = Array(stored.unicodeScalars)
    if scalars.first == "\u{feff}" { scalars.removeFirst() }
    if scalars.last == "\n" { scalars.removeLast() }
    if scalars.last == "\r" { scalars.removeLast() }
    guard !scalars.isEmpty else {
        throw Failure(.usage, at: place, "\(source) is empty", expected: "one line with the secret")
    }
    if let index = scalars.firstIndex(where: { $0.properties.generalCategory == .control || $0 == "\u{feff}" }) {
        let code = String(scalars[index].value, radix: 16, uppercase: true)
        let padded = String(repeating: "0", count: max(0, 4 - code.count)) + code
        let name = scalars[index] == "\n" ? "a line end" : "U+\(padded)"
        throw Failure(
            .usage, at: place, "\(source) has an invisible character in the secret",
            expected: "one line of visible characters and blanks", found: "\(name) as character \(index + 1)",
            next: "write it again with an editor that shows them, or with printf '%s' SECRET > FILE")
    }
    var text = ""
    text.unicodeScalars.append(contentsOf: scalars)
    return text
}
