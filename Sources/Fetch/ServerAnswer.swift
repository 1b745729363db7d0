import CCurl

/// The head of the last answer of a transfer, as far as downloads look at it (RFC 9110).
struct ServerAnswer {
    /// The status, 0 where there is none.
    var status: Int
    /// The entity tag if it is strong, else the time of the last change: what `If-Range` takes.
    var validator: String?
    var contentRange: ContentRange?
    /// Bytes of the body, where the server told.
    var contentLength: UInt64?
    var retryAfter: String?
    /// What the server wants to know first.
    var challenge: String?

    init(_ handle: UnsafeMutableRawPointer) {
        var code = 0
        _ = piforge_curl_get_long(handle, CURLINFO_RESPONSE_CODE, &code)
        status = code
        let tag = Self.header("ETag", handle)
        // A weak tag (W/"…") says that two versions are alike, not that they are the same (section 8.8.3.2).
        validator =
            tag.flatMap { $0.hasPrefix("\"") && $0.hasSuffix("\"") && $0.utf8.count >= 2 ? $0 : nil }
            ?? Self.header("Last-Modified", handle)
        contentRange = Self.header("Content-Range", handle).flatMap(ContentRange.init)
        var length: curl_off_t = -1
        _ = piforge_curl_get_offset(handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length)
        contentLength = length >= 0 ? UInt64(length) : nil
        retryAfter = Self.header("Retry-After", handle)
        challenge = Self.header("WWW-Authenticate", handle)
    }

    /// A header of the last answer; nil for one that is missing, longer than 1,000 bytes, or not printable ASCII.
    private static func header(_ name: String, _ handle: UnsafeMutableRawPointer) -> String? {
        var header: UnsafeMutablePointer<curl_header>?
        guard curl_easy_header(handle, name, 0, UInt32(CURLH_HEADER), -1, &header) == CURLHE_OK,
            let value = header?.pointee.value
        else { return nil }
        let text = String(cString: value)
        return text.utf8.count <= 1000 && text.utf8.allSatisfy { 32..<127 ~= $0 } ? text : nil
    }

    /// How long to wait, as `Retry-After` asks in seconds or as a date (section 10.2.3).
    ///
    /// - Parameter now: seconds since 1970.
    func wait(now: Int64) -> Duration? {
        guard let text = retryAfter else { return nil }
        if let seconds = Int64(text), seconds >= 0 { return .seconds(min(seconds, Int64(Int32.max))) }
        let time = curl_getdate(text, nil)
        guard time >= 0 else { return nil }
        return .seconds(max(0, min(Int64(time) - now, Int64(Int32.max))))
    }
}

/// The value of `Content-Range` (RFC 9110, section 14.4).
struct ContentRange: Equatable {
    /// Which bytes follow, the last one included; nil for `*`: none does.
    var bytes: ClosedRange<UInt64>?
    /// Bytes of the whole file; nil for `*`: the server does not know.
    var total: UInt64?

    /// Parses `bytes 3-14/15`, `bytes 3-14/*` or `bytes */15`.
    init?(_ text: String) {
        guard text.lowercased().hasPrefix("bytes ") else { return nil }
        let parts = text.dropFirst("bytes ".count).split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        if parts[1] != "*" {
            guard let total = UInt64(parts[1]) else { return nil }
            self.total = total
        }
        guard parts[0] != "*" else {
            guard total != nil else { return nil }
            return
        }
        let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard ends.count == 2, let first = UInt64(ends[0]), let last = UInt64(ends[1]), first <= last else {
            return nil
        }
        if let total, last >= total { return nil }
        bytes = first...last
    }
}
