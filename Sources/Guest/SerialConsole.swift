import Diagnostics
import Foundation
import Storage
import Synchronization
import SystemPackage

/// A guest's serial console, or another line of bytes between guest and host: what the guest sends is kept in a log,
/// and waited for.
///
/// What has been matched is used up: the next ``expect(_:within:silence:)`` looks at what came after it.
package final class SerialConsole: Sendable {
    /// Something that was waited for and came.
    package struct Match: Sendable {
        /// Which of the texts it was, counted from 0.
        package let index: Int
        /// What came before it since the last match.
        package let before: String
        /// When the last byte of it arrived.
        package let arrival: ContinuousClock.Instant
    }

    /// The port's name (``MachineDescription/Port/name``).
    package let name: String
    private let connection: LineConnection
    private let state = Mutex(State())

    /// Bytes that nobody has waited for are kept up to here; older ones are dropped.
    private static let unreadLimit = 4 << 20
    private static let tailLimit = 16 << 10

    private struct State {
        var unread: [UInt8] = []
        /// How many of `unread` hold no match for the waiter that stands.
        var searched = 0
        var tail: [UInt8] = []
        var ended = false
        var lastArrival = ContinuousClock.now
        var waiter: Waiter?
        var lastWaiter: UInt64 = 0
    }

    private struct Waiter {
        let number: UInt64
        let texts: [[UInt8]]
        let deadline: ContinuousClock.Instant
        let started: ContinuousClock.Instant
        let silence: Duration?
        let continuation: CheckedContinuation<Match, any Error>
    }

    /// Takes over a connected socket and reads it until it ends.
    ///
    /// - Parameter log: a file that keeps all that comes; an older one is replaced.
    /// - Throws: `Failure` when the log cannot be created.
    init(name: String, connection: LineConnection, log: FilePath?) throws {
        self.name = name
        self.connection = connection
        var logFile: OpenFile?
        if let log {
            removeTree(log)
            logFile = try OpenFile.creating(log)
        }
        let file = logFile
        let thread = Thread { [weak self, connection] in
            var logged: UInt64 = 0
            reading: while true {
                switch connection.read(waiting: .milliseconds(100)) {
                case .bytes(let bytes):
                    // A log that can no longer be written (a full disk) must not end the machine.
                    try? file?.write(at: logged, bytes)
                    logged += UInt64(bytes.count)
                    guard let self else { break reading }
                    self.take(bytes)
                case .nothing:
                    guard let self else { break reading }
                    self.checkTime()
                case .end:
                    self?.end()
                    break reading
                }
            }
        }
        thread.name = "console \(name)"
        thread.start()
    }

    deinit { connection.shutdown() }

    /// The last lines that came, matched or not.
    package func lastLines(_ count: Int) -> [String] {
        let text = state.withLock { String(decoding: $0.tail, as: UTF8.self) }
        return text.split(whereSeparator: \.isNewline).suffix(count).map(String.init)
    }

    /// Whether the guest's end is closed: the machine has ended.
    package var hasEnded: Bool { state.withLock { $0.ended } }

    /// Sends text as it is.
    package func send(_ text: String) { connection.write(Array(text.utf8)) }

    /// Sends text and the carriage return that ends a line on a terminal.
    package func sendLine(_ text: String) { send(text + "\r") }

    /// Waits for one of several texts; where two stand in the same output the earlier one wins.
    ///
    /// - Parameters:
    ///   - limit: how long to wait at most.
    ///   - silence: how long the guest may send nothing at all.
    /// - Throws: ``ConsoleTimeout``, ``ConsoleEnded``, `CancellationError`.
    package func expect(
        _ texts: [String], within limit: Duration, silence: Duration? = nil
    ) async throws -> Match {
        let number = state.withLock { state in
            state.lastWaiter += 1
            return state.lastWaiter
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let now = ContinuousClock.now
                let waiter = Waiter(
                    number: number, texts: texts.map { Array($0.utf8) }, deadline: now + limit, started: now,
                    silence: silence, continuation: continuation)
                settle { state in
                    precondition(state.waiter == nil, "two tasks wait on one console")
                    state.waiter = waiter
                    state.searched = 0
                    if Task.isCancelled { return .failure(CancellationError()) }
                    return Self.outcome(&state)
                }
            }
        } onCancel: {
            settle { state in
                state.waiter?.number == number ? .failure(CancellationError()) : nil
            }
        }
    }

    /// Waits for one text. See ``expect(_:within:silence:)-([String],_,_)``.
    @discardableResult
    package func expect(_ text: String, within limit: Duration, silence: Duration? = nil) async throws -> Match {
        try await expect([text], within: limit, silence: silence)
    }

    /// Waits until the guest's end is closed, dropping what still comes.
    ///
    /// - Throws: ``ConsoleTimeout``, `CancellationError`.
    package func waitForEnd(within limit: Duration) async throws {
        do { _ = try await expect([], within: limit) } catch is ConsoleEnded {}
    }

    // MARK: The reading thread

    private func take(_ bytes: [UInt8]) {
        settle { state in
            state.unread += bytes
            state.tail += bytes
            state.lastArrival = .now
            if state.tail.count > Self.tailLimit { state.tail.removeFirst(state.tail.count - Self.tailLimit) }
            if state.unread.count > Self.unreadLimit {
                let surplus = state.unread.count - Self.unreadLimit / 2
                state.unread.removeFirst(surplus)
                state.searched = max(0, state.searched - surplus)
            }
            return Self.outcome(&state)
        }
    }

    private func checkTime() {
        settle { Self.outcome(&$0) }
    }

    private func end() {
        settle { state in
            state.ended = true
            return Self.outcome(&state)
        }
    }

    /// Changes the state and, where that decides the waiter's fate, tells it so outside the lock.
    private func settle(_ change: (inout State) -> Result<Match, any Error>?) {
        let decided = state.withLock { state -> (Waiter, Result<Match, any Error>)? in
            guard let outcome = change(&state), let waiter = state.waiter else { return nil }
            state.waiter = nil
            return (waiter, outcome)
        }
        if let (waiter, outcome) = decided { waiter.continuation.resume(with: outcome) }
    }

    private static func outcome(_ state: inout State) -> Result<Match, any Error>? {
        guard let waiter = state.waiter else { return nil }
        if let (index, range) = firstOccurrence(of: waiter.texts, in: state.unread, from: state.searched) {
            let before = String(decoding: state.unread[..<range.lowerBound], as: UTF8.self)
            state.unread.removeFirst(range.upperBound)
            state.searched = 0
            return .success(Match(index: index, before: before, arrival: state.lastArrival))
        }
        let longest = waiter.texts.map(\.count).max() ?? 0
        state.searched = max(0, state.unread.count - max(0, longest - 1))
        let now = ContinuousClock.now
        if state.ended { return .failure(ConsoleEnded()) }
        if now >= waiter.deadline { return .failure(ConsoleTimeout(silent: false)) }
        if let silence = waiter.silence, now >= max(state.lastArrival, waiter.started) + silence {
            return .failure(ConsoleTimeout(silent: true))
        }
        return nil
    }
}

/// What was waited for on a console did not come in time.
package struct ConsoleTimeout: Error, Sendable, Equatable {
    /// Whether the guest sent nothing at all for too long, rather than not the right thing.
    package let silent: Bool
}

/// The machine ended before what was waited for came.
package struct ConsoleEnded: Error, Sendable, Equatable {}

/// The earliest occurrence of any of `texts` at or after `start`.
private func firstOccurrence(of texts: [[UInt8]], in bytes: [UInt8], from start: Int) -> (Int, Range<Int>)? {
    let first = Set(texts.compactMap(\.first))
    guard !first.isEmpty, start < bytes.count else { return nil }
    for position in start..<bytes.count where first.contains(bytes[position]) {
        let rest = bytes[position...]
        if let index = texts.firstIndex(where: { !$0.isEmpty && rest.starts(with: $0) }) {
            return (index, position..<(position + texts[index].count))
        }
    }
    return nil
}
