import FlyingFox
import FlyingSocks
import Foundation
import Storage
import Synchronization
import SystemPackage

/// A web server on a free loopback port that serves a folder, and misbehaves below some of its paths:
///
///     /good/NAME     the file, whole or the part that a Range asks for
///     /cut/NAME      as /good, but what is asked for from its start breaks off after 40 %
///     /gone/NAME     404
///     /busy/NAME     503, to be tried again at once
///     /broken/NAME   500
///     /loop/NAME     a redirect to itself
///     /FOLDER/NAME   else: the file in that folder
final class StockServer: Sendable {
    let port: UInt16
    private let task: Task<Void, any Error>
    private let seen = Seen()

    private final class Seen: Sendable {
        let requests = Mutex<[(path: String, range: String?)]>([])
    }

    var base: String { "http://127.0.0.1:\(port)" }

    /// What was asked for, in order: the path, and the value of Range.
    var requests: [(path: String, range: String?)] { seen.requests.withLock { $0 } }

    init(folder: FilePath) async throws {
        let seen = seen
        let server = HTTPServer(
            address: try .inet(ip4: "127.0.0.1", port: 0), logger: .disabled,
            handler: ClosureHTTPHandler { request in
                seen.requests.withLock { $0.append((request.path, request.headers[.range])) }
                return try Self.respond(to: request, folder)
            })
        task = Task { try await server.run() }
        try await server.waitUntilListening()
        guard case .ip4(_, let port)? = await server.listeningAddress else { throw SocketError.unsupportedAddress }
        self.port = port
    }

    deinit { task.cancel() }

    private static func respond(to request: HTTPRequest, _ folder: FilePath) throws -> HTTPResponse {
        let parts = request.path.split(separator: "/").map(String.init)
        guard parts.count == 2 else { return HTTPResponse(statusCode: .notFound) }
        switch parts[0] {
        case "gone": return HTTPResponse(statusCode: .notFound)
        case "broken": return HTTPResponse(statusCode: .internalServerError)
        case "busy":
            return HTTPResponse(
                statusCode: .serviceUnavailable, headers: HTTPHeaders([HTTPHeader("Retry-After"): "0"]))
        case "loop": return HTTPResponse(statusCode: .found, headers: HTTPHeaders([.location: request.path]))
        default: break
        }
        let place = ["good", "cut"].contains(parts[0]) ? folder : folder.appending(parts[0])
        let path = place.appending(parts[1].removingPercentEncoding ?? parts[1])
        guard exists(path) else { return HTTPResponse(statusCode: .notFound) }
        let url = URL(fileURLWithPath: path.string)
        let size = try Int(OpenFile.reading(path).size())
        var headers = HTTPHeaders([.acceptRanges: "bytes"])
        headers[HTTPHeader("ETag")] = "\"\(parts[1]) \(size)\""
        if let start = request.headers[.range].flatMap(start), start < size {
            headers[.contentRange] = "bytes \(start)-\(size - 1)/\(size)"
            return HTTPResponse(
                statusCode: .partialContent, headers: headers,
                body: try HTTPBodySequence(file: url, range: start..<size, suggestedBufferSize: 1 << 18))
        }
        if parts[0] == "cut", size > 1 << 20 {
            let handle = try FileHandle(forReadingFrom: url)
            let cut = Cut(handle: handle, rest: size * 2 / 5)
            return HTTPResponse(statusCode: .ok, headers: headers, body: HTTPBodySequence(from: cut, count: size))
        }
        return HTTPResponse(
            statusCode: .ok, headers: headers, body: try HTTPBodySequence(file: url, suggestedBufferSize: 1 << 18))
    }

    /// The first byte that `bytes=N-` asks for.
    private static func start(_ range: String) -> Int? {
        guard range.hasPrefix("bytes="), range.hasSuffix("-") else { return nil }
        return Int(range.dropFirst("bytes=".count).dropLast())
    }
}

/// The beginning of a file, and then a lost connection.
private struct Cut: AsyncBufferedSequence, AsyncBufferedIteratorProtocol {
    typealias Element = UInt8
    let handle: FileHandle
    var rest: Int

    func makeAsyncIterator() -> Cut { self }

    mutating func next() async throws -> UInt8? { try await nextBuffer(suggested: 1)?.first }

    mutating func nextBuffer(suggested count: Int) async throws -> [UInt8]? {
        guard rest > 0, let data = try handle.read(upToCount: Swift.min(rest, Swift.max(count, 1 << 16))), !data.isEmpty
        else {
            throw SocketError.disconnected
        }
        rest -= data.count
        return Array(data)
    }
}
