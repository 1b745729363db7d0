import FlyingFox
import FlyingSocks
import Foundation
import Synchronization

/// A web server on a free loopback port that answers as it is told and keeps what it was asked.
package final class LoopbackServer: Sendable {
    /// What a path is answered with.
    package enum Answer: Sendable {
        case bytes([UInt8])
        case status(Int)
        case redirect(String)
        /// Says that `count` bytes follow, and closes the connection after fewer.
        case breakingOff([UInt8], count: Int)
        /// Sends the bytes in chunks, so that their number is not known before.
        case chunked([UInt8])
        /// Sends some bytes, and then nothing more while the connection lasts.
        case stalling([UInt8], count: Int)
        /// One after the other; the last one stays.
        indirect case inTurn([Answer])
    }

    private struct State {
        var answers: [String: Answer] = [:]
        var requests: [String] = []
        var userAgents: Set<String> = []
        var current = 0
        var highest = 0
    }

    private let port: UInt16
    private let state: SharedState
    private let task: Task<Void, any Error>

    private final class SharedState: Sendable { let value = Mutex(State()) }

    /// The URL that all paths follow.
    package var base: String { "http://127.0.0.1:\(port)" }
    /// The paths that were asked for, in order.
    package var requests: [String] { state.value.withLock { $0.requests } }
    /// What clients called themselves.
    package var userAgents: Set<String> { state.value.withLock { $0.userAgents } }
    /// The most requests that were under way at once.
    package var highest: Int { state.value.withLock { $0.highest } }

    /// - Parameter answers: by path; any other path is not found.
    package init(_ answers: [String: Answer] = [:]) async throws {
        let state = SharedState()
        state.value.withLock { $0.answers = answers }
        let server = HTTPServer(
            address: try .inet(ip4: "127.0.0.1", port: 0), logger: .disabled,
            handler: ClosureHTTPHandler { request in try await Self.respond(to: request, state) })
        let task = Task { try await server.run() }
        try await server.waitUntilListening()
        let address = await server.listeningAddress
        guard case .ip4(_, let port)? = address else { throw SocketError.unsupportedAddress }
        self.state = state
        self.task = task
        self.port = port
    }

    deinit { task.cancel() }

    /// Answers a path so from now on.
    package func answer(_ path: String, _ answer: Answer?) { state.value.withLock { $0.answers[path] = answer } }

    /// Gives a file from now on.
    package func serve(_ path: String, _ bytes: [UInt8]) { answer(path, .bytes(bytes)) }

    private static func respond(to request: HTTPRequest, _ state: SharedState) async throws -> HTTPResponse {
        let path = request.path
        let answer = state.value.withLock { state -> Answer? in
            state.requests.append(path)
            if let agent = request.headers[.init("User-Agent")] { state.userAgents.insert(agent) }
            state.current += 1
            state.highest = max(state.highest, state.current)
            guard case .inTurn(var answers)? = state.answers[path], let first = answers.first else {
                return state.answers[path]
            }
            if answers.count > 1 { answers.removeFirst() }
            state.answers[path] = .inTurn(answers)
            return first
        }
        defer { state.value.withLock { $0.current -= 1 } }
        switch answer {
        case .bytes(let bytes): return HTTPResponse(statusCode: .ok, body: Data(bytes))
        case .status(let code): return HTTPResponse(statusCode: HTTPStatusCode(code, phrase: "as told"))
        case .redirect(let target):
            return HTTPResponse(statusCode: .movedPermanently, headers: HTTPHeaders([.location: target]))
        case .breakingOff(let bytes, let count):
            return HTTPResponse(
                statusCode: .ok,
                body: HTTPBodySequence(from: Piece(bytes: bytes, then: .failing), count: count))
        case .chunked(let bytes):
            return HTTPResponse(statusCode: .ok, body: HTTPBodySequence(from: Piece(bytes: bytes, then: .ending)))
        case .stalling(let bytes, let count):
            return HTTPResponse(
                statusCode: .ok,
                body: HTTPBodySequence(from: Piece(bytes: bytes, then: .waiting), count: count))
        case .inTurn, nil: return HTTPResponse(statusCode: .notFound)
        }
    }
}

/// Some bytes, and what comes after them.
private struct Piece: AsyncBufferedSequence, AsyncBufferedIteratorProtocol {
    enum End { case ending, failing, waiting }
    typealias Element = UInt8
    var bytes: [UInt8]
    let then: End

    func makeAsyncIterator() -> Piece { self }

    mutating func next() async throws -> UInt8? { try await nextBuffer(suggested: 1)?.first }

    mutating func nextBuffer(suggested count: Int) async throws -> [UInt8]? {
        if bytes.isEmpty {
            switch then {
            case .ending: return nil
            case .failing: throw SocketError.disconnected
            case .waiting: try await Task.sleep(for: .seconds(3600))
            }
        }
        let piece = Array(bytes.prefix(count))
        bytes.removeFirst(piece.count)
        return piece
    }
}
