import Diagnostics

/// One paragraph of a control file (deb822(5)): a package's control, an entry of a Packages file or of dpkg's status.
package struct ControlParagraph: Sendable, Hashable {
    /// One field. The value is the first line without the white space around it, then the continuation lines as they
    /// stand (each with the white space it begins with), joined by newlines.
    package struct Field: Sendable, Hashable {
        /// As it was written: letters of both cases are kept, and count as one where a field is looked up.
        package var name: String
        /// The first line, and behind a newline each continuation line with the white space that it begins with; may be empty.
        package var value: String

        package init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// In the order they were written.
    package var fields: [Field]

    package init(fields: [Field] = []) { self.fields = fields }

    /// The value of the field of this name, in whatever case; nil when there is none.
    package subscript(_ name: String) -> String? {
        let name = name.lowercased()
        return fields.first { $0.name.lowercased() == name }?.value
    }

    /// The value of a field that must be there and not empty.
    ///
    /// - Throws: `Failure` at `place`.
    package func required(_ name: String, place: String) throws -> String {
        guard let value = self[name], !value.isEmpty else { throw Failure(at: place, "the field \(name) is missing") }
        return value
    }

    /// The paragraph as text, without the empty line that ends it.
    package var text: String {
        fields.map { field in
            field.value.isEmpty || field.value.hasPrefix("\n")
                ? "\(field.name):\(field.value)\n" : "\(field.name): \(field.value)\n"
        }.joined()
    }

    /// Parses paragraphs, which empty lines keep apart.
    ///
    /// - Parameter place: the file, for errors, which add the line.
    /// - Throws: `Failure` for a line that is neither a field nor the continuation of one, and for a field given twice.
    package static func parse(_ bytes: [UInt8], place: String) throws -> [ControlParagraph] {
        var paragraphs: [ControlParagraph] = []
        var fields: [Field] = []
        var names: Set<String> = []
        var name: String?
        var value: [UInt8] = []
        func close() {
            if let name { fields.append(Field(name, String(decoding: value, as: UTF8.self))) }
            name = nil
        }
        func finish() {
            close()
            if !fields.isEmpty { paragraphs.append(ControlParagraph(fields: fields)) }
            fields = []
            names = []
        }
        let newline = UInt8(ascii: "\n")
        for (number, line) in bytes.split(separator: newline, omittingEmptySubsequences: false).enumerated() {
            let place = "\(place):\(number + 1)"
            guard let first = line.first, !line.allSatisfy(isBlank) else {
                finish()
                continue
            }
            if isBlank(first) {
                guard name != nil else {
                    throw Failure(at: place, "a continuation line stands where a field must begin")
                }
                var line = line
                while let last = line.last, isBlank(last) { line.removeLast() }
                value += [newline] + line
                continue
            }
            close()
            guard let colon = line.firstIndex(of: UInt8(ascii: ":")), colon > line.startIndex,
                first != UInt8(ascii: "-"),
                first != UInt8(ascii: "#"), line[..<colon].allSatisfy({ $0 > 32 && $0 < 127 })
            else { throw Failure(at: place, "the line is not a field", expected: "Name: value") }
            let found = String(decoding: line[..<colon], as: UTF8.self)
            guard names.insert(found.lowercased()).inserted else {
                throw Failure(at: place, "the field \(found) is given twice")
            }
            name = found
            value = Array(trim(line[(colon + 1)...]))
        }
        finish()
        return paragraphs
    }

    private static func isBlank(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }

    private static func trim(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var line = line.drop(while: isBlank)
        while let last = line.last, isBlank(last) { line.removeLast() }
        return line
    }
}
