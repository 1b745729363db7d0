import CCurl
import Diagnostics

/// libcurl's multi handle: many transfers driven by one thread.
///
/// Owns the handle. Every call belongs to the thread that drives the transfers, except ``wake()``, which libcurl
/// allows from any thread (curl_multi_wakeup(3)); hence `@unchecked Sendable`.
final class CurlMulti: @unchecked Sendable {
    private let handle: UnsafeMutableRawPointer
    private var transfers: [UnsafeMutableRawPointer: CurlTransfer] = [:]

    private static let initialised: Bool = piforge_curl_global_init() == CURLE_OK

    /// - Parameter connections: the most connections to one host.
    /// - Throws: `Failure` when libcurl cannot start.
    init(connections: Int) throws {
        guard Self.initialised, let handle = curl_multi_init() else {
            throw Failure(at: "libcurl", "the library could not be started")
        }
        self.handle = handle
        _ = piforge_curl_multi_set_long(handle, CURLMOPT_MAX_HOST_CONNECTIONS, connections)
    }

    deinit {
        abandon()
        curl_multi_cleanup(handle)
    }

    /// Drops the transfers that are still under way, and with them their partial files.
    func abandon() {
        for transfer in transfers.values { curl_multi_remove_handle(handle, transfer.handle) }
        transfers.removeAll()
    }

    /// How many transfers are under way.
    var count: Int { transfers.count }

    /// The transfers under way.
    var active: some Collection<CurlTransfer> { transfers.values }

    func add(_ transfer: CurlTransfer) throws {
        let code = curl_multi_add_handle(handle, transfer.handle)
        guard code == CURLM_OK else { throw Self.failure(code) }
        transfers[transfer.handle] = transfer
    }

    /// Moves every transfer on as far as it goes without waiting; returns those that ended.
    func perform() throws -> [(CurlTransfer, CURLcode)] {
        var running: CInt = 0
        let code = curl_multi_perform(handle, &running)
        guard code == CURLM_OK else { throw Self.failure(code) }
        var ended: [(CurlTransfer, CURLcode)] = []
        var left: CInt = 0
        while let message = curl_multi_info_read(handle, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let easy = message.pointee.easy_handle else { continue }
            let result = message.pointee.data.result
            curl_multi_remove_handle(handle, easy)
            if let transfer = transfers.removeValue(forKey: easy) { ended.append((transfer, result)) }
        }
        return ended
    }

    /// Waits until a transfer can move on, ``wake()`` is called, or the time is over.
    func wait(milliseconds: Int32) throws {
        let code = curl_multi_poll(handle, nil, 0, milliseconds, nil)
        guard code == CURLM_OK else { throw Self.failure(code) }
    }

    /// Ends a ``wait(milliseconds:)`` at once; from any thread.
    func wake() { curl_multi_wakeup(handle) }

    private static func failure(_ code: CURLMcode) -> Failure {
        Failure(at: "libcurl", "the transfers broke down: \(String(cString: curl_multi_strerror(code)))")
    }
}
