import Digests
import Steps

/// A step as the plan knows it: what it is called, what shapes its result, and the key its result has in the cache.
package struct PlannedStep: Sendable, Equatable {
    /// What other steps name in ``below`` and ``onto``.
    package let name: String
    /// One line for a person.
    package let summary: String
    /// All that shapes the result besides the steps below.
    package let inputs: [StepInput]
    /// The names of the steps whose results it starts from.
    package let below: [String]
    /// Whether its result is kept in the store; otherwise each build makes it.
    package let isKept: Bool
    /// The names of the steps whose trees it is put on, where its key does not hang on them.
    package let onto: [String]
    /// The digest of all that shapes the result, the steps below included.
    package let key: SHA256Digest
}

/// The steps of a build in order, each with its key. A pure value: the recipe, the lock and the inputs' digests give it,
/// and nothing has run. `plan` prints it, `build` runs it, the cache looks it up.
package struct Plan: Sendable, Equatable {
    /// In the order in which they were added: each behind those that it starts from.
    package private(set) var steps: [PlannedStep] = []

    /// The version of what piforge makes of the same inputs; raised when any step's result changes.
    package static let formatVersion = 1

    private let formatVersion: Int

    /// - Parameter formatVersion: of what piforge makes of the same inputs.
    package init(formatVersion: Int = Plan.formatVersion) { self.formatVersion = formatVersion }

    /// The key of the whole: that of the last step.
    package var key: SHA256Digest { steps.last?.key ?? .of("empty plan") }

    /// The step of this name; nil for none.
    package subscript(_ name: String) -> PlannedStep? { steps.first { $0.name == name } }

    /// Adds a step that starts from the results of steps that are already in the plan.
    ///
    /// - Returns: its key.
    @discardableResult
    package mutating func add(
        _ name: String, kept: Bool = false, summary: String, inputs: [StepInput], below: [String] = [],
        onto: [String] = []
    ) -> SHA256Digest {
        let hasher = KeyHasher(purpose: "plan step")
        hasher.add(formatVersion)
        hasher.add(name)
        for input in inputs {
            hasher.add(input.name)
            hasher.add(input.value)
        }
        for step in steps where below.contains(step.name) { hasher.add(step.key) }
        let step = PlannedStep(
            name: name, summary: summary, inputs: inputs, below: below, isKept: kept, onto: onto, key: hasher.finalize()
        )
        steps.append(step)
        return step.key
    }

    /// The steps as a graph in the DOT language (graphviz.org, "DOT Language"), an arrow from each result to the step that starts from it.
    ///
    /// - Parameter label: what a step's box says besides its name; nil for nothing.
    package func graph(label: (PlannedStep) -> String?) -> String {
        func quoted(_ text: String) -> String {
            "\"\(text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\""))\""
        }
        let names = Set(steps.map(\.name))
        var lines = ["digraph plan {", "  rankdir=LR; node [shape=box];"]
        for step in steps {
            let text = [step.name, label(step)].compactMap(\.self).map { $0.replacing("\n", with: " ") }
            // A line break inside of a label is written as backslash and n.
            let box = text.map { String(quoted($0).dropFirst().dropLast()) }.joined(separator: "\\n")
            lines.append("  \(quoted(step.name)) [label=\"\(box)\"];")
            for below in step.below + step.onto where names.contains(below) {
                lines.append("  \(quoted(below)) -> \(quoted(step.name));")
            }
        }
        return (lines + ["}"]).map { $0 + "\n" }.joined()
    }
}
