import Diagnostics
import Disk
import Storage

#if canImport(Glibc)
    import Glibc
#endif

/// Where the bytes of two disks differ, in ranges of whole sectors: of the partitions that both have, and around them.
///
/// What an .xz file has packed the same, byte for byte and at the same place, is not unpacked; what both know to be zeros is
/// not read.
struct ByteComparison {
    /// More ranges are not told apart: the last one reaches to the end then.
    private static let mostRanges = 1_000_000
    private static let sector = PartitionTable.sectorSize
    private static let window: UInt64 = 1 << 20

    private let a: ImageDisk
    private let b: ImageDisk
    /// Bytes of both disks that are known to be the same.
    private let same: [Range<UInt64>]
    /// Of each partition that both have, by its number, in bytes from its beginning.
    private(set) var partitions: [Int: [Range<UInt64>]] = [:]
    /// What differs outside of partitions, by what it is.
    private(set) var outside: [ImageDifferences.ByteChange] = []

    /// - Throws: `Failure` when a disk cannot be read; `CancellationError`.
    init(_ a: ImageDisk, _ b: ImageDisk) throws {
        self.a = a
        self.b = b
        same =
            if let one = a.packed, let other = b.packed { try one.file.sameRanges(as: other.file) } else { [] }
        try compareTable()
        var position = Self.sector
        for old in a.volumes.sorted(by: { $0.partition.start < $1.partition.start }) {
            try compareGap(position..<old.range.lowerBound, "gap before partition \(old.number)")
            if let new = b.volumes.first(where: { $0.number == old.number }) {
                partitions[old.number] = try differences(
                    old.range.lowerBound, new.range.lowerBound, count: min(old.partition.size, new.partition.size))
            }
            position = max(position, old.range.upperBound)
        }
        try compareGap(position..<min(a.size, b.size), "gap behind the last partition")
    }

    var isSame: Bool { outside.isEmpty && partitions.values.allSatisfy(\.isEmpty) && a.table == b.table }

    // MARK: Around the partitions

    private mutating func compareTable() throws {
        let one = try a.source.bytes(0..<Self.sector)
        let other = try b.source.bytes(0..<Self.sector)
        guard one != other else { return }
        let fields = FieldTable.masterBootRecord.differences(one, other)
        guard !fields.isEmpty else { return }
        outside.append(
            ImageDifferences.ByteChange(object: "partition table", fields: fields, offset: 0, sectors: 1))
    }

    private mutating func compareGap(_ range: Range<UInt64>, _ name: String) throws {
        let end = min(range.upperBound, a.size, b.size)
        guard range.lowerBound < end else { return }
        // Where partitions lie elsewhere, gaps do, too: those of the first disk are looked at.
        let start = range.lowerBound
        guard !b.volumes.contains(where: { $0.range.overlaps(start..<end) }) else { return }
        let found = try differences(start, start, count: end - start)
        guard let first = found.first else { return }
        outside.append(
            ImageDifferences.ByteChange(
                object: name, fields: [], offset: start + first.lowerBound, sectors: Self.sectors(found)))
    }

    static func sectors(_ ranges: [Range<UInt64>]) -> Int { ranges.reduce(0) { $0 + ($1.count + 511) / 512 } }

    // MARK: Sectors

    /// The sectors of a stretch that differ, in bytes from its beginning.
    private func differences(_ one: UInt64, _ other: UInt64, count: UInt64) throws -> [Range<UInt64>] {
        var found: [Range<UInt64>] = []
        var index = 0
        var position: UInt64 = 0
        var left = [UInt8](repeating: 0, count: Int(Self.window))
        var right = left
        while position < count {
            try Task.checkCancellation()
            if one == other {
                while index < same.count, same[index].upperBound <= one + position { index += 1 }
                if index < same.count, same[index].contains(one + position) {
                    position = same[index].upperBound - one
                    continue
                }
            }
            let data = min(
                try a.source.nextData(from: one + position).map { $0.lowerBound - one } ?? count,
                try b.source.nextData(from: other + position).map { $0.lowerBound - other } ?? count)
            if data >= position + Self.window || data >= count {
                position = data
                continue
            }
            var end = min(count, position + Self.window)
            if one == other, index < same.count, same[index].lowerBound > one + position {
                end = min(end, same[index].lowerBound - one)
            }
            let length = Int(end - position)
            try left.withUnsafeMutableBytes { left in
                try right.withUnsafeMutableBytes { right in
                    let left = UnsafeMutableRawBufferPointer(rebasing: left[..<length])
                    let right = UnsafeMutableRawBufferPointer(rebasing: right[..<length])
                    try a.source.read(at: one + position, into: left)
                    try b.source.read(at: other + position, into: right)
                    Self.compare(left, right, at: position, into: &found)
                }
            }
            position = end
            if found.count > Self.mostRanges {
                let last = found.removeLast()
                return found + [last.lowerBound..<count]
            }
        }
        return found
    }

    private static func compare(
        _ left: UnsafeMutableRawBufferPointer, _ right: UnsafeMutableRawBufferPointer, at position: UInt64,
        into found: inout [Range<UInt64>]
    ) {
        if same(left, right, 0, left.count) { return }
        let step = Int(sector)
        for start in stride(from: 0, to: left.count, by: step) {
            let length = min(step, left.count - start)
            if same(left, right, start, length) { continue }
            let range = position + UInt64(start)..<position + UInt64(start + length)
            if let last = found.last, last.upperBound == range.lowerBound {
                found[found.count - 1] = last.lowerBound..<range.upperBound
            } else {
                found.append(range)
            }
        }
    }

    private static func same(
        _ left: UnsafeMutableRawBufferPointer, _ right: UnsafeMutableRawBufferPointer, _ start: Int, _ count: Int
    ) -> Bool {
        guard let one = left.baseAddress, let other = right.baseAddress else { return true }
        return memcmp(one + start, other + start, count) == 0
    }
}

extension ByteSource {
    /// The bytes of a range, which lies within the source and is small.
    func bytes(_ range: Range<UInt64>) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: range.count)
        try bytes.withUnsafeMutableBytes { try read(at: range.lowerBound, into: $0) }
        return bytes
    }
}
