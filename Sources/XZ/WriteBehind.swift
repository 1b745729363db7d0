import Dispatch
import Storage
import Synchronization

/// Hands pieces on to a sink on a thread of its own, in order, while the next piece is made. Belongs to one task.
final class WriteBehind {
    /// A piece's memory. One thread at a time has it: whoever makes the piece, then whoever hands it on.
    private final class Piece: @unchecked Sendable {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 4096)
        deinit { bytes.deallocate() }
    }

    private let sink: any ByteSink
    private let progress: PackProgress
    private let queue = DispatchQueue(label: "piforge.xz.writer")
    private let pieces = (0..<4).map { _ in Piece() }
    private let free: DispatchSemaphore
    private let failure = FirstFailure()
    private var next = 0

    init(_ sink: any ByteSink, _ progress: PackProgress) {
        self.sink = sink
        self.progress = progress
        free = DispatchSemaphore(value: pieces.count)
    }

    deinit { stop() }

    /// Has `body` fill a piece of `count` bytes, at most 1 MiB, and hands it on as the bytes at `offset`.
    ///
    /// - Throws: what `body` throws, and what the sink threw for an earlier piece.
    func write(at offset: UInt64, count: Int, _ body: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
        free.wait()
        let piece = pieces[next]
        do {
            if let error = failure.error { throw error }
            try body(UnsafeMutableRawBufferPointer(rebasing: piece.bytes[..<count]))
        } catch {
            free.signal()
            throw error
        }
        next = (next + 1) % pieces.count
        queue.async { [sink, progress, free, failure] in
            if failure.error == nil {
                do {
                    try sink.write(at: offset, UnsafeRawBufferPointer(rebasing: piece.bytes[..<count]))
                    progress.advance(UInt64(count))
                } catch { failure.set(error) }
            }
            free.signal()
        }
    }

    /// Waits until the sink has everything.
    ///
    /// - Throws: what the sink threw.
    func finish() throws {
        stop()
        if let error = failure.error { throw error }
    }

    /// Waits until the sink is left alone.
    func stop() { queue.sync {} }
}

/// Keeps the first error of a thread for another.
private final class FirstFailure: Sendable {
    private let kept = Mutex<(any Error)?>(nil)
    var error: (any Error)? { kept.withLock { $0 } }
    func set(_ error: any Error) { kept.withLock { if $0 == nil { $0 = error } } }
}
