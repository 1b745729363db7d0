import Diagnostics
import Digests
import Foundation
import Storage
import Synchronization

/// Downloads files into a store, several at a time, each proven by its size and SHA-256 while it arrives.
package struct Downloader: Sendable {
    /// Where files are looked for first, and where they go.
    package let store: DownloadStore
    package let options: DownloadOptions
    private let progress: any ProgressReporter

    package init(
        store: DownloadStore, options: DownloadOptions = DownloadOptions(),
        progress: any ProgressReporter = SilentProgress()
    ) {
        self.store = store
        self.options = options
        self.progress = progress
    }

    /// Brings every file into the store; what is there already (by digest and size) is not downloaded.
    ///
    /// - Parameters:
    ///   - step: the step that the progress is reported for.
    ///   - check: how much of a file that is in the store already is compared.
    /// - Returns: the stored files, in the order of the requests.
    /// - Throws: `Failure` for the first download that failed on every mirror, or a full disk; `CancellationError`.
    package func fetch(
        _ requests: [DownloadRequest], step: String = "download", check: DownloadStore.Check = .size
    ) async throws -> [StoredFile] {
        try await fetchWhatExists(requests, step: step, check: check).map {
            switch $0 {
            case .stored(let file): return file
            case .notFound(let failure): throw failure
            }
        }
    }

    /// As ``fetch(_:step:check:)``, but a file that no mirror has is reported and not thrown.
    ///
    /// - Returns: one outcome for each request, in order.
    package func fetchWhatExists(
        _ requests: [DownloadRequest], step: String = "download", check: DownloadStore.Check = .size
    ) async throws -> [DownloadOutcome] {
        var outcomes: [DownloadOutcome?] = []
        var wanted: [Int] = []
        var places: [SHA256Digest: Int] = [:]
        for (index, request) in requests.enumerated() {
            let stored = try request.sha256.flatMap { try store.file($0, size: request.size, check: check) }
            outcomes.append(stored.map { .stored($0) })
            guard stored == nil else { continue }
            if let digest = request.sha256 {
                if places[digest] != nil { continue }
                places[digest] = index
            }
            wanted.append(index)
        }
        if !wanted.isEmpty {
            let fetched = wanted.map { requests[$0] }
            try checkFreeSpace(for: fetched)
            let detail = Self.detail(fetched)
            progress.report(.started(step: step, detail: detail))
            let products = try await run(fetched, memoryLimit: nil, step: step)
            for (index, product) in zip(wanted, products) { outcomes[index] = try Self.outcome(product) }
            progress.report(.finished(step: step, detail: detail, cached: false))
        }
        // A request for the same bytes as an earlier one shares its outcome.
        for (index, request) in requests.enumerated() where outcomes[index] == nil {
            if let first = request.sha256.flatMap({ places[$0] }) { outcomes[index] = outcomes[first] }
        }
        return outcomes.compactMap { $0 }
    }

    /// Gets a small answer into memory; nothing is stored.
    ///
    /// - Parameter limit: the most bytes that are taken.
    /// - Returns: nil when every mirror answered that it has no such file.
    /// - Throws: as ``fetch(_:step:check:)``.
    package func bytes(_ request: DownloadRequest, limit: Int = 16 << 20, step: String = "download") async throws
        -> [UInt8]?
    {
        let products = try await run([request], memoryLimit: UInt64(limit), step: step)
        guard case .bytes(let bytes)? = products.first else { return nil }
        return bytes
    }

    /// What a download is of: the one file's name, or how many there are.
    private static func detail(_ requests: [DownloadRequest], completed: Int? = nil) -> String {
        if requests.count == 1 { return requests[0].name }
        return (completed.map { "\($0) of " } ?? "") + "\(requests.count) files"
    }

    private static func outcome(_ product: DownloadBatch.Product) throws -> DownloadOutcome? {
        switch product {
        case .stored(let file): return .stored(file)
        case .bytes: return nil
        case .notFound(let error as Failure): return .notFound(error)
        case .notFound(let error): throw error
        }
    }

    /// Refuses to begin what the disk cannot hold.
    private func checkFreeSpace(for requests: [DownloadRequest]) throws {
        var needed: UInt64 = 0
        for size in requests.compactMap(\.size) {
            let (sum, overflow) = needed.addingReportingOverflow(size)
            needed = overflow ? .max : sum
        }
        let purpose = requests.count == 1 ? "for the download" : "for \(requests.count) downloads"
        try requireRoom(needed, at: store.root, purpose)
    }

    /// Runs a batch on a thread of its own; cancelling the task ends it at once.
    private func run(_ requests: [DownloadRequest], memoryLimit: UInt64?, step: String) async throws
        -> [DownloadBatch.Product]
    {
        let multi = try CurlMulti(connections: options.parallel)
        let cancelled = CancellationFlag()
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                Thread.detachNewThread {
                    let batch = DownloadBatch(
                        requests, store: store, options: options, multi: multi, memoryLimit: memoryLimit
                    ) { progress.report(.note(step: step, text: $0)) }
                    let result = Result {
                        try batch.run(isCancelled: { cancelled.isSet }) { bytes, total, completed in
                            progress.report(
                                .advanced(
                                    step: step, completed: bytes, total: total, unit: .bytes,
                                    detail: Self.detail(requests, completed: completed)))
                        }
                    }
                    // Before the caller goes on: it must find nothing under way any more.
                    batch.close()
                    continuation.resume(with: result)
                }
            }
        } onCancel: {
            cancelled.set()
            multi.wake()
        }
    }
}

/// Set once, from any thread.
private final class CancellationFlag: Sendable {
    private let flag = Atomic<Bool>(false)
    var isSet: Bool { flag.load(ordering: .acquiring) }
    func set() { flag.store(true, ordering: .releasing) }
}
