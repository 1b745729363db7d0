import Digests
import Dispatch
import Storage
import Synchronization

/// Digests a file that grows, on a queue of its own and a little behind the writer, so that a fast transfer does not wait
/// for the digest. The bytes are read back from the file, which the kernel still has in memory.
///
/// All state is touched on the queue only, but for what never changes and what is atomic; hence `@unchecked Sendable`.
final class FileDigester: @unchecked Sendable {
    private let file: OpenFile
    private let queue = DispatchQueue(label: "piforge.digest", qos: .userInitiated)
    private let hasher = SHA256Hasher()
    private let others: [ChecksumHasher]
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 256 << 10, alignment: 16)
    /// Bytes that are digested.
    private var position: UInt64 = 0
    private var error: (any Error)?
    /// Whether what is still to be digested is not wanted any more.
    private let isStopped = Atomic<Bool>(false)

    /// - Parameter algorithms: digests wanted besides the SHA-256.
    init(_ file: OpenFile, others algorithms: [ChecksumAlgorithm]) {
        self.file = file
        others = algorithms.map { ChecksumHasher($0) }
    }

    deinit { buffer.deallocate() }

    /// Says that the file has so many bytes now; they are digested in the background.
    func advance(to count: UInt64) { queue.async { self.digest(to: count) } }

    /// Forgets all bytes: the file starts anew, or is left. Nothing reads it afterwards.
    func restart() {
        isStopped.store(true, ordering: .releasing)
        queue.sync {
            _ = finalize()
            error = nil
            isStopped.store(false, ordering: .releasing)
        }
    }

    /// The digests of the file's first `count` bytes, once they are there. The digester starts afresh afterwards.
    ///
    /// - Throws: `Failure` when the file could not be read.
    func finish(at count: UInt64) throws -> (sha256: SHA256Digest, others: [Checksum]) {
        try queue.sync {
            digest(to: count)
            let digests = finalize()
            if let error {
                self.error = nil
                throw error
            }
            return digests
        }
    }

    private func finalize() -> (sha256: SHA256Digest, others: [Checksum]) {
        position = 0
        return (hasher.finalize(), others.map { Checksum(finished: $0) })
    }

    private func digest(to count: UInt64) {
        while position < count, error == nil, !isStopped.load(ordering: .acquiring) {
            let length = Int(min(UInt64(buffer.count), count - position))
            let piece = UnsafeMutableRawBufferPointer(rebasing: buffer[..<length])
            do { try file.readExactly(at: position, into: piece) } catch {
                self.error = error
                return
            }
            hasher.update(UnsafeRawBufferPointer(piece))
            for other in others { other.update(UnsafeRawBufferPointer(piece)) }
            position += UInt64(length)
        }
    }
}
