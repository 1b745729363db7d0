import Digests
import Steps

/// A step as the plan knows it: what it is called, what shapes its result, and the key its result has in the cache.
public struct PlannedStep: Sendable, Equatable {
    public let name: String
    /// One line for a person.
    public let summary: String
    /// All that shapes the result besides the steps below.
    public let inputs: [StepInput]
    /// The names of the steps whose results it starts from.
    public let below: [String]
    /// The digest of all that shapes the result, the steps below included.
    public let key: SHA256Digest
}

/// The steps of a build in order, each with its key. A pure value: the recipe, the lock and the inputs' digests give it,
/// and nothing has run. `plan` prints it, `build` runs it, the cache looks it up.
public struct Plan: Sendable, Equatable {
    public private(set) var steps: [PlannedStep] = []

    /// The version of what piforge makes of the same inputs; raised when any step's result changes.
    public static let formatVersion = 1

    private let formatVersion: Int

    /// - Parameter formatVersion: of what piforge makes of the same inputs.
    public init(formatVersion: Int = Plan.formatVersion) { self.formatVersion = formatVersion }

    /// The key of the whole: that of the last step.
    public var key: SHA256Digest { steps.last?.key ?? .of("empty plan") }

    public subscript(_ name: String) -> PlannedStep? { steps.first { $0.name == name } }

    /// Adds a step that starts from the results of steps that are already in the plan.
    ///
    /// - Returns: its key.
    @discardableResult
    public mutating func add(
        _ name: String, summary: String, inputs: [StepInput], below: [String] = []
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
            name: name, summary: summary, inputs: inputs, below: below, key: hasher.finalize())
        steps.append(step)
        return step.key
    }
}
