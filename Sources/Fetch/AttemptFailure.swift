import CCurl
import Diagnostics
import Digests

/// Why one try to get one URL failed.
struct AttemptFailure {
    enum Reason {
        /// The server answers, and has no such file (404, 410, or no such local file).
        case missing
        /// The server could not be reached, broke off, or has trouble of its own; worth another round.
        case transient(message: String, next: String)
        /// The server refuses; another round changes nothing.
        case refused(message: String)
        case wrongSize(expected: String, found: String)
        case wrongDigest(expected: SHA256Digest, found: SHA256Digest)
        /// The bytes could not be written here: no mirror helps.
        case storage(any Error)
    }

    let url: String
    let reason: Reason

    var isTransient: Bool { if case .transient = reason { true } else { false } }

    /// How much this failure tells about the request, when several mirrors failed for different reasons.
    private var weight: Int {
        switch reason {
        case .storage: 5
        case .wrongDigest: 4
        case .wrongSize: 3
        case .transient: 2
        case .refused: 1
        case .missing: 0
        }
    }

    /// The error to show for a request that failed on every mirror.
    ///
    /// - Parameter failures: at least one, in the order of the tries.
    static func summary(_ failures: [AttemptFailure], name: String) -> (isMissing: Bool, error: any Error) {
        guard let worst = failures.max(by: { $0.weight < $1.weight }) else {
            return (true, Failure(at: name, "no mirror is known for the file", next: "name one with --mirror URL"))
        }
        let place = shownURL(worst.url)
        let other = "try again later, or name another mirror with --mirror URL"
        switch worst.reason {
        case .missing:
            let places = failures.map { shownURL($0.url) }
            var unique: [String] = []
            for place in places where !unique.contains(place) { unique.append(place) }
            return (
                true,
                Failure(
                    at: name, "no mirror has the file", expected: "the file at \(unique.joined(separator: " or "))",
                    found: "not found", next: "name another mirror with --mirror URL")
            )
        case .transient(let message, let next): return (false, Failure(at: place, message, next: next))
        case .refused(let message): return (false, Failure(at: place, message, next: other))
        case .wrongSize(let expected, let found):
            return (
                false,
                Failure(
                    at: place, "the file's size is not the expected one; nothing was kept", expected: expected,
                    found: found, next: other)
            )
        case .wrongDigest(let expected, let found):
            return (
                false,
                Failure(
                    at: place, "the file's SHA-256 is not the expected one; nothing was kept", expected: expected.hex,
                    found: found.hex, next: other)
            )
        case .storage(let error): return (false, error)
        }
    }
}

extension CurlTransfer {
    /// Why the transfer failed, from libcurl's result code (libcurl-errors(3)), the HTTP status (RFC 9110, section 15)
    /// and the writer's own checks.
    func failure(_ code: CURLcode, expected: UInt64?) -> AttemptFailure {
        AttemptFailure(url: url, reason: reason(code, expected: expected))
    }

    private func reason(_ code: CURLcode, expected: UInt64?) -> AttemptFailure.Reason {
        switch stop {
        case .storage(let error): return .storage(error)
        case .tooLarge:
            if case .memory(let limit) = sink {
                return .wrongSize(expected: "at most \(limit) bytes", found: "more than \(limit) bytes")
            }
            let size = expected ?? 0
            return .wrongSize(expected: "\(size) bytes", found: "more than \(size) bytes")
        case nil: break
        }
        let later = "try again later, or name another mirror with --mirror URL"
        switch code {
        case CURLE_FILE_COULDNT_READ_FILE: return .missing
        case CURLE_HTTP_RETURNED_ERROR:
            switch status {
            case 404, 410: return .missing
            case 408, 425, 429, 500...599:
                return .transient(message: "the server has trouble: HTTP status \(status)", next: later)
            default: return .refused(message: "the server refuses the file: HTTP status \(status)")
            }
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            let host = code == CURLE_COULDNT_RESOLVE_HOST ? "'\(hostAndPort(url).host)'" : "of the proxy"
            return .transient(
                message: "the host name \(host) could not be resolved",
                next: "check the network connection and the name, or build from what is stored with --offline")
        case CURLE_COULDNT_CONNECT:
            let (host, port) = hostAndPort(url)
            let why = systemError == 111 ? "was refused" : "could not be made"
            return .transient(message: "the connection to \(host), port \(port), \(why)", next: later)
        case CURLE_OPERATION_TIMEDOUT:
            return .transient(message: "the transfer stalled after \(received) bytes", next: later)
        case CURLE_PARTIAL_FILE, CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_HTTP2,
            CURLE_HTTP2_STREAM, CURLE_SSL_CONNECT_ERROR:
            return .transient(message: "the transfer broke off after \(received) bytes", next: later)
        case CURLE_TOO_MANY_REDIRECTS: return .refused(message: "the server redirects too often")
        case CURLE_UNSUPPORTED_PROTOCOL:
            return .refused(message: "the URL (or a redirect) is not http, https or file")
        case CURLE_URL_MALFORMAT: return .refused(message: "the URL is malformed")
        case CURLE_PEER_FAILED_VERIFICATION:
            return .refused(message: "the server's certificate could not be verified")
        default: return .refused(message: "the transfer failed: \(String(cString: curl_easy_strerror(code)))")
        }
    }
}

/// A URL fit for a message: without a user's name and password.
func shownURL(_ url: String) -> String {
    guard let scheme = url.range(of: "://") else { return url }
    let rest = url[scheme.upperBound...]
    let authority = rest.prefix { $0 != "/" }
    guard let at = authority.lastIndex(of: "@") else { return url }
    return String(url[..<scheme.upperBound]) + rest[rest.index(after: at)...]
}

/// The host and port a URL names; the port is the scheme's own where none is written.
func hostAndPort(_ url: String) -> (host: String, port: String) {
    let shown = shownURL(url)
    guard let scheme = shown.range(of: "://") else { return (shown, "") }
    let authority = shown[scheme.upperBound...].prefix { $0 != "/" }
    let standard = shown.hasPrefix("https:") ? "443" : "80"
    guard let colon = authority.lastIndex(of: ":"), !authority[colon...].contains("]") else {
        return (String(authority), standard)
    }
    return (String(authority[..<colon]), String(authority[authority.index(after: colon)...]))
}
