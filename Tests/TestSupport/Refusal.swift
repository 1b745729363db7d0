import Diagnostics
import Testing

/// The failure that a body throws, the first of several; nil, and a fault of the test, where it throws none.
package func failure(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> some Any
) -> Failure? {
    do { _ = try body() } catch { return first(of: error, sourceLocation) }
    Issue.record("no error was thrown", sourceLocation: sourceLocation)
    return nil
}

/// The failure that a body throws, the first of several; nil, and a fault of the test, where it throws none.
package func failure(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> some Any
) async -> Failure? {
    do { _ = try await body() } catch { return first(of: error, sourceLocation) }
    Issue.record("no error was thrown", sourceLocation: sourceLocation)
    return nil
}

/// What a person reads when a body refuses, all failures of it; nil, and a fault of the test, where it does not.
package func refusal(sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> some Any) -> String? {
    do { _ = try body() } catch { return "\(error)" }
    Issue.record("nothing was refused", sourceLocation: sourceLocation)
    return nil
}

/// What a person reads when a body refuses, all failures of it; nil, and a fault of the test, where it does not.
package func refusal(
    sourceLocation: SourceLocation = #_sourceLocation, _ body: () async throws -> some Any
) async -> String? {
    do { _ = try await body() } catch { return "\(error)" }
    Issue.record("nothing was refused", sourceLocation: sourceLocation)
    return nil
}

private func first(of error: any Error, _ sourceLocation: SourceLocation) -> Failure? {
    switch error {
    case let failure as Failure: return failure
    case let list as FailureList: return list.failures.first
    default:
        Issue.record(error, sourceLocation: sourceLocation)
        return nil
    }
}

extension Failure {
    /// Where and what, without the lines below them.
    package var headline: String { "\(place): \(message)" }
}
