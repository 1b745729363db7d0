/// One way through the steps of a build, in their order: to look which results are in the store, or to make those that are not.
///
/// `piforge plan` looks and `piforge build` makes, and both go the same way: what a look finds missing is what a build makes.
struct Walk {
    enum Purpose {
        /// Ends at the first result that is not there: the keys of what follows hang on it (``Missing``).
        case look
        /// Goes on to the end.
        case make
    }

    /// What became of a step.
    enum Outcome: Equatable {
        /// Its result is in the store.
        case stored
        /// It is made, or in a look: has to be.
        case made
    }

    /// A result that a look does not find.
    struct Missing: Error {
        var step: String
    }

    let purpose: Purpose
    private(set) var outcomes: [String: Outcome] = [:]

    init(_ purpose: Purpose) { self.purpose = purpose }

    /// The result of a step, or of a part of it.
    ///
    /// - Parameters:
    ///   - step: its name in the plan.
    ///   - stored: what the store has under the result's key.
    /// - Throws: `Missing` in a look that finds nothing; what `make` throws.
    mutating func result<Value>(
        of step: String, stored: Value?, make: () async throws -> Value
    ) async throws -> Value {
        note(step, stored == nil ? .made : .stored)
        if let stored { return stored }
        guard purpose == .make else { throw Missing(step: step) }
        return try await make()
    }

    /// Ends a look where one of these steps has to be made.
    ///
    /// - Throws: `Missing` with the first of them.
    func require(_ steps: [String]) throws {
        guard purpose == .look, let step = steps.first(where: { outcomes[$0] == .made }) else { return }
        throw Missing(step: step)
    }

    /// Takes what became of a step whose parts are elsewhere. A step is made as soon as a part of it is.
    mutating func note(_ step: String, _ outcome: Outcome) {
        if outcomes[step] != .made { outcomes[step] = outcome }
    }
}
