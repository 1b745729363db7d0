import Disk

/// What differs of what the file systems are: what a superblock or a boot sector says for good, not what use has left in it.
enum FileSystemFields {
    /// Superblock fields under names for people.
    private static let ext4: [(field: String, name: String)] = [
        ("s_inodes_count", "inodes"), ("s_r_blocks_count_lo", "reserved blocks"),
        ("s_log_block_size", "block size (log)"),
        ("s_blocks_per_group", "blocks per group"), ("s_inodes_per_group", "inodes per group"),
        ("s_inode_size", "inode size"), ("s_desc_size", "descriptor size"), ("s_hash_seed", "hash seed"),
        ("s_def_hash_version", "hash version"), ("s_default_mount_opts", "default mount options"),
        ("s_mount_opts", "mount options"), ("s_errors", "behaviour on errors"),
        ("s_max_mnt_count", "mounts between checks"),
        ("s_checkinterval", "time between checks"), ("s_want_extra_isize", "wanted extra inode size"),
        ("s_log_groups_per_flex", "groups per flex group (log)"), ("s_checksum_type", "checksum type"),
        ("s_checksum_seed", "checksum seed"), ("s_def_resuid", "reserved blocks' owner"), ("s_rev_level", "revision"),
    ]
    private static let fat = [
        "bytes per sector", "sectors per cluster", "reserved sectors", "tables", "root entries", "media",
        "sectors per table", "hidden sectors", "root cluster", "OEM name", "type",
    ]

    static func differences(_ a: ImageDisk, _ b: ImageDisk) throws -> [ImageDifferences.Field] {
        var list: [ImageDifferences.Field] = []
        for old in a.volumes {
            guard let new = b.volumes.first(where: { $0.number == old.number }) else { continue }
            let object = "partition \(old.number)"
            compare(object, "file system", old.fileSystem ?? "none", new.fileSystem ?? "none", into: &list)
            compare(object, "label", old.label.map(printable), new.label.map(printable), into: &list)
            compare(object, "UUID", old.uuid, new.uuid, into: &list)
            compare(
                object, "file system's size", old.space.map { "\($0.size)" }, new.space.map { "\($0.size)" },
                into: &list)
            if let one = old.ext4, let other = new.ext4 {
                compareExt4(object, try superblock(old, a), try superblock(new, b), one, other, into: &list)
            } else if old.fat != nil, new.fat != nil {
                let (one, other) = (try bootSector(old, a), try bootSector(new, b))
                for name in fat {
                    compare(object, name, text(name, one), text(name, other), into: &list)
                }
            }
        }
        return list
    }

    private static func compareExt4(
        _ object: String, _ old: [UInt8], _ new: [UInt8], _ one: Ext4Reader, _ other: Ext4Reader,
        into list: inout [ImageDifferences.Field]
    ) {
        for (field, name) in ext4 {
            compare(
                object, name, FieldTable.superblock.text(of: field, in: old),
                FieldTable.superblock.text(of: field, in: new), into: &list)
        }
        let (before, after) = (Ext4Features.names(in: old), Ext4Features.names(in: new))
        for name in before.symmetricDifference(after).sorted() {
            compare(
                object, "feature \(name)", before.contains(name) ? "yes" : nil, after.contains(name) ? "yes" : nil,
                into: &list)
        }
    }

    private static func superblock(_ volume: Volume, _ disk: ImageDisk) throws -> [UInt8] {
        let start = volume.partition.offset + 1024
        return try disk.source.bytes(start..<start + 1024)
    }

    private static func bootSector(_ volume: Volume, _ disk: ImageDisk) throws -> [UInt8] {
        let start = volume.partition.offset
        return try disk.source.bytes(start..<start + 512)
    }

    /// A FAT32 has no length of a table where FAT12 and FAT16 have it.
    private static func text(_ field: String, _ sector: [UInt8]) -> String? {
        FieldTable.bootSector(isFAT32: sector[22] == 0 && sector[23] == 0).text(of: field, in: sector)
    }
}
