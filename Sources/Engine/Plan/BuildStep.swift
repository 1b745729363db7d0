import Layers
import Steps

/// A step as the list of a build's steps has it: what it is called, what shapes its result, and what it starts from. How the result is made
/// is the step's own affair; each has its own kind of result.
protocol BuildStep: Sendable {
    /// Lower case, a word or two.
    var name: String { get }
    /// One line for a person.
    var summary: String { get }
    /// All that shapes the result besides the results of the steps below.
    var inputs: [StepInput] { get }
    /// The names of the steps whose results it starts from; those that the list does not have do not count.
    var below: [String] { get }
    /// The names of the steps whose trees its result is put on, where its key does not hang on them.
    var onto: [String] { get }
    /// Whether its result is kept in the store; otherwise each build makes it.
    var isKept: Bool { get }
}

extension BuildStep {
    var onto: [String] { [] }
}

extension Plan {
    /// The plan of a list of steps.
    init(_ steps: [any BuildStep], formatVersion: Int) {
        self.init(formatVersion: formatVersion)
        for step in steps {
            add(
                step.name, kept: step.isKept, summary: step.summary, inputs: step.inputs, below: step.below,
                onto: step.onto)
        }
    }
}
