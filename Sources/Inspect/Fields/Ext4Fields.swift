extension FieldTable {
    /// Linux, Documentation/filesystems/ext4/super.rst.
    static let superblock = FieldTable([
        Entry("s_inodes_count", 0x0, 4), Entry("s_blocks_count_lo", 0x4, 4), Entry("s_r_blocks_count_lo", 0x8, 4),
        Entry("s_free_blocks_count_lo", 0xc, 4), Entry("s_free_inodes_count", 0x10, 4),
        Entry("s_first_data_block", 0x14, 4), Entry("s_log_block_size", 0x18, 4), Entry("s_log_cluster_size", 0x1c, 4),
        Entry("s_blocks_per_group", 0x20, 4), Entry("s_clusters_per_group", 0x24, 4),
        Entry("s_inodes_per_group", 0x28, 4), Entry("s_mtime", 0x2c, 4), Entry("s_wtime", 0x30, 4),
        Entry("s_mnt_count", 0x34, 2), Entry("s_max_mnt_count", 0x36, 2), Entry("s_magic", 0x38, 2, .hex),
        Entry("s_state", 0x3a, 2, .hex), Entry("s_errors", 0x3c, 2), Entry("s_minor_rev_level", 0x3e, 2),
        Entry("s_lastcheck", 0x40, 4), Entry("s_checkinterval", 0x44, 4), Entry("s_creator_os", 0x48, 4),
        Entry("s_rev_level", 0x4c, 4), Entry("s_def_resuid", 0x50, 2), Entry("s_def_resgid", 0x52, 2),
        Entry("s_first_ino", 0x54, 4), Entry("s_inode_size", 0x58, 2), Entry("s_block_group_nr", 0x5a, 2),
        Entry("s_feature_compat", 0x5c, 4, .hex), Entry("s_feature_incompat", 0x60, 4, .hex),
        Entry("s_feature_ro_compat", 0x64, 4, .hex), Entry("s_uuid", 0x68, 16, .bytes),
        Entry("s_volume_name", 0x78, 16, .text), Entry("s_last_mounted", 0x88, 64, .text),
        Entry("s_algorithm_usage_bitmap", 0xc8, 4, .hex), Entry("s_prealloc_blocks", 0xcc, 1),
        Entry("s_prealloc_dir_blocks", 0xcd, 1), Entry("s_reserved_gdt_blocks", 0xce, 2),
        Entry("s_journal_uuid", 0xd0, 16, .bytes), Entry("s_journal_inum", 0xe0, 4), Entry("s_journal_dev", 0xe4, 4),
        Entry("s_last_orphan", 0xe8, 4), Entry("s_hash_seed", 0xec, 16, .bytes), Entry("s_def_hash_version", 0xfc, 1),
        Entry("s_jnl_backup_type", 0xfd, 1), Entry("s_desc_size", 0xfe, 2),
        Entry("s_default_mount_opts", 0x100, 4, .hex), Entry("s_first_meta_bg", 0x104, 4),
        Entry("s_mkfs_time", 0x108, 4), Entry("s_jnl_blocks", 0x10c, 68, .bytes), Entry("s_blocks_count_hi", 0x150, 4),
        Entry("s_r_blocks_count_hi", 0x154, 4), Entry("s_free_blocks_count_hi", 0x158, 4),
        Entry("s_min_extra_isize", 0x15c, 2), Entry("s_want_extra_isize", 0x15e, 2), Entry("s_flags", 0x160, 4, .hex),
        Entry("s_raid_stride", 0x164, 2), Entry("s_mmp_interval", 0x166, 2), Entry("s_mmp_block", 0x168, 8),
        Entry("s_raid_stripe_width", 0x170, 4), Entry("s_log_groups_per_flex", 0x174, 1),
        Entry("s_checksum_type", 0x175, 1), Entry("s_encryption_level", 0x176, 1), Entry("s_reserved_pad", 0x177, 1),
        Entry("s_kbytes_written", 0x178, 8), Entry("s_snapshot_inum", 0x180, 4), Entry("s_snapshot_id", 0x184, 4),
        Entry("s_snapshot_r_blocks_count", 0x188, 8), Entry("s_snapshot_list", 0x190, 4),
        Entry("s_error_count", 0x194, 4), Entry("s_first_error_time", 0x198, 4), Entry("s_first_error_ino", 0x19c, 4),
        Entry("s_first_error_block", 0x1a0, 8), Entry("s_first_error_func", 0x1a8, 32, .text),
        Entry("s_first_error_line", 0x1c8, 4), Entry("s_last_error_time", 0x1cc, 4),
        Entry("s_last_error_ino", 0x1d0, 4), Entry("s_last_error_line", 0x1d4, 4),
        Entry("s_last_error_block", 0x1d8, 8), Entry("s_last_error_func", 0x1e0, 32, .text),
        Entry("s_mount_opts", 0x200, 64, .text), Entry("s_usr_quota_inum", 0x240, 4),
        Entry("s_grp_quota_inum", 0x244, 4), Entry("s_overhead_blocks", 0x248, 4),
        Entry("s_backup_bgs", 0x24c, 8, .bytes),
        Entry("s_encrypt_algos", 0x254, 4, .hex), Entry("s_encrypt_pw_salt", 0x258, 16, .bytes),
        Entry("s_lpf_ino", 0x268, 4), Entry("s_prj_quota_inum", 0x26c, 4), Entry("s_checksum_seed", 0x270, 4, .hex),
        Entry("s_checksum", 0x3fc, 4, .hex, isSum: true),
    ])

    /// Linux, Documentation/filesystems/ext4/inodes.rst. What follows the last field are attributes.
    static func inode(size: Int) -> FieldTable {
        FieldTable(
            [
                Entry("i_mode", 0x0, 2, .hex), Entry("i_uid", 0x2, 2), Entry("i_size_lo", 0x4, 4),
                Entry("i_atime", 0x8, 4), Entry("i_ctime", 0xc, 4), Entry("i_mtime", 0x10, 4),
                Entry("i_dtime", 0x14, 4), Entry("i_gid", 0x18, 2), Entry("i_links_count", 0x1a, 2),
                Entry("i_blocks_lo", 0x1c, 4), Entry("i_flags", 0x20, 4, .hex), Entry("i_version", 0x24, 4),
                Entry("i_block", 0x28, 60, .bytes), Entry("i_generation", 0x64, 4), Entry("i_file_acl_lo", 0x68, 4),
                Entry("i_size_high", 0x6c, 4), Entry("i_obso_faddr", 0x70, 4), Entry("i_blocks_high", 0x74, 2),
                Entry("i_file_acl_high", 0x76, 2), Entry("i_uid_high", 0x78, 2), Entry("i_gid_high", 0x7a, 2),
                Entry("i_checksum_lo", 0x7c, 2, .hex, isSum: true), Entry("i_reserved", 0x7e, 2, .hex),
            ]
                + (size <= 0x80
                    ? []
                    : [
                        Entry("i_extra_isize", 0x80, 2), Entry("i_checksum_hi", 0x82, 2, .hex, isSum: true),
                        Entry("i_ctime_extra", 0x84, 4), Entry("i_mtime_extra", 0x88, 4),
                        Entry("i_atime_extra", 0x8c, 4), Entry("i_crtime", 0x90, 4), Entry("i_crtime_extra", 0x94, 4),
                        Entry("i_version_hi", 0x98, 4), Entry("i_projid", 0x9c, 4),
                        Entry("attributes", 0xa0, max(0, size - 0xa0), .blob),
                    ]))
    }

    /// Linux, Documentation/filesystems/ext4/group_descr.rst.
    static let groupDescriptor = FieldTable([
        Entry("bg_block_bitmap_lo", 0x0, 4), Entry("bg_inode_bitmap_lo", 0x4, 4), Entry("bg_inode_table_lo", 0x8, 4),
        Entry("bg_free_blocks_count_lo", 0xc, 2), Entry("bg_free_inodes_count_lo", 0xe, 2),
        Entry("bg_used_dirs_count_lo", 0x10, 2), Entry("bg_flags", 0x12, 2, .hex),
        Entry("bg_exclude_bitmap_lo", 0x14, 4), Entry("bg_block_bitmap_csum_lo", 0x18, 2, .hex, isSum: true),
        Entry("bg_inode_bitmap_csum_lo", 0x1a, 2, .hex, isSum: true), Entry("bg_itable_unused_lo", 0x1c, 2),
        Entry("bg_checksum", 0x1e, 2, .hex, isSum: true), Entry("bg_block_bitmap_hi", 0x20, 4),
        Entry("bg_inode_bitmap_hi", 0x24, 4), Entry("bg_inode_table_hi", 0x28, 4),
        Entry("bg_free_blocks_count_hi", 0x2c, 2), Entry("bg_free_inodes_count_hi", 0x2e, 2),
        Entry("bg_used_dirs_count_hi", 0x30, 2), Entry("bg_itable_unused_hi", 0x32, 2),
        Entry("bg_exclude_bitmap_hi", 0x34, 4), Entry("bg_block_bitmap_csum_hi", 0x38, 2, .hex, isSum: true),
        Entry("bg_inode_bitmap_csum_hi", 0x3a, 2, .hex, isSum: true), Entry("bg_reserved", 0x3c, 4, .hex),
    ])
}

/// The names of ext4's features (Linux, Documentation/filesystems/ext4/super.rst).
enum Ext4Features {
    private static let compatible: [UInt64: String] = [
        0x1: "dir_prealloc", 0x2: "imagic_inodes", 0x4: "has_journal", 0x8: "ext_attr", 0x10: "resize_inode",
        0x20: "dir_index", 0x200: "sparse_super2", 0x400: "fast_commit", 0x800: "stable_inodes", 0x1000: "orphan_file",
    ]
    private static let incompatible: [UInt64: String] = [
        0x1: "compression", 0x2: "filetype", 0x4: "needs_recovery", 0x8: "journal_dev", 0x10: "meta_bg", 0x40: "extent",
        0x80: "64bit", 0x100: "mmp", 0x200: "flex_bg", 0x400: "ea_inode", 0x1000: "dirdata",
        0x2000: "metadata_csum_seed", 0x4000: "large_dir", 0x8000: "inline_data", 0x10000: "encrypt",
        0x20000: "casefold",
    ]
    private static let readOnly: [UInt64: String] = [
        0x1: "sparse_super", 0x2: "large_file", 0x4: "btree_dir", 0x8: "huge_file", 0x10: "uninit_bg",
        0x20: "dir_nlink", 0x40: "extra_isize", 0x100: "quota", 0x200: "bigalloc", 0x400: "metadata_csum",
        0x800: "replica", 0x1000: "read-only", 0x2000: "project", 0x8000: "verity", 0x10000: "orphan_present",
    ]

    /// The features of a superblock.
    static func names(in superblock: [UInt8]) -> Set<String> {
        func named(_ field: String, _ names: [UInt64: String]) -> [String] {
            let value = FieldTable.superblock.number(field, in: superblock)
            return (0..<32).compactMap { bit in
                let flag = UInt64(1) << bit
                return value & flag == 0 ? nil : names[flag] ?? "\(field):0x\(String(flag, radix: 16))"
            }
        }
        return Set(
            named("s_feature_compat", compatible) + named("s_feature_incompat", incompatible)
                + named("s_feature_ro_compat", readOnly))
    }
}
