import Diagnostics
import Storage

/// A FAT file system's table of clusters: for each cluster the one that follows it in its file (Microsoft, FAT
/// specification 1.03, "FAT Data Structure").
struct FATTable {
    enum Width {
        case bits12, bits16, bits32

        /// The first value that ends a chain.
        var end: UInt32 {
            switch self {
            case .bits12: 0xff8
            case .bits16: 0xfff8
            case .bits32: 0x0fff_fff8
            }
        }

        /// Bytes that this many entries take.
        func size(_ count: UInt64) -> UInt64 {
            switch self {
            case .bits12: (count * 3 + 1) / 2
            case .bits16: count * 2
            case .bits32: count * 4
            }
        }

        /// Entries that this many bytes hold.
        func count(_ size: UInt64) -> UInt64 {
            switch self {
            case .bits12: size * 2 / 3
            case .bits16: size / 2
            case .bits32: size / 4
            }
        }
    }

    private let bytes: [UInt8]
    private let width: Width
    /// Clusters are numbered from 2.
    private let clusterCount: UInt64

    /// - Parameters:
    ///   - offset: where the table begins, in bytes.
    ///   - size: what there is room for, in bytes.
    ///   - refuse: makes the error.
    init(
        _ source: any ByteSource, at offset: UInt64, size: UInt64, clusterCount: UInt64, width: Width,
        refuse: (String) -> Failure
    ) throws {
        guard width.count(size) > 2 else { throw refuse("its table has \(size) bytes") }
        self.clusterCount = min(clusterCount, width.count(size) - 2)
        self.width = width
        // 0x0ffffff5 clusters of 4 bytes are the most there can be: 1 GiB. A boot partition's tables are a few 100 KiB.
        let needed = width.size(self.clusterCount + 2)
        guard needed <= 256 << 20 else { throw refuse("its table has \(needed) bytes") }
        var bytes = [UInt8](repeating: 0, count: Int(needed))
        try bytes.withUnsafeMutableBytes { try source.read(at: offset, into: $0) }
        self.bytes = bytes
    }

    /// The clusters of a chain, in runs that lie one after the other on the disk.
    ///
    /// - Parameter damaged: makes the error.
    func runs(from first: UInt32, damaged: (String) -> Failure) throws -> [Range<UInt32>] {
        var runs: [Range<UInt32>] = []
        var length: UInt64 = 0
        var next = first
        while next < width.end {
            guard next >= 2, UInt64(next) < clusterCount + 2 else {
                throw damaged("cluster \(next) is not on the disk")
            }
            guard length < clusterCount else { throw damaged("its clusters go round in a circle") }
            length += 1
            if let last = runs.last, last.upperBound == next {
                runs[runs.count - 1] = last.lowerBound..<next + 1
            } else {
                runs.append(next..<next + 1)
            }
            next = follower(of: next)
        }
        return runs
    }

    /// The runs of clusters that are not free.
    func usedRuns() -> [Range<UInt32>] {
        var runs: [Range<UInt32>] = []
        for cluster in 2..<UInt32(clusterCount + 2) where follower(of: cluster) != 0 {
            if let last = runs.last, last.upperBound == cluster {
                runs[runs.count - 1] = last.lowerBound..<cluster + 1
            } else {
                runs.append(cluster..<cluster + 1)
            }
        }
        return runs
    }

    /// Clusters that belong to no chain.
    var freeCount: UInt64 {
        guard clusterCount > 0 else { return 0 }
        return (2..<UInt32(clusterCount + 2)).reduce(0) { $0 + (follower(of: $1) == 0 ? 1 : 0) }
    }

    private func follower(of cluster: UInt32) -> UInt32 {
        let number = Int(cluster)
        switch width {
        case .bits12:
            let pair = littleEndian(bytes, at: number + number / 2, as: UInt16.self)
            return UInt32(number % 2 == 0 ? pair & 0xfff : pair >> 4)
        case .bits16: return UInt32(littleEndian(bytes, at: number * 2, as: UInt16.self))
        // The upper four bits are not the number's.
        case .bits32: return littleEndian(bytes, at: number * 4, as: UInt32.self) & 0x0fff_ffff
        }
    }
}
