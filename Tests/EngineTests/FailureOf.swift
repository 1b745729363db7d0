import Diagnostics
import Testing

/// The failure that a body throws, the first of several.
func failure(_ body: () async throws -> Void) async -> Failure? {
    do {
        try await body()
        Issue.record("no error was thrown")
    } catch let failure as Failure {
        return failure
    } catch let list as FailureList {
        return list.failures.first
    } catch { Issue.record(error) }
    return nil
}
