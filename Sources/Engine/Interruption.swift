import Dispatch

#if canImport(Glibc)
    import Glibc
#endif

/// Runs `body` so that SIGINT, SIGTERM and SIGHUP cancel it: every step then stops, removes what it had half done, and
/// the error is `CancellationError`. A second signal ends the process at once.
public func interruptible<Result: Sendable>(
    _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    let task = Task { try await body() }
    let sources = [SIGINT, SIGTERM, SIGHUP].map { number in
        signal(number, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
        source.setEventHandler {
            if task.isCancelled { _exit(130) }
            task.cancel()
        }
        source.activate()
        return source
    }
    defer { for source in sources { source.cancel() } }
    return try await task.value
}
