import Storage
import Synchronization

/// A byte source of which stretches are kept in memory once they were read.
///
/// Reading scattered things of a packed disk one by one would unpack the same blocks again and again. What is known to be
/// needed is read in the disk's order instead, once, and held.
final class HeldSource: ByteSource {
    /// The most that is held, in bytes.
    static let limit: UInt64 = 96 << 20

    private struct Stretch {
        var start: UInt64
        var bytes: [UInt8]
    }

    private let base: any ByteSource
    /// Ordered by their starts.
    private let stretches = Mutex<[Stretch]>([])

    init(_ base: any ByteSource) { self.base = base }

    var size: UInt64 { base.size }

    func nextData(from offset: UInt64) throws -> Range<UInt64>? { try base.nextData(from: offset) }

    func read(at offset: UInt64, into buffer: UnsafeMutableRawBufferPointer) throws {
        let isHeld = stretches.withLock { stretches -> Bool in
            guard let index = Self.index(of: offset, in: stretches) else { return false }
            let stretch = stretches[index]
            let start = Int(offset - stretch.start)
            guard start <= stretch.bytes.count, buffer.count <= stretch.bytes.count - start else { return false }
            stretch.bytes.withUnsafeBytes {
                buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0[start..<start + buffer.count]))
            }
            return true
        }
        if !isHeld { try base.read(at: offset, into: buffer) }
    }

    /// Reads ranges in the disk's order and keeps them, as far as there is room; the rest is read when it is asked for.
    ///
    /// - Throws: what the source throws; `CancellationError`.
    func hold(_ ranges: [Range<UInt64>]) throws {
        var total = stretches.withLock { $0.reduce(0) { $0 + UInt64($1.bytes.count) } }
        for range in ranges.sorted(by: { $0.lowerBound < $1.lowerBound }) {
            try Task.checkCancellation()
            let range = range.clamped(to: 0..<size)
            guard !range.isEmpty, UInt64(range.count) <= Self.limit - total else { continue }
            let isHeld = stretches.withLock { stretches in
                Self.index(of: range.lowerBound, in: stretches).map {
                    range.upperBound <= stretches[$0].start + UInt64(stretches[$0].bytes.count)
                } ?? false
            }
            if isHeld { continue }
            var bytes = [UInt8](repeating: 0, count: range.count)
            try bytes.withUnsafeMutableBytes { try base.read(at: range.lowerBound, into: $0) }
            total += UInt64(range.count)
            stretches.withLock { stretches in
                let index = (Self.index(of: range.lowerBound, in: stretches) ?? -1) + 1
                stretches.insert(Stretch(start: range.lowerBound, bytes: bytes), at: index)
            }
        }
    }

    /// The last stretch that starts at or before `offset`.
    private static func index(of offset: UInt64, in stretches: [Stretch]) -> Int? {
        var low = 0
        var high = stretches.count
        while low < high {
            let middle = (low + high) / 2
            if stretches[middle].start <= offset { low = middle + 1 } else { high = middle }
        }
        return low == 0 ? nil : low - 1
    }
}
