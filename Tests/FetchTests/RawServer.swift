import Foundation
import Synchronization

#if canImport(Glibc)
    import Glibc
#endif

/// A server on a free loopback port that sends bytes exactly as it is told, wrong ones too: one script for each
/// connection, in turn; the last one stays. Every connection is closed after one answer.
final class RawServer: Sendable {
    enum Action: Sendable {
        case send([UInt8])
        /// Nothing more for a long time, while the client stays.
        case stall
        /// A reset in place of an end.
        case reset
    }

    private struct State {
        var scripts: [[Action]]
        var requests: [String] = []
    }

    let port: UInt16
    private let listener: CInt
    private let state: SharedState

    private final class SharedState: Sendable {
        let value: Mutex<State>
        init(_ scripts: [[Action]]) { value = Mutex(State(scripts: scripts)) }
    }

    var base: String { "http://127.0.0.1:\(port)" }
    /// The heads of the requests, in order.
    var requests: [String] { state.value.withLock { $0.requests } }

    /// The value of a header in each of the requests; nil where it was not sent.
    func header(_ name: String) -> [String?] {
        requests.map { request in
            request.components(separatedBy: "\r\n").first { $0.lowercased().hasPrefix("\(name.lowercased()):") }
                .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
        }
    }

    init(_ scripts: [Action]...) throws {
        let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(listener, $0, length) == 0 && listen(listener, 16) == 0 && getsockname(listener, $0, &length) == 0
            }
        }
        guard listener >= 0, bound else { throw POSIXError(.EADDRINUSE) }
        let state = SharedState(scripts)
        self.listener = listener
        self.state = state
        port = UInt16(bigEndian: address.sin_port)
        Thread.detachNewThread {
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { return }
                Thread.detachNewThread { Self.serve(connection, state) }
            }
        }
    }

    deinit {
        shutdown(listener, CInt(SHUT_RDWR))
        close(listener)
    }

    private static func serve(_ connection: CInt, _ state: SharedState) {
        defer { close(connection) }
        var head = ""
        var byte: UInt8 = 0
        while !head.hasSuffix("\r\n\r\n"), head.utf8.count < 8192 {
            guard read(connection, &byte, 1) == 1 else { return }
            head.unicodeScalars.append(UnicodeScalar(byte))
        }
        let script = state.value.withLock { state in
            state.requests.append(head)
            return state.scripts.count > 1 ? state.scripts.removeFirst() : state.scripts.first ?? []
        }
        for action in script {
            switch action {
            case .send(let bytes):
                var rest = bytes[...]
                while !rest.isEmpty {
                    let sent = rest.withUnsafeBytes {
                        send(connection, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
                    }
                    guard sent > 0 else { return }
                    rest = rest.dropFirst(sent)
                }
            case .stall:
                // Ends when the client goes.
                _ = read(connection, &byte, 1)
            case .reset:
                var now = linger(l_onoff: 1, l_linger: 0)
                setsockopt(connection, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
                return
            }
        }
    }
}

extension RawServer.Action {
    /// A head with these lines, and a body.
    static func answer(_ status: String, _ headers: [String] = [], _ body: [UInt8] = []) -> RawServer.Action {
        .send(
            Array((["HTTP/1.1 \(status)"] + headers + ["Connection: close", "", ""]).joined(separator: "\r\n").utf8)
                + body)
    }
}
