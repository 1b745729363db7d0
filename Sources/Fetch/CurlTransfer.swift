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
    /// How many bytes of the file were there before; the rest is asked for.
    let offset: UInt64
    private(set) var bytes: [UInt8] = []
    /// Why the transfer was broken off here, where it was.
    private(set) var stop: Stop?
    /// Bytes of the whole file, where the server told.
    private(set) var total: UInt64?

    /// Bytes that the file must have, where that is known.
    let size: UInt64?
    private var headers: UnsafeMutablePointer<curl_slist>?
    private var hasBegun = false

    enum Stop {
        /// More bytes came than the file may have.
        case tooLarge
        /// The server announces another size than the file must have.
        case announced(UInt64)
        /// The server sends another part than was asked for.
        case otherPart(String)
        /// The bytes could not be written.
        case storage(any Error)
    }

    /// - Parameter resumes: whether the bytes that the sink has stay, and the rest is asked for.
    /// - Throws: `Failure` when libcurl is out of memory.
    init(
        job: Int, url: String, size: UInt64?, sink: Sink, resumes: Bool, options: DownloadOptions,
        headers lines: [String] = []
    ) throws {
        guard let handle = curl_easy_init() else { throw Failure(at: "libcurl", "no memory is left for a transfer") }
        self.handle = handle
        self.job = job
        self.url = url
        self.size = size
        self.sink = sink
        if resumes, case .file(let partial) = sink { offset = partial.count } else { offset = 0 }
        for line in lines { addHeader(line) }
        configure(options)
    }

    deinit {
        curl_easy_cleanup(handle)
        curl_slist_free_all(headers)
    }

    /// Bytes of the file that are there, those of earlier tries among them.
    var received: UInt64 {
        switch sink {
        case .file(let partial): partial.count
        case .memory: UInt64(bytes.count)
        }
    }

    /// The head of the last answer.
    var answer: ServerAnswer { ServerAnswer(handle) }

    /// The system's error number of a connection that failed, 0 where there was none.
    var systemError: Int {
        var value = 0
        return piforge_curl_get_long(handle, CURLINFO_OS_ERRNO, &value) == CURLE_OK ? value : 0
    }

    /// Where the last redirect leads that was not followed, since there were too many.
    var redirectTarget: String? { shownURL(CURLINFO_REDIRECT_URL) }

    /// The last URL that was asked, or was to be asked.
    var lastURL: String? { shownURL(CURLINFO_EFFECTIVE_URL) }

    private func shownURL(_ info: CURLINFO) -> String? {
        var text: UnsafePointer<CChar>?
        guard piforge_curl_get_string(handle, info, &text) == CURLE_OK, let text else { return nil }
        return Fetch.shownURL(String(String(cString: text).unicodeScalars.filter { 33..<127 ~= $0.value }.prefix(300)))
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
        set(CURLOPT_BUFFERSIZE, 512 << 10)
        // An empty proxy keeps libcurl from reading the process's environment itself.
        set(CURLOPT_PROXY, options.proxies.proxy(forScheme: curlURL(url).prefix { $0 != ":" }))
        set(CURLOPT_NOPROXY, options.proxies.exceptions)
        if offset > 0 { askForRest() }
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

    /// Asks for the bytes from ``offset`` on, or for all if the file is not the one that the first bytes are of
    /// (RFC 9110, sections 13.1.5 and 14.2).
    private func askForRest() {
        // CURLOPT_RESUME_FROM would make an error of the answer 200, which is a good one.
        set(CURLOPT_RANGE, "\(offset)-")
        guard case .file(let partial) = sink, let origin = partial.origin, origin.url == Fetch.shownURL(url),
            let validator = origin.validator
        else { return }
        addHeader("If-Range: \(validator)")
    }

    private func addHeader(_ line: String) {
        guard let longer = curl_slist_append(headers, line) else { return }
        headers = longer
        _ = piforge_curl_set_headers(handle, headers)
    }

    /// Looks at the answer's head, before its first byte is taken; false breaks the transfer off.
    ///
    /// Called once more at the end, for answers without a byte.
    func begin() -> Bool {
        guard !hasBegun else { return true }
        hasBegun = true
        let answer = answer
        if answer.status == 206 {
            guard offset > 0, let range = answer.contentRange, range.bytes?.lowerBound == offset else {
                stop = .otherPart(answer.contentRange?.bytes.map { "byte \($0.lowerBound)" } ?? "no place that is told")
                return false
            }
            total = range.total
        } else {
            total = answer.contentLength
        }
        if let size, let total, size != total {
            stop = .announced(total)
            return false
        }
        guard case .file(let partial) = sink else { return true }
        if answer.status == 206 {
            partial.mix()
        } else {
            do { try partial.restart() } catch {
                stop = .storage(error)
                return false
            }
        }
        partial.origin = PartialFile.Origin(
            url: Fetch.shownURL(url), validator: answer.validator, total: total)
        return true
    }

    /// Takes a piece of the answer; false breaks the transfer off.
    private func take(_ piece: UnsafeRawBufferPointer) -> Bool {
        guard begin() else { return false }
        let sum = received + UInt64(piece.count)
        if let size, sum > size {
            stop = .tooLarge
            return false
        }
        switch sink {
        case .memory(let limit):
            if sum > limit {
                stop = .tooLarge
                return false
            }
            bytes.append(contentsOf: piece)
        case .file(let partial):
            do { try partial.append(piece) } catch {
                stop = .storage(error)
                return false
            }
        }
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
