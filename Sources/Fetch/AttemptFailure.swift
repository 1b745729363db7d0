import CCurl
import Diagnostics
import Digests

/// Why one try to get one URL failed.
struct AttemptFailure {
    enum Reason {
        /// The server answers, and has no such file (404, 410, or no such local file).
        case missing
        /// The server could not be reached, broke off, or has trouble of its own; worth another round, after the wait that
        /// it asks for.
        case transient(Problem, wait: Duration? = nil)
        /// The server refuses; another round changes nothing.
        case refused(Problem)
        /// The file is not the one that is wanted: its size, or a digest.
        case wrongSize(Problem)
        case wrongDigest(Problem)
        /// The bytes could not be written here: no mirror helps.
        case storage(any Error)
    }

    /// The words of a failure, without its place.
    struct Problem {
        var message: String
        var expected: String?
        var found: String?
        var next: String

        static let later = "try again later, or name another mirror with --mirror URL"

        init(_ message: String, expected: String? = nil, found: String? = nil, next: String = Self.later) {
            self.message = message
            self.expected = expected
            self.found = found
            self.next = next
        }

        static func size(expected: String, found: String) -> Problem {
            Problem(
                "the file's size is not the expected one; nothing was kept", expected: expected, found: found)
        }

        static func digest(expected: Checksum, found: Checksum) -> Problem {
            Problem(
                "the file's \(expected.algorithm.title) is not the expected one; nothing was kept",
                expected: expected.hex, found: found.hex)
        }
    }

    let url: String
    let reason: Reason

    var isTransient: Bool { if case .transient = reason { true } else { false } }

    /// How long the server asks to wait.
    var wait: Duration? { if case .transient(_, let wait) = reason { wait } else { nil } }

    private var problem: Problem {
        switch reason {
        case .missing: Problem("the mirror does not have the file")
        case .transient(let problem, _), .refused(let problem), .wrongSize(let problem), .wrongDigest(let problem):
            problem
        case .storage(let error): Problem("\(error)")
        }
    }

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

    /// The error to show for a request that failed on every mirror: the one that tells most, and under it what the other
    /// mirrors said.
    ///
    /// - Parameter failures: the last failure of each mirror, in the order of the tries.
    static func summary(_ failures: [AttemptFailure], name: String) -> (isMissing: Bool, error: any Error) {
        guard let worst = failures.max(by: { $0.weight < $1.weight }) else {
            return (true, Failure(at: name, "no mirror is known for the file", next: "name one with --mirror URL"))
        }
        if case .storage(let error) = worst.reason { return (false, error) }
        if case .missing = worst.reason {
            var places: [String] = []
            for place in failures.map({ shownURL($0.url) }) where !places.contains(place) { places.append(place) }
            return (
                true,
                Failure(
                    at: name, "no mirror has the file", expected: "the file at \(places.joined(separator: " or "))",
                    found: "not found", next: "name another mirror with --mirror URL")
            )
        }
        let problem = worst.problem
        var failure = Failure(
            at: shownURL(worst.url), problem.message, expected: problem.expected, found: problem.found,
            next: problem.next)
        switch worst.reason {
        case .wrongSize, .wrongDigest:
            failure.cause = .otherFile
            if !isRemote(worst.url) {
                failure.next = "copy the file again, or name the digest of the one that you want"
            }
        case .missing, .transient, .refused, .storage: break
        }
        let others = failures.filter { $0.url != worst.url }
        return (false, failure.with(others: others.map { "\(shownURL($0.url)): \($0.problem.message)" }))
    }
}

extension Failure {
    /// The failure with what other mirrors said below what was found.
    func with(others: [String]) -> Failure {
        guard !others.isEmpty else { return self }
        var failure = self
        failure.found = ([found, "the other mirrors said:"].compactMap { $0 } + others)
            .joined(separator: "\n            ")
        return failure
    }
}

extension CurlTransfer {
    /// Why the transfer failed, from libcurl's result code (libcurl-errors(3)), the HTTP status (RFC 9110, section 15)
    /// and the writer's own checks.
    func failure(_ code: CURLcode, options: DownloadOptions) -> AttemptFailure.Reason {
        if let stop { return reason(stop) }
        switch code {
        case CURLE_FILE_COULDNT_READ_FILE: return .missing
        case CURLE_HTTP_RETURNED_ERROR: return reason(answer, options)
        case CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY:
            let host = code == CURLE_COULDNT_RESOLVE_HOST ? "'\(hostAndPort(url).host)'" : "of the proxy"
            return .transient(
                .init(
                    "the host name \(host) could not be resolved",
                    next: "check the network connection and the name, or build from what is stored with --offline"))
        case CURLE_COULDNT_CONNECT:
            let (host, port) = hostAndPort(url)
            let why = systemError == 111 ? "was refused" : "could not be made"
            return .transient(.init("the connection to \(host), port \(port), \(why)"))
        case CURLE_OPERATION_TIMEDOUT:
            return .transient(.init("the transfer stalled after \(received) bytes"))
        case CURLE_PARTIAL_FILE, CURLE_GOT_NOTHING, CURLE_RECV_ERROR, CURLE_SEND_ERROR, CURLE_HTTP2,
            CURLE_HTTP2_STREAM, CURLE_SSL_CONNECT_ERROR:
            return .transient(brokenOff)
        case CURLE_TOO_MANY_REDIRECTS:
            return .refused(
                .init(
                    "the server redirects without end", expected: "at most \(options.redirects) redirects",
                    found: redirectTarget.map { "one more, to \($0)" }))
        case CURLE_UNSUPPORTED_PROTOCOL:
            guard let last = lastURL, last != shownURL(curlURL(url)) else {
                return .refused(.init("the URL is not http, https or file"))
            }
            return .refused(.init("the server redirects to a URL that is not http or https", found: last))
        case CURLE_URL_MALFORMAT: return .refused(.init("the URL is malformed"))
        case CURLE_PEER_FAILED_VERIFICATION:
            return .refused(.init("the server's certificate could not be verified"))
        default: return .refused(.init("the transfer failed: \(String(cString: curl_easy_strerror(code)))"))
        }
    }

    /// The server closed the connection before the file was whole.
    var brokenOff: AttemptFailure.Problem { .init("the transfer broke off after \(received) bytes") }

    private func reason(_ stop: Stop) -> AttemptFailure.Reason {
        switch stop {
        case .storage(let error): return .storage(error)
        case .announced(let total):
            return .wrongSize(.size(expected: "\(size ?? 0) bytes", found: "\(total) bytes"))
        case .tooLarge:
            if case .memory(let limit) = sink, limit < size ?? .max {
                return .wrongSize(.size(expected: "at most \(limit) bytes", found: "more than \(limit) bytes"))
            }
            return .wrongSize(.size(expected: "\(size ?? 0) bytes", found: "more than \(size ?? 0) bytes"))
        case .otherPart(let found):
            return .transient(
                .init(
                    "the server sent another part of the file than was asked for", expected: "byte \(offset) first",
                    found: found))
        }
    }

    private func reason(_ answer: ServerAnswer, _ options: DownloadOptions) -> AttemptFailure.Reason {
        switch answer.status {
        case 404, 410: return .missing
        case 408, 425, 429, 500...599:
            let wait = answer.wait(now: options.now())
            let asked = wait.map { ", and asks to wait \($0.components.seconds) s" } ?? ""
            return .transient(
                .init("the server has trouble: HTTP status \(answer.status)\(asked)"), wait: wait)
        default: return .refused(.init("the server refuses the file: HTTP status \(answer.status)"))
        }
    }
}
