/// An error a person can act on: where it happened, what was found, what was expected, and the next command to try.
///
/// Every error that leaves piforge has this one shape. The message is lower case and carries the offending value;
/// `place` is a recipe's `file:line`, a package, a path, a URL, or the name of a step.
package struct Failure: Error, Sendable, Equatable {
    /// What kind of end the error makes of a run; it decides the exit code.
    package enum Kind: Sendable, Equatable {
        /// The command line or the recipe is wrong: exit code 2.
        case usage
        /// The build or a check failed: exit code 1.
        case failed
    }

    /// Decides ``exitCode``; it is not in the text.
    package var kind: Kind
    /// Where: `recipes/x.yaml:14`, `docker.io_26.1.5_arm64.deb`, a URL, a step.
    package var place: String
    /// What is wrong, in one sentence without a full stop.
    package var message: String
    /// What should have been there, when that is not plain from the message.
    package var expected: String?
    /// What was there instead.
    package var found: String?
    /// The next command to try, or what to change.
    package var next: String?
    /// Why, where code goes another way for it.
    package var cause: Cause?

    package init(
        _ kind: Kind = .failed, at place: String, _ message: String, expected: String? = nil, found: String? = nil,
        next: String? = nil
    ) {
        self.kind = kind
        self.place = place
        self.message = message
        self.expected = expected
        self.found = found
        self.next = next
    }

    /// The process's exit code for this error: 1 or 2.
    package var exitCode: Int32 { kind == .usage ? 2 : 1 }
}

extension Failure: CustomStringConvertible {
    /// `place: message`, then one indented line each for what was expected, found, and to do next. Each part is fit for a terminal: no
    /// more than 2000 characters, and control characters escaped, but for line feeds and tabs.
    package var description: String {
        var lines = ["\(shown(place)): \(shown(message))"]
        if let expected { lines.append("  expected: \(shown(expected))") }
        if let found { lines.append("  found:    \(found.isEmpty ? "nothing" : shown(found))") }
        if let next { lines.append("  next:     \(shown(next))") }
        return lines.joined(separator: "\n")
    }

    private func shown(_ text: String) -> String {
        let limit = 2000
        return text.utf8.count <= limit ? text.escapingControls : String(text.prefix(limit)).escapingControls + "…"
    }
}

extension String {
    /// The text with control characters, and those that change the direction of text, as `\u{…}`; line feeds and tabs stay.
    package var escapingControls: String {
        func isControl(_ scalar: Unicode.Scalar) -> Bool {
            switch scalar.properties.generalCategory {
            case .control: scalar != "\n" && scalar != "\t"
            // U+200D joins the parts of an emoji.
            case .format: scalar.value != 0x200d
            default: false
            }
        }
        guard unicodeScalars.contains(where: isControl) else { return self }
        return unicodeScalars.reduce(into: "") { text, scalar in
            if isControl(scalar) {
                text += "\\u{\(String(scalar.value, radix: 16))}"
            } else {
                text.unicodeScalars.append(scalar)
            }
        }
    }
}

/// Several failures that were found together, such as all the mistakes of one recipe.
package struct FailureList: Error, Sendable, CustomStringConvertible {
    /// At least one, in the order in which they are told.
    package let failures: [Failure]

    /// - Parameter failures: at least one.
    package init(_ failures: [Failure]) { self.failures = failures }

    /// The process's exit code: 1 where one of them is of kind ``Failure/Kind/failed``, else 2.
    package var exitCode: Int32 { failures.contains { $0.kind == .failed } ? 1 : 2 }
    package var description: String { failures.map(\.description).joined(separator: "\n") }
}
