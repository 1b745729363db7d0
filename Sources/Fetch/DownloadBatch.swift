import CCurl
import Diagnostics
import Digests
import Synchronization

/// What became of one download.
public enum DownloadOutcome: Sendable {
    case stored(StoredFile)
    /// Every mirror answered that it has no such file; the failure says so.
    case notFound(Failure)
}

/// Several downloads driven to their end by one thread.
///
/// A job goes through its mirrors in order. When all have failed and one of the failures was transient, the mirrors
/// with transient failures are tried again after a wait, up to the options' number of rounds. The first failure that
/// is final, other than "not found", ends the batch: a host that is down is not asked for the other 200 files.
final class DownloadBatch {
    private struct Job {
        let request: DownloadRequest
        var round = 1
        /// The mirrors still to try in this round.
        var urls: ArraySlice<String>
        /// The failures of this round.
        var failures: [AttemptFailure] = []
        var notBefore: ContinuousClock.Instant?
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
    private let clock = ContinuousClock()
    private var jobs: [Job]
    private var waiting: [Int]
    private var products: [Product?]
    private var completedBytes: UInt64 = 0

    /// - Parameter memoryLimit: when given, the files are kept in memory and may have at most so many bytes.
    init(
        _ requests: [DownloadRequest], store: DownloadStore, options: DownloadOptions, multi: CurlMulti,
        memoryLimit: UInt64? = nil
    ) {
        self.store = store
        self.options = options
        self.multi = multi
        self.memoryLimit = memoryLimit
        jobs = requests.map { Job(request: $0, urls: $0.urls[...]) }
        waiting = Array(jobs.indices.reversed())
        products = Array(repeating: nil, count: jobs.count)
    }

    /// Drives all transfers; returns when every job has its product.
    ///
    /// - Parameters:
    ///   - isCancelled: asked after every wait.
    ///   - report: takes the bytes received so far, now and then.
    func run(isCancelled: () -> Bool, report: (UInt64) -> Void) throws -> [Product] {
        var reported = clock.now
        while true {
            if isCancelled() { throw CancellationError() }
            try startJobs()
            for (transfer, code) in try multi.perform() { try finish(transfer, code) }
            if clock.now - reported >= .milliseconds(100) {
                report(multi.active.reduce(completedBytes) { $0 + $1.received })
                reported = clock.now
            }
            if multi.count == 0, waiting.isEmpty { break }
            // Without a transfer under way the next job is due later: wait for it.
            let due = jobs.indices.filter { waiting.contains($0) }.compactMap { jobs[$0].notBefore }.min()
            let pause = due.map { max(0, min(250, milliseconds($0 - clock.now))) } ?? 250
            if multi.count < options.parallel, waiting.contains(where: { isDue($0) }) { continue }
            try multi.wait(milliseconds: Int32(pause))
        }
        report(completedBytes)
        return products.map { $0 ?? .notFound(CancellationError()) }
    }

    private func isDue(_ job: Int) -> Bool { jobs[job].notBefore.map { $0 <= clock.now } ?? true }

    private func startJobs() throws {
        while multi.count < options.parallel, let place = waiting.lastIndex(where: { isDue($0) }) {
            let job = waiting.remove(at: place)
            guard let url = jobs[job].urls.popFirst() else {
                try settle(job)
                continue
            }
            let request = jobs[job].request
            let sink: CurlTransfer.Sink =
                if let memoryLimit { .memory(limit: memoryLimit) } else { .file(try store.newPartial()) }
            try multi.add(CurlTransfer(job: job, url: url, size: request.size, sink: sink, options: options))
        }
    }

    private func finish(_ transfer: CurlTransfer, _ code: CURLcode) throws {
        let request = jobs[transfer.job].request
        if code == CURLE_OK {
            let digest = transfer.digest()
            if let size = request.size, size != transfer.received {
                fail(transfer, .wrongSize(expected: "\(size) bytes", found: "\(transfer.received) bytes"))
            } else if let expected = request.sha256, expected != digest {
                fail(transfer, .wrongDigest(expected: expected, found: digest))
            } else {
                completedBytes += transfer.received
                switch transfer.sink {
                case .memory: products[transfer.job] = .bytes(transfer.bytes)
                case .file(let partial):
                    products[transfer.job] = .stored(
                        try store.keep(partial, as: digest, size: transfer.received))
                }
            }
        } else {
            let failure = transfer.failure(code, expected: request.size)
            if case .storage(let error) = failure.reason { throw error }
            fail(transfer, failure.reason)
        }
    }

    private func fail(_ transfer: CurlTransfer, _ reason: AttemptFailure.Reason) {
        jobs[transfer.job].failures.append(AttemptFailure(url: transfer.url, reason: reason))
        // The next mirror comes before any job that has not begun.
        waiting.append(transfer.job)
    }

    /// A job has no mirror left in this round: another round, or the end.
    private func settle(_ index: Int) throws {
        let job = jobs[index]
        let again = job.failures.filter(\.isTransient).map(\.url)
        if !again.isEmpty, job.round < options.rounds {
            jobs[index].notBefore = clock.now + options.backOff * (1 << (job.round - 1))
            jobs[index].round += 1
            jobs[index].urls = again[...]
            jobs[index].failures.removeAll(where: \.isTransient)
            waiting.append(index)
            return
        }
        let (isMissing, error) = AttemptFailure.summary(job.failures, name: job.request.name)
        guard isMissing else { throw error }
        products[index] = .notFound(error)
    }
}
