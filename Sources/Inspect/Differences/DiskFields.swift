import Diagnostics
import Disk

/// What differs of two disks and their partition tables.
enum DiskFields {
    static func differences(_ a: ImageDisk, _ b: ImageDisk) throws -> [ImageDifferences.Field] {
        var list: [ImageDifferences.Field] = []
        compare("disk", "size", "\(a.size)", "\(b.size)", into: &list)
        compare("disk", "signature", signature(a.table), signature(b.table), into: &list)
        let numbers = Set(a.table.numbers + b.table.numbers).sorted()
        for number in numbers {
            let object = "partition \(number)"
            let old = a.volumes.first { $0.number == number }?.partition
            let new = b.volumes.first { $0.number == number }?.partition
            guard let old, let new else {
                compare(object, "entry", old.map(summary), new.map(summary), into: &list)
                continue
            }
            compare(object, "type", type(old), type(new), into: &list)
            compare(object, "active", old.isActive ? "yes" : "no", new.isActive ? "yes" : "no", into: &list)
            compare(object, "first sector", "\(old.start)", "\(new.start)", into: &list)
            compare(object, "sectors", "\(old.count)", "\(new.count)", into: &list)
        }
        return list
    }

    private static func signature(_ table: PartitionTable) -> String { "0x" + table.signature.hex(digits: 8) }
    private static func type(_ partition: Partition) -> String { "0x" + partition.type.hex(digits: 2) }

    private static func summary(_ partition: Partition) -> String {
        "type \(type(partition)), \(partition.count) sectors from \(partition.start) on"
    }
}
