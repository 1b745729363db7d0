import CCurl
import Diagnostics
import Digests
import Dispatch
import Foundation
import Storage
import Synchronization
import SystemPackage

/// A cache that several machines share, over HTTP, in the layout of Bazel's remote cache (bazel.build, "Remote Caching", HTTP caching
/// protocol): GET and PUT of `/cas/SHA256` and of `/ac/KEY`, so that bazel-remote, or nginx with DAV, serves it.
///
/// An entry is one file. `/ac/KEY` says what its digest is (``ActionResult``), `/cas/DIGEST` is the file. Whatever goes wrong costs a
/// known time, a line of progress, and no more: after two failures the cache is left alone.
package final class HTTPSharedCache: SharedCache {
    /// How the cache is used. Nothing here reaches an output.
    package struct Settings: Sendable {
        /// Nothing is put there.
        package var isReadOnly = false
        /// How long a connection may take to stand.
        package var connectTimeout: Duration = .seconds(2)
        /// How long a transfer may all but stand still.
        package var stallTimeout: Duration = .seconds(4)
        /// How long a transfer may take, in seconds, when its bytes are not counted.
        package var patience = 10
        /// Bytes a second that a transfer must reach beyond that.
        package var leastSpeed: UInt64 = 1 << 20
        /// After so many failures the cache is left alone.
        package var failures = 2
        /// How many uploads may wait.
        package var waiting = 64
        /// How long the end of a build waits for uploads.
        package var farewell: Duration = .seconds(10)
        /// The proxies to go through.
        package var proxies = ProxySettings(environment: [:])

        package init() {}
    }

    /// What one build had of the cache.
    package struct Counts: Sendable, Equatable {
        /// Entries taken from it.
        package var taken = 0
        /// Entries put there.
        package var put = 0
        /// Entries that could not be put there, or not in time.
        package var left = 0
    }

    private struct State {
        var counts = Counts()
        var failures = 0
        var isLeftAlone = false
        var putFailures = 0
        var takesUploads: Bool
        var waiting = 0
        var isClosed = false
        var handles: [Handle] = []
    }

    /// A curl easy handle with its connections. One thread at a time has it, hence `@unchecked Sendable`.
    private final class Handle: @unchecked Sendable {
        let pointer: UnsafeMutableRawPointer
        init(_ pointer: UnsafeMutableRawPointer) { self.pointer = pointer }
        deinit { curl_easy_cleanup(pointer) }
    }

    private let base: String
    private let salt: String
    private let settings: Settings
    private let progress: any ProgressReporter
    private let state: Mutex<State>
    private let uploads = DispatchQueue(label: "piforge.cache.upload")
    private let underWay = DispatchGroup()

    /// The URL, without a user's name and password.
    package var shownBase: String { shownURL(base) }

    /// - Parameters:
    ///   - url: `http://[USER:PASSWORD@]HOST[:PORT][/PREFIX]`, or `https:`.
    ///   - salt: entries of another salt are others: the version of what shapes them.
    /// - Throws: `Failure` of kind usage for another URL; it does not show a password.
    package init(_ url: String, salt: String, settings: Settings = Settings(), progress: any ProgressReporter) throws {
        guard ["http://", "https://"].contains(where: { url.lowercased().hasPrefix($0) }),
            let parsed = URL(string: url),
            let host = parsed.host, !host.isEmpty, parsed.query == nil, parsed.fragment == nil
        else {
            throw Failure(
                .usage, at: "--remote-cache", "this is not the URL of a cache",
                expected: "http://HOST[:PORT][/PREFIX], or https:", found: shownURL(url))
        }
        // As the downloads do: libcurl is set up once, before any thread uses it.
        _ = try CurlMulti(connections: 1)
        base = String(url.reversed().drop { $0 == "/" }.reversed())
        self.salt = salt
        self.settings = settings
        self.progress = progress
        state = Mutex(State(takesUploads: !settings.isReadOnly))
    }

    /// What was taken and put so far.
    package var counts: Counts { state.withLock { $0.counts } }

    // MARK: Taking

    /// Waits for the answer. Whatever goes wrong is an entry that is not there; so is one that the disk has no room for.
    package func fetch(_ key: SHA256Digest, limit: UInt64, into file: OpenFile) -> Bool {
        guard isInUse else { return false }
        let record = CacheRequest(into: .memory, limit: UInt64(ActionResult.limit)) { Task.isCancelled }
        guard answered(perform(record, "ac/\(name(of: key))", bytes: 0)) else { return false }
        guard let result = ActionResult(record.bytes) else {
            fail("what it has under a key is no record of an entry", tells: true)
            return false
        }
        guard result.size <= limit else {
            fail("an entry has \(result.size) bytes, more than it may", tells: true)
            return false
        }
        if let free = freeSpace(at: file.path.removingLastComponent()), free < result.size { return false }
        let request = CacheRequest(into: .file(file), limit: result.size) { Task.isCancelled }
        guard answered(perform(request, "cas/\(result.digest.hex)", bytes: result.size)) else { return false }
        guard request.count == result.size, request.digest() == result.digest else {
            fail("an entry is not what its digest says; it is not used", tells: true)
            return false
        }
        state.withLock { $0.counts.taken += 1 }
        return true
    }

    /// Takes the entry off ``counts``, and counts a failure.
    package func reject(_ key: SHA256Digest, because reason: String) {
        state.withLock { $0.counts.taken -= 1 }
        fail("\(reason); it is not used", tells: true)
    }

    private var isInUse: Bool { state.withLock { !$0.isLeftAlone } }

    /// Whether an answer brought what was asked for; what did not is counted.
    private func answered(_ answer: CacheRequest.Answer) -> Bool {
        switch answer {
        case .status(200): return true
        case .status(404), .status(410), .abandoned: break
        case .status(401), .status(403), .status(407):
            if case .status(let code) = answer { leaveAlone("it refuses with HTTP status \(code)") }
        case .status(let code): fail("HTTP status \(code)")
        case .tooLarge: fail("an entry is larger than it says; it is not used", tells: true)
        case .failed(let reason): fail(reason)
        }
        return false
    }

    /// Counts a failure; after the last one that is put up with, the cache is left alone.
    private func fail(_ reason: String, tells: Bool = false) {
        let (failures, isInUse) = state.withLock { state in
            state.failures += 1
            return (state.failures, !state.isLeftAlone)
        }
        guard isInUse else { return }
        if failures >= settings.failures { return leaveAlone(reason) }
        if tells { tell(reason) }
    }

    private func leaveAlone(_ reason: String) {
        let isNew = state.withLock { state in
            defer { (state.isLeftAlone, state.takesUploads) = (true, false) }
            return !state.isLeftAlone
        }
        if isNew { tell("\(reason); the shared cache is left alone") }
    }

    private func tell(_ text: String) {
        progress.report(.note(step: "shared cache", text: "\(shownBase): \(text)"))
    }

    // MARK: Putting

    /// Returns at once; one file after the other is put. Drops it while as many wait as may, and where the cache takes none.
    package func offer(_ key: SHA256Digest, _ path: FilePath) {
        let isTaken = state.withLock { state in
            guard state.takesUploads, !state.isClosed else { return false }
            guard state.waiting < settings.waiting else {
                state.counts.left += 1
                return false
            }
            state.waiting += 1
            return true
        }
        guard isTaken else { return }
        uploads.async(group: underWay) { [self] in
            let isPut = put(key, path)
            state.withLock { state in
                state.waiting -= 1
                if isPut { state.counts.put += 1 } else { state.counts.left += 1 }
            }
        }
    }

    /// Puts the file first, and then what leads to it.
    private func put(_ key: SHA256Digest, _ path: FilePath) -> Bool {
        let isStopped = { [self] in state.withLock { $0.isClosed || !$0.takesUploads } }
        guard !isStopped(), let file = try? OpenFile.reading(path), let size = try? file.size(),
            let digest = try? SHA256Digest.of(file: path)
        else { return false }
        let result = ActionResult(digest: digest, size: size)
        let content = CacheRequest(sending: (file, size), isStopped: isStopped)
        guard accepted(perform(content, "cas/\(digest.hex)", isUpload: true, bytes: size)) else { return false }
        let record = CacheRequest(body: result.bytes, isStopped: isStopped)
        return accepted(perform(record, "ac/\(name(of: key))", isUpload: true, bytes: 0))
    }

    private func accepted(_ answer: CacheRequest.Answer) -> Bool {
        let reason: String
        switch answer {
        // nginx answers 201 and 204.
        case .status(200..<300): return true
        case .status(let code): reason = "HTTP status \(code)"
        case .failed(let text): reason = text
        case .tooLarge: reason = "an answer without end"
        case .abandoned: return false
        }
        let tells = state.withLock { state in
            state.putFailures += 1
            // A server that takes nothing says so at once.
            guard state.takesUploads, state.putFailures >= settings.failures || reason.hasPrefix("HTTP status 4") else {
                return false
            }
            state.takesUploads = false
            return true
        }
        if tells { tell("it takes no uploads (\(reason)); nothing more is put there") }
        return false
    }

    /// Waits a little for the uploads that are under way, drops the others, and says what the build had of the cache.
    ///
    /// - Parameter waits: false drops all at once, for a build that failed.
    package func close(waits: Bool = true) {
        if waits { _ = underWay.wait(timeout: .now() + .milliseconds(milliseconds(settings.farewell))) }
        state.withLock { $0.isClosed = true }
        // What is still under way looks up once a second.
        underWay.wait()
        guard waits, isInUse else { return }
        let counts = counts
        let left = counts.left > 0 ? ", \(counts.left) not, or not in time" : ""
        tell("\(counts.taken) entries taken, \(counts.put) put there\(left)")
    }

    // MARK: Requests

    /// The key as the cache knows it, which it may share with other programs.
    private func name(of key: SHA256Digest) -> String {
        let hasher = KeyHasher(purpose: "piforge shared cache 1")
        hasher.add(salt)
        hasher.add(key)
        return hasher.finalize().hex
    }

    private func perform(
        _ request: CacheRequest, _ path: String, isUpload: Bool = false, bytes: UInt64
    ) -> CacheRequest.Answer {
        let idle = state.withLock { $0.handles.popLast() }
        guard let handle = idle ?? curl_easy_init().map(Handle.init) else { return .failed("no memory is left") }
        defer { state.withLock { $0.handles.append(handle) } }
        let seconds = settings.patience + Int(clamping: bytes / max(1, settings.leastSpeed))
        return request.perform(
            handle.pointer, url: "\(base)/\(path)", isUpload: isUpload, seconds: min(seconds, 1 << 20), settings)
    }
}
