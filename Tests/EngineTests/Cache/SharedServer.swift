import Digests
import FlyingFox
import FlyingSocks
import Foundation
import Synchronization

/// A shared cache that behaves as it is told, on a free loopback port.
final class SharedServer: Sendable {
    enum Answer: Sendable {
        case status(Int)
        case bytes([UInt8])
        /// Says that more bytes follow than do, and keeps the connection.
        case stall
        /// Sends bytes without end.
        case endless
        /// Keeps what is put, and gives what was kept.
        case serve
    }

    struct State {
        var kept: [String: [UInt8]] = [:]
        var requests: [String] = []
        var authorizations: Set<String> = []
    }

    let port: UInt16
    private let state: Kept
    private let task: Task<Void, any Error>

    final class Kept: Sendable { let value = Mutex(State()) }

    var base: String { "http://127.0.0.1:\(port)" }
    var requests: [String] { state.value.withLock { $0.requests } }
    var authorizations: Set<String> { state.value.withLock { $0.authorizations } }
    var kept: [String: [UInt8]] {
        get { state.value.withLock { $0.kept } }
        set { state.value.withLock { $0.kept = newValue } }
    }

    /// - Parameter rule: what to do for a method and a path.
    init(_ rule: @escaping @Sendable (String, String) -> Answer) async throws {
        let state = Kept()
        let server = HTTPServer(
            address: try .inet(ip4: "127.0.0.1", port: 0), logger: .disabled,
            handler: ClosureHTTPHandler { request in
                let method = request.method.rawValue
                let path = request.path
                state.value.withLock { kept in
                    kept.requests.append("\(method) \(path)")
                    if let value = request.headers[.authorization] { kept.authorizations.insert(value) }
                }
                switch rule(method, path) {
                case .status(let code): return HTTPResponse(statusCode: HTTPStatusCode(code, phrase: "as told"))
                case .bytes(let bytes): return HTTPResponse(statusCode: .ok, body: Data(bytes))
                case .stall:
                    return HTTPResponse(
                        statusCode: .ok, body: HTTPBodySequence(from: Pieces(endless: false), count: 1 << 20))
                case .endless: return HTTPResponse(statusCode: .ok, body: HTTPBodySequence(from: Pieces(endless: true)))
                case .serve:
                    if method == "PUT" {
                        let body = Array(try await request.bodyData)
                        state.value.withLock { $0.kept[path] = body }
                        return HTTPResponse(statusCode: .ok)
                    }
                    let body = state.value.withLock { $0.kept[path] }
                    return body.map { HTTPResponse(statusCode: .ok, body: Data($0)) }
                        ?? HTTPResponse(statusCode: .notFound)
                }
            })
        let task = Task { try await server.run() }
        try await server.waitUntilListening()
        guard case .ip4(_, let port)? = await server.listeningAddress else { throw SocketError.unsupportedAddress }
        self.state = state
        self.task = task
        self.port = port
    }

    deinit { task.cancel() }

    /// Waits until it was asked for something.
    func waitForRequest() {
        for _ in 0..<1000 where requests.isEmpty { usleep(10_000) }
    }
}

private struct Pieces: AsyncBufferedSequence, AsyncBufferedIteratorProtocol {
    typealias Element = UInt8
    let endless: Bool
    private var sent = 0

    init(endless: Bool) { self.endless = endless }

    func makeAsyncIterator() -> Pieces { self }

    mutating func next() async throws -> UInt8? { try await nextBuffer(suggested: 1)?.first }

    mutating func nextBuffer(suggested count: Int) async throws -> [UInt8]? {
        sent += 1
        if !endless, sent > 1 { try await Task.sleep(for: .seconds(3600)) }
        return [UInt8](repeating: 7, count: Swift.min(count, 4096))
    }
}
