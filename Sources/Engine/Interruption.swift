import Dispatch

#if canImport(Glibc)
    import Glibc
#endif

/// Runs `body` so that SIGINT, SIGTERM and SIGHUP cancel it: every step then stops, removes what it had half done, and
/// the error is `CancellationError`. A second signal ends the process at once. Afterwards they do what they did before, so that a
/// question on the terminal can be interrupted.
package func interruptible<Result: Sendable>(
    _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    let task = Task { try await body() }
    let handled = [SIGINT, SIGTERM, SIGHUP].map { number in
        let before = signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler {
            if task.isCancelled { _exit(130) }
            task.cancel()
        }
        source.activate()
        return (number: number, before: before, source: source)
    }
    defer {
        for (number, before, source) in handled {
            source.cancel()
            signal(number, before)
        }
    }
    return try await task.value
}
