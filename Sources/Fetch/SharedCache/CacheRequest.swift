import CCurl
import Diagnostics
import Digests
import Storage

/// One request to a shared cache, made by the calling thread, which waits for it: a short GET into memory, a GET into a file that
/// is hashed as it arrives, or a PUT. How long that takes at most is known before it starts.
///
/// Belongs to the thread that makes it.
final class CacheRequest {
    /// What came of it.
    enum Answer {
        case status(Int)
        /// No answer: the server could not be reached, broke off, or was too slow.
        case failed(String)
        /// More bytes came than there may be.
        case tooLarge
        /// The bytes could not be written here, or nobody wants them any more.
        case abandoned
    }

    /// Where the answer's bytes go.
    enum Sink {
        case memory
        case file(OpenFile)
    }

    private let sink: Sink
    private let limit: UInt64
    private let isStopped: () -> Bool
    private let source: (file: OpenFile, size: UInt64)?
    private let body: [UInt8]
    private(set) var bytes: [UInt8] = []
    /// Bytes that arrived.
    private(set) var count: UInt64 = 0
    private var sent: UInt64 = 0
    private let hasher = SHA256Hasher()
    private var isTooLarge = false
    private var isAbandoned = false

    /// A GET.
    ///
    /// - Parameters:
    ///   - limit: the most bytes that are taken.
    ///   - isStopped: asked about once a second; true ends the request.
    init(into sink: Sink, limit: UInt64, isStopped: @escaping () -> Bool) {
        self.sink = sink
        self.limit = limit
        self.isStopped = isStopped
        (source, body) = (nil, [])
    }

    /// A PUT of a file's first `size` bytes, or of bytes at hand.
    init(
        sending file: (file: OpenFile, size: UInt64)? = nil, body: [UInt8] = [], isStopped: @escaping () -> Bool
    ) {
        (sink, limit) = (.memory, 64 << 10)
        self.isStopped = isStopped
        (source, self.body) = (file, body)
    }

    /// SHA-256 of all that arrived; asked once.
    func digest() -> SHA256Digest { hasher.finalize() }

    /// Makes the request.
    ///
    /// - Parameters:
    ///   - handle: a curl easy handle, whose connections are used again.
    ///   - seconds: how long it may take.
    func perform(
        _ handle: UnsafeMutableRawPointer, url: String, isUpload: Bool, seconds: Int,
        _ settings: HTTPSharedCache.Settings
    ) -> Answer {
        curl_easy_reset(handle)
        func set(_ option: CURLoption, _ value: Int) { _ = piforge_curl_set_long(handle, option, value) }
        func set(_ option: CURLoption, _ value: String) { _ = piforge_curl_set_string(handle, option, value) }
        set(CURLOPT_URL, url)
        set(CURLOPT_USERAGENT, "piforge/0.1")
        set(CURLOPT_NOSIGNAL, 1)
        set(CURLOPT_PROTOCOLS_STR, "http,https")
        // A name and password may stand in ~/.netrc, where no list of processes shows them.
        set(CURLOPT_NETRC, Int(CURL_NETRC_OPTIONAL.rawValue))
        set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds(settings.connectTimeout))
        set(CURLOPT_TIMEOUT, max(1, seconds))
        set(CURLOPT_LOW_SPEED_LIMIT, 1024)
        set(CURLOPT_LOW_SPEED_TIME, max(1, Int(settings.stallTimeout.components.seconds)))
        set(CURLOPT_BUFFERSIZE, 512 << 10)
        set(CURLOPT_PROXY, settings.proxies.proxy(forScheme: url.prefix { $0 != ":" }))
        set(CURLOPT_NOPROXY, settings.proxies.exceptions)
        let context = Unmanaged.passUnretained(self).toOpaque()
        _ = piforge_curl_set_writer(
            handle,
            { data, size, count, context in
                guard let data, let context else { return 0 }
                let request = Unmanaged<CacheRequest>.fromOpaque(context).takeUnretainedValue()
                let piece = UnsafeRawBufferPointer(start: data, count: size * count)
                return request.take(piece) ? piece.count : 0
            }, context)
        _ = piforge_curl_set_watcher(
            handle,
            { context, _, _, _, _ in
                guard let context else { return 1 }
                return Unmanaged<CacheRequest>.fromOpaque(context).takeUnretainedValue().mustStop() ? 1 : 0
            }, context)
        var headers: UnsafeMutablePointer<curl_slist>?
        defer { curl_slist_free_all(headers) }
        if isUpload {
            set(CURLOPT_UPLOAD, 1)
            _ = piforge_curl_set_offset(
                handle, CURLOPT_INFILESIZE_LARGE, curl_off_t(source?.size ?? UInt64(body.count)))
            // Servers that do not know this header would keep libcurl waiting for a second.
            headers = curl_slist_append(nil, "Expect:")
            _ = piforge_curl_set_headers(handle, headers)
            _ = piforge_curl_set_reader(
                handle,
                { buffer, size, count, context in
                    guard let buffer, let context else { return Int(CURL_READFUNC_ABORT) }
                    let request = Unmanaged<CacheRequest>.fromOpaque(context).takeUnretainedValue()
                    return request.give(UnsafeMutableRawBufferPointer(start: buffer, count: size * count))
                }, context)
        }
        let code = curl_easy_perform(handle)
        var status = 0
        _ = piforge_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &status)
        if isTooLarge { return .tooLarge }
        if isAbandoned { return .abandoned }
        // A server that refuses an upload need not read it to its end.
        if code == CURLE_OK || isUpload && status >= 400 { return .status(status) }
        return .failed(String(cString: curl_easy_strerror(code)).lowercased())
    }

    private func take(_ piece: UnsafeRawBufferPointer) -> Bool {
        guard UInt64(piece.count) <= limit - count else {
            isTooLarge = true
            return false
        }
        switch sink {
        case .memory: bytes.append(contentsOf: piece)
        case .file(let file):
            do { try file.write(at: count, piece) } catch {
                isAbandoned = true
                return false
            }
        }
        hasher.update(piece)
        count += UInt64(piece.count)
        return true
    }

    private func give(_ buffer: UnsafeMutableRawBufferPointer) -> Int {
        guard let source else {
            let piece = body[Int(sent)...].prefix(buffer.count)
            buffer.copyBytes(from: piece)
            sent += UInt64(piece.count)
            return piece.count
        }
        let piece = UnsafeMutableRawBufferPointer(
            rebasing: buffer[..<Int(min(UInt64(buffer.count), source.size - sent))])
        guard (try? source.file.readExactly(at: sent, into: piece)) != nil else {
            isAbandoned = true
            return Int(CURL_READFUNC_ABORT)
        }
        sent += UInt64(piece.count)
        return piece.count
    }

    private func mustStop() -> Bool {
        if isStopped() { isAbandoned = true }
        return isAbandoned
    }
}
