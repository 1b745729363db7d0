import CCurl
import Diagnostics
import Digests

/// One try to get one URL: a curl easy handle, and the checks on the bytes as they arrive.
///
/// Owns the handle; belongs to the thread that drives the transfers.
final class CurlTransfer {
    /// Where the bytes go.
    enum Sink {
        case file(PartialFile)
        /// Memory, for an answer of at most so many bytes.
        case memory(limit: UInt64)
    }

    let handle: UnsafeMutableRawPointer
    /// Which job of the batch this transfer works for.
    let job: Int
    let url: String
    let sink: Sink
    private(set) var received: UInt64 = 0
    private(set) var bytes: [UInt8] = []
    /// Why the writer broke the transfer off, where it did.
    private(set) var stop: Stop?

    private let size: UInt64?
    private let hasher = SHA256Hasher()

    enum Stop {
        /// More bytes came than the file may have.
        case tooLarge
        /// The bytes could not be written.
        case storage(any Error)
    }

    /// - Throws: `Failure` when libcurl is out of memory.
    init(job: Int, url: String, size: UInt64?, sink: Sink, options: DownloadOptions) throws {
        guard let handle = curl_easy_init() else { throw Failure(at: "libcurl", "no memory is left for a transfer") }
        self.handle = handle
        self.job = job
        self.url = url
        self.size = size
        self.sink = sink
        configure(options)
    }

    deinit { curl_easy_cleanup(handle) }

    /// The digest of the bytes received so far; asked once, at the end.
    func digest() -> SHA256Digest { hasher.finalize() }

    /// The last HTTP status, 0 where there was none.
    var status: Int { number(CURLINFO_RESPONSE_CODE) }

    /// The system's error number of a connection that failed, 0 where there was none.
    var systemError: Int { number(CURLINFO_OS_ERRNO) }

    private func number(_ info: CURLINFO) -> Int {
        var value = 0
        return piforge_curl_get_long(handle, info, &value) == CURLE_OK ? value : 0
    }

    private func configure(_ options: DownloadOptions) {
        set(CURLOPT_URL, curlURL(url))
        set(CURLOPT_USERAGENT, options.userAgent)
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_FAILONERROR, 1)
        set(CURLOPT_FOLLOWLOCATION, 1)
        set(CURLOPT_MAXREDIRS, options.redirects)
        set(CURLOPT_PROTOCOLS_STR, "http,https,file")
        set(CURLOPT_REDIR_PROTOCOLS_STR, "http,https")
        set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(options.connectTimeout))
        set(CURLOPT_LOW_SPEED_LIMIT, options.stallSpeed)
        set(CURLOPT_LOW_SPEED_TIME, max(1, Int(options.stallTimeout.components.seconds)))
        // An empty proxy keeps libcurl from reading the process's environment itself.
        set(CURLOPT_PROXY, options.proxies.proxy(forScheme: curlURL(url).prefix { $0 != ":" }))
        set(CURLOPT_NOPROXY, options.proxies.exceptions)
        // The transfer lives in CurlMulti's table for as long as libcurl may call back.
        _ = piforge_curl_set_writer(
            handle,
            { data, size, count, context in
                guard let data, let context else { return 0 }
                let transfer = Unmanaged<CurlTransfer>.fromOpaque(context).takeUnretainedValue()
                let piece = UnsafeRawBufferPointer(start: data, count: size * count)
                return transfer.take(piece) ? piece.count : 0
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    /// Takes a piece of the answer; false breaks the transfer off.
    private func take(_ piece: UnsafeRawBufferPointer) -> Bool {
        let total = received + UInt64(piece.count)
        if let size, total > size {
            stop = .tooLarge
            return false
        }
        switch sink {
        case .memory(let limit):
            if total > limit {
                stop = .tooLarge
                return false
            }
            bytes.append(contentsOf: piece)
        case .file(let partial):
            do { try partial.file.write(at: received, piece) } catch {
                stop = .storage(error)
                return false
            }
        }
        hasher.update(piece)
        received = total
        return true
    }

    private func set(_ option: CURLoption, _ value: Int) { _ = piforge_curl_set_long(handle, option, value) }
    private func set(_ option: CURLoption, _ value: String) { _ = piforge_curl_set_string(handle, option, value) }
}

/// Whole milliseconds of a duration.
func milliseconds(_ duration: Duration) -> Int {
    let (seconds, attoseconds) = duration.components
    return Int(seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000)
}

/// A URL as libcurl takes it: a plain path becomes a `file:` URL.
func curlURL(_ url: String) -> String {
    if url.hasPrefix("file:"), !url.hasPrefix("file://") { return "file://" + url.dropFirst("file:".count) }
    if url.contains("://") { return url }
    let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-._~".utf8)
    return "file://" + url.utf8.map { plain.contains($0) ? String(UnicodeScalar($0)) : "%" + encodeHex([$0]) }.joined()
}
