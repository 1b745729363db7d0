import Diagnostics
import Kernel

/// What came of configuring a kernel.
package struct KernelConfigReport: Sendable, Codable {
    /// An answer to `--why`.
    package struct Answer: Sendable, Codable {
        /// Such as `CONFIG_KVM`.
        package var option: String
        /// As a configuration has it: `y`, `m`, a number, a string in quotes; `n` for what is not set.
        package var value: String
        /// Why it has that value, one reason each: first the fragments' lines that ask for one.
        package var reasons: [String]
        /// What to add to a fragment; nil when nothing is known to help.
        package var next: String?
        /// Where the symbol is defined: `file:line` of the source.
        package var defined: [String]
    }

    /// The committed configuration.
    package var file: String
    /// Such as `linux-source-6.12 6.12.48-1`.
    package var source: String
    /// The version of Linux: `6.12.48`.
    package var version: String
    /// `gcc 12.2.0, binutils 2.40`.
    package var toolchain: String
    /// How many options are `y`, and how many `m`.
    package var builtIn: Int
    /// How many options are `m`.
    package var modules: Int
    /// How many of the fragments' lines were asked of this version.
    package var lines: Int
    /// What differs from the committed configuration; nil where there is none.
    package var changes: ConfigChanges?
    /// Whether the file was written.
    package var wrote: Bool
    /// What a person should know: another compiler than the committed configuration's.
    package var note: String?
    /// One for each symbol that was asked about.
    package var answers: [Answer]
    /// Why the run fails; empty when it does not.
    package var problems: [String]

    /// The errors behind ``problems``.
    package var failures: [Failure] = []

    private enum CodingKeys: CodingKey {
        case file, source, version, toolchain, builtIn, modules, lines, changes, wrote, note, answers, problems
    }

    /// For a person.
    package var text: String {
        var text =
            "\(source): Linux \(version), \(toolchain): \(builtIn) built in, \(modules) modules; \(lines) lines of fragments\n"
        if let changes {
            let count = changes.count
            text +=
                count == 0
                ? "\(file): no option differs\n" : "\(file): \(count) option\(count == 1 ? " differs" : "s differ")\n"
            text += changes.text(limit: 30)
        } else {
            text += "\(file): not there yet\n"
        }
        if let note { text += "note: \(note)\n" }
        for answer in answers {
            text += "\(answer.option) is \(answer.value): \(answer.reasons.joined(separator: "; "))\n"
            if let next = answer.next { text += "  next:     \(next)\n" }
            if !answer.defined.isEmpty { text += "  defined:  \(answer.defined.joined(separator: ", "))\n" }
        }
        if wrote { text += "wrote \(file)\n" }
        return text
    }
}
