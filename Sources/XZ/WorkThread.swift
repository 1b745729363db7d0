import Dispatch

/// A thread of one's own for an actor that computes for seconds at a time, so that the tasks which show progress and take
/// Ctrl-C keep the threads of Swift's pool.
final class WorkThread: SerialExecutor {
    private let queue: DispatchQueue

    init(_ label: String) { queue = DispatchQueue(label: label) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }
}

/// Lends its members to one task each; who finds none waits for one to come back.
actor Pool<Member: Sendable> {
    private var idle: [Member]
    private var waiting: [CheckedContinuation<Member, Never>] = []

    /// - Parameter members: at least one.
    init(_ members: [Member]) { idle = members }

    /// Runs `body` with a member that no other task holds.
    nonisolated func withMember<Result: Sendable>(
        _ body: @Sendable (Member) async throws -> Result
    ) async throws -> Result {
        let member = await take()
        do {
            try Task.checkCancellation()
            let result = try await body(member)
            await give(member)
            return result
        } catch {
            await give(member)
            throw error
        }
    }

    private func take() async -> Member {
        if let member = idle.popLast() { return member }
        return await withCheckedContinuation { waiting.append($0) }
    }

    private func give(_ member: Member) {
        if waiting.isEmpty { idle.append(member) } else { waiting.removeFirst().resume(returning: member) }
    }
}
