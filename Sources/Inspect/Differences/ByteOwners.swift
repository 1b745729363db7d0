import Diagnostics
import Disk
import Layers

/// Says what owns the sectors that differ on a partition which two images have.
enum ByteOwners {
    typealias Side = (disk: ImageDisk, volume: Volume)

    /// - Parameters:
    ///   - files: the partition's files; nil where they could not be compared.
    ///   - differing: in bytes from the partition's beginning, not empty.
    /// - Throws: `Failure` when a disk cannot be read; `CancellationError`.
    static func changes(
        _ a: Side, _ b: Side, _ files: FileComparison?, differing: [Range<UInt64>]
    ) throws -> [ImageDifferences.ByteChange] {
        let number = a.volume.number
        let owners: any SectorOwners
        if let files, a.volume.ext4 != nil, b.volume.ext4 != nil {
            owners = try Ext4Owners(a, b, files)
        } else if let files, let one = a.volume.fat, let other = b.volume.fat {
            owners = try FATOwners(a, b, one, other, files)
        } else {
            return [
                ImageDifferences.ByteChange(
                    partition: number, object: "what cannot be told: its file system cannot be read", fields: [],
                    offset: differing[0].lowerBound, sectors: ByteComparison.sectors(differing))
            ]
        }
        var order: [String] = []
        var found: [String: ImageDifferences.ByteChange] = [:]
        for range in differing {
            try Task.checkCancellation()
            var sector = range.lowerBound
            while sector < range.upperBound {
                let (list, end) = try owners.owners(of: sector, until: range.upperBound)
                for owner in list {
                    var change =
                        found[owner.name]
                        ?? ImageDifferences.ByteChange(
                            partition: number, object: owner.name, fields: [], offset: sector, sectors: 0)
                    if change.sectors == 0 { order.append(owner.name) }
                    change.sectors += Int((end - sector + 511) / 512)
                    for field in owner.fields where change.fields.count < mostFields && !change.fields.contains(field) {
                        change.fields.append(field)
                    }
                    found[owner.name] = change
                }
                sector = end
            }
            if order.count >= mostThings { break }
        }
        return order.compactMap { found[$0] }
    }

    /// As many things of a partition are named, and as many fields of each.
    private static let mostThings = 20_000
    private static let mostFields = 64
}

/// What owns a sector, and which of its fields differ there.
struct SectorOwner {
    var name: String
    var fields: [ImageDifferences.Field] = []
}

/// Knows what lies where on a file system.
protocol SectorOwners {
    /// What owns a sector, and up to where the same goes for those behind it.
    ///
    /// - Parameters:
    ///   - sector: its first byte, from the file system's beginning.
    ///   - end: what is asked for, behind the sector.
    func owners(of sector: UInt64, until end: UInt64) throws -> (owners: [SectorOwner], end: UInt64)
}
