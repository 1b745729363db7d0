import CCurl
import Diagnostics
import Digests
import Synchronization

/// What became of one download.
package enum DownloadOutcome: Sendable {
    case stored(StoredFile)
    /// Every mirror answered that it has no such file; the failure says so.
    case notFound(Failure)
}

/// Several downloads driven to their end by one thread.
///
/// A job goes through its mirrors in order. When all have failed and one of the failures was transient, the mirrors
/// with transient failures are tried again after a wait, up to the options' number of rounds; what has arrived is gone on
/// with. The first failure that is final, other than "not found", ends the batch: a host that is down is not asked for the
/// other 200 files.
final class DownloadBatch {
    private struct Mirror {
        var url: String
        var notBefore: ContinuousClock.Instant?
    }

    private struct Job {
        let request: DownloadRequest
        var round = 1
        /// The mirrors still to try in this round.
        var mirrors: [Mirror]
        /// The last failure of each mirror that has failed.
        var failures: [AttemptFailure] = []
        var notBefore: ContinuousClock.Instant?
        /// What has arrived so far; nil before the first try, and in memory.
        var partial: PartialFile?
        /// Bytes of the finished file.
        var size: UInt64?
        /// Whether what earlier tries had left was thrown away.
        var hasStartedOver = false
        /// Whether it was told that another download has the file.
        var hasWaited = false
    }

    /// What a finished job left.
    enum Product {
        case stored(StoredFile)
        case bytes([UInt8])
        case notFound(any Error)
    }

    private let store: DownloadStore
    private let options: DownloadOptions
    private let multi: CurlMulti
    private let memoryLimit: UInt64?
    private let note: (String) -> Void
    private let clock = ContinuousClock()
    private var jobs: [Job]
    private var waiting: [Int]
    private var products: [Product?]
    private var completedBytes: UInt64 = 0

    /// How many jobs have their product.
    private(set) var completedJobs = 0

    /// - Parameters:
    ///   - memoryLimit: when given, the files are kept in memory and may have at most so many bytes.
    ///   - note: takes what a person should know meanwhile.
    init(
        _ requests: [DownloadRequest], store: DownloadStore, options: DownloadOptions, multi: CurlMulti,
        memoryLimit: UInt64?, note: @escaping (String) -> Void
    ) {
        self.store = store
        self.options = options
        self.multi = multi
        self.memoryLimit = memoryLimit
        self.note = note
        jobs = requests.map { Job(request: $0, mirrors: $0.urls.map { Mirror(url: $0) }) }
        waiting = Array(jobs.indices.reversed())
        products = Array(repeating: nil, count: jobs.count)
    }

    /// Drives all transfers; returns when every job has its product.
    ///
    /// - Parameters:
    ///   - isCancelled: asked after every wait.
    ///   - report: takes the bytes that are there, those of all files where that is known, and the number of finished jobs,
    ///     now and then.
    func run(isCancelled: () -> Bool, report: (UInt64, UInt64?, Int) -> Void) throws -> [Product] {
        var reported: ContinuousClock.Instant?
        while true {
            if isCancelled() { throw CancellationError() }
            try startJobs()
            for (transfer, code) in try multi.perform() { try finish(transfer, code) }
            if reported.map({ clock.now - $0 >= .milliseconds(100) }) ?? true {
                report(arrived, total, completedJobs)
                reported = clock.now
            }
            if multi.count == 0, waiting.isEmpty { break }
            // Without a transfer under way the next job is due later: wait for it.
            let due = waiting.compactMap { dueTime($0) }.min()
            let pause = due.map { max(0, min(250, milliseconds($0 - clock.now))) } ?? 250
            if multi.count < options.parallel, waiting.contains(where: { isDue($0) }) { continue }
            try multi.wait(milliseconds: Int32(pause))
        }
        report(completedBytes, total, completedJobs)
        return products.map { $0 ?? .notFound(CancellationError()) }
    }

    /// Ends all transfers, and leaves what has arrived for later downloads.
    func close() {
        multi.abandon()
        for job in jobs.indices {
            jobs[job].partial?.release()
            jobs[job].partial = nil
        }
    }

    /// Bytes of finished and of unfinished files.
    private var arrived: UInt64 {
        let files = jobs.reduce(completedBytes) { $0 + ($1.partial?.count ?? 0) }
        return memoryLimit == nil ? files : multi.active.reduce(files) { $0 + $1.received }
    }

    /// Bytes of all files: as they must be, or as the servers tell; nil while one is not known.
    private var total: UInt64? {
        var sum: UInt64 = 0
        for job in jobs {
            guard let size = job.size ?? job.request.size ?? job.partial?.origin?.total else { return nil }
            sum = sum.addingReportingOverflow(size).partialValue
        }
        return sum
    }

    /// When a waiting job may go on; nil for at once.
    private func dueTime(_ job: Int) -> ContinuousClock.Instant? {
        if let time = jobs[job].notBefore { return time }
        let times = jobs[job].mirrors.map(\.notBefore)
        return times.contains(nil) ? nil : times.compactMap { $0 }.min()
    }

    private func isDue(_ job: Int) -> Bool { dueTime(job).map { $0 <= clock.now } ?? true }

    private func startJobs() throws {
        while multi.count < options.parallel, let place = waiting.lastIndex(where: { isDue($0) }) {
            try start(waiting.remove(at: place))
        }
    }

    /// Takes a job to its next mirror.
    private func start(_ job: Int) throws {
        jobs[job].notBefore = nil
        let now = clock.now
        guard let next = jobs[job].mirrors.firstIndex(where: { $0.notBefore.map { $0 <= now } ?? true }) else {
            return try settle(job)
        }
        let request = jobs[job].request
        let url = jobs[job].mirrors[next].url
        guard let memoryLimit else {
            if try takePartial(job), let partial = jobs[job].partial {
                jobs[job].mirrors.remove(at: next)
                try startFile(job, url, partial)
            }
            return
        }
        jobs[job].mirrors.remove(at: next)
        if let reason = problem(ofLocal: url) { return fail(job, url, reason) }
        try multi.add(
            CurlTransfer(
                job: job, url: url, size: request.size, sink: .memory(limit: memoryLimit), resumes: false,
                options: options, headers: request.headers))
    }

    /// Makes the job's partial file this job's own.
    ///
    /// - Returns: false when the job is done with or has to wait, since another download has the file.
    private func takePartial(_ job: Int) throws -> Bool {
        guard jobs[job].partial == nil else { return true }
        let request = jobs[job].request
        guard let partial = try store.partial(for: request) else {
            if !jobs[job].hasWaited { note("waits for another download of \(request.name) into the same store") }
            jobs[job].hasWaited = true
            jobs[job].notBefore = clock.now + .milliseconds(50)
            waiting.insert(job, at: 0)
            return false
        }
        // The other download may have stored it meanwhile.
        if let digest = request.sha256, let file = try store.file(digest, size: request.size, check: .size) {
            partial.release()
            end(job, .stored(file), bytes: file.size)
            return false
        }
        jobs[job].partial = partial
        return true
    }

    private func startFile(_ job: Int, _ url: String, _ partial: PartialFile) throws {
        let request = jobs[job].request
        if let reason = problem(ofLocal: url) { return fail(job, url, reason) }
        var resumes = false
        if partial.count > 0, isRemote(url) {
            // Bytes of another mirror, or of who knows which version, are gone on with only where a digest proves the whole.
            let isSameFile = partial.origin?.url == shownURL(url) && partial.origin?.validator != nil
            resumes = request.isPinned || isSameFile
            if request.isPinned, let total = request.size ?? partial.origin?.total, partial.count >= total {
                return try complete(job, url)
            }
        }
        try multi.add(
            CurlTransfer(
                job: job, url: url, size: request.size, sink: .file(partial), resumes: resumes, options: options,
                headers: request.headers))
    }

    private func finish(_ transfer: CurlTransfer, _ code: CURLcode) throws {
        let (job, url) = (transfer.job, transfer.url)
        // An answer without a byte has not been looked at yet.
        if code == CURLE_OK, transfer.begin() {
            switch transfer.sink {
            case .file(let partial):
                if let total = transfer.total, partial.count < total {
                    return fail(job, url, .transient(transfer.brokenOff))
                }
                return try complete(job, url)
            case .memory:
                if let reason = mismatch(jobs[job].request, transfer.bytes) { return fail(job, url, reason) }
                return end(job, .bytes(transfer.bytes), bytes: transfer.received)
            }
        }
        if transfer.offset > 0, let partial = jobs[job].partial {
            let answer = transfer.answer
            // The file ends where the bytes that are there end: all of it is there.
            if answer.status == 416, answer.contentRange?.total == partial.count { return try complete(job, url) }
            if answer.status == 416 { return try startOver(job, url) }
            if case .otherPart = transfer.stop { return try startOver(job, url) }
        }
        let reason = transfer.failure(code, options: options)
        switch reason {
        case .storage(let error): throw error
        case .wrongSize where transfer.offset > 0 && !jobs[job].hasStartedOver:
            try startOver(job, url)
        case .wrongSize:
            try jobs[job].partial?.restart()
            fail(job, url, reason)
        default: fail(job, url, reason)
        }
    }

    /// Throws away what has arrived, and asks the same mirror again.
    private func startOver(_ job: Int, _ url: String) throws {
        try jobs[job].partial?.restart()
        jobs[job].hasStartedOver = true
        jobs[job].mirrors.insert(Mirror(url: url), at: 0)
        waiting.append(job)
    }

    /// All bytes are there: proves and stores them.
    private func complete(_ job: Int, _ url: String) throws {
        guard let partial = jobs[job].partial else { return }
        let (digest, others) = try partial.digests()
        guard let reason = mismatch(jobs[job].request, size: partial.count, digest, others) else {
            let file = try store.keep(partial, as: digest)
            jobs[job].partial = nil
            return end(job, .stored(file), bytes: file.size)
        }
        // Pieces of different files, perhaps: only one that came in one go is the mirror's fault.
        if partial.isMixed, !jobs[job].hasStartedOver { return try startOver(job, url) }
        try partial.restart()
        fail(job, url, reason)
    }

    private func mismatch(_ request: DownloadRequest, _ bytes: [UInt8]) -> AttemptFailure.Reason? {
        mismatch(
            request, size: UInt64(bytes.count), .of(bytes), request.checksums.map { .of(bytes, $0.algorithm) })
    }

    private func mismatch(
        _ request: DownloadRequest, size: UInt64, _ digest: SHA256Digest, _ others: [Checksum]
    ) -> AttemptFailure.Reason? {
        if let wanted = request.size, wanted != size {
            return .wrongSize(.size(expected: "\(wanted) bytes", found: "\(size) bytes"))
        }
        if let wanted = request.sha256, wanted != digest {
            return .wrongDigest(.digest(expected: Checksum(wanted), found: Checksum(digest)))
        }
        for (wanted, found) in zip(request.checksums, others) where wanted != found {
            return .wrongDigest(.digest(expected: wanted, found: found))
        }
        return nil
    }

    private func end(_ job: Int, _ product: Product, bytes: UInt64) {
        products[job] = product
        jobs[job].size = bytes
        completedBytes += bytes
        completedJobs += 1
    }

    private func fail(_ job: Int, _ url: String, _ reason: AttemptFailure.Reason) {
        jobs[job].failures.removeAll { $0.url == url }
        jobs[job].failures.append(AttemptFailure(url: url, reason: reason))
        // The next mirror comes before any job that has not begun.
        waiting.append(job)
    }

    /// A job has no mirror left in this round: another round, or the end.
    private func settle(_ index: Int) throws {
        let job = jobs[index]
        let again = job.failures.filter(\.isTransient)
        if !again.isEmpty, job.round < options.rounds {
            let backOff = options.backOff * (1 << min(job.round - 1, 16))
            jobs[index].round += 1
            jobs[index].mirrors = again.map { failure in
                let wait = max(backOff, min(failure.wait ?? .zero, options.retryAfterLimit))
                return Mirror(url: failure.url, notBefore: clock.now + wait)
            }
            waiting.append(index)
            return
        }
        jobs[index].partial?.release()
        jobs[index].partial = nil
        let (isMissing, error) = AttemptFailure.summary(job.failures, name: job.request.name)
        guard isMissing else { throw error }
        end(index, .notFound(error), bytes: 0)
    }
}
