import Diagnostics
import Digests
import Disk
import Stock
import Storage
import SystemPackage
import Testing

/// One thing that is wrong with an image, what is done to make it so, and the whole error.
struct HostileImage: CustomTestStringConvertible, Sendable {
    var name: String
    /// A script of bash in a folder with boot.fat, root.ext4, stock.img and stock.img.xz.
    var script: String
    var error: String
    var limit: UInt64 = 1 << 30
    var testDescription: String { name }

    init(_ name: String, _ script: String, _ error: String, limit: UInt64 = 1 << 30) {
        (self.name, self.script, self.error, self.limit) = (name, script, error, limit)
    }
}

/// Writes hexadecimal bytes at an offset of stock.img, then packs it again.
private func patched(_ offset: Int, _ bytes: String) -> String {
    "printf '\(bytes)' | dd of=stock.img bs=1 seek=\(offset) conv=notrunc status=none; xz -T1 -0 -kc stock.img > stock.img.xz"
}

/// Does something to root.ext4 or boot.fat, puts it back on the disk, and packs it again.
private func changed(_ script: String) -> String {
    script + "; dd if=boot.fat of=stock.img bs=1M seek=1 conv=notrunc,sparse status=none; "
        + "dd if=root.ext4 of=stock.img bs=1M seek=35 conv=notrunc status=none; xz -T1 -0 -kc stock.img > stock.img.xz"
}

@Suite struct HostileImageTests {
    let sample: StockSample

    init() throws { sample = try StockSample() }

    static let images: [HostileImage] = [
        HostileImage(
            "empty file", ": > stock.img.xz",
            """
            stock.img.xz: this is neither an .xz file nor a raw disk
              expected: fd 37 7a 58 5a 00 at its start, or a partition table (55 aa at byte 510)
              found:    an empty file
            """),
        HostileImage(
            "another format", "gzip -nc1 log > stock.img.xz; truncate -s 2000 stock.img.xz",
            """
            stock.img.xz: this is neither an .xz file nor a raw disk
              expected: fd 37 7a 58 5a 00 at its start, or a partition table (55 aa at byte 510)
              found:    1f 8b 08 00 00 00
            """),
        HostileImage(
            "larger than is allowed", "true",
            """
            stock.img.xz: the image's disk is larger than is allowed
              expected: at most 1000000 bytes
              found:    49283072 bytes
            """, limit: 1_000_000),
        HostileImage(
            "no partition table", patched(510, #"\x00\x00"#),
            "stock.img.xz: no partition table\n  expected: the bytes 55 aa at offset 510"),
        HostileImage(
            "GPT", patched(450, #"\xee"#),
            "stock.img.xz: the disk has a GPT partition table\n  expected: an MBR with primary partitions"),
        HostileImage(
            "hybrid GPT", patched(482, #"\xee"#),
            "stock.img.xz: the disk has a GPT partition table\n  expected: an MBR with primary partitions"),
        HostileImage(
            "extended partition", patched(466, #"\x0f"#),
            """
            stock.img.xz: partition 2 is an extended partition
              expected: an MBR with primary partitions
              found:    type 0xf
            """),
        HostileImage(
            "partitions that overlap", patched(470, #"\x00\x10\x00\x00"#),
            "stock.img.xz: partitions 1 and 2 overlap at sector 4096"),
        HostileImage(
            "partition beyond the end", patched(474, #"\x00\x00\x00\x70"#),
            """
            stock.img.xz: partition 2 goes beyond the end of the disk
              expected: at most 96256 sectors
              found:    sectors 71680 to 1879119871
            """),
        HostileImage(
            "no Linux partition", patched(466, #"\x82"#),
            """
            stock.img.xz: the image has no Linux partition
              expected: a partition of type 0x83
              found:    partition 1 of type 0xc, partition 2 of type 0x82
            """),
        HostileImage(
            "no partition at all", patched(446, String(repeating: #"\x00"#, count: 64)),
            """
            stock.img.xz: the image has no Linux partition
              expected: a partition of type 0x83
              found:    an empty partition table
            """),
        HostileImage(
            "no FAT", patched(450, #"\x07"#),
            """
            stock.img.xz: the image has no FAT partition, which a Pi boots from
              found:    partition 1 of type 0x7, partition 2 of type 0x83
            """),
        HostileImage(
            "FAT of nothing", changed("dd if=/dev/zero of=boot.fat bs=1M count=1 conv=notrunc status=none")
                .replacing("conv=notrunc,sparse", with: "conv=notrunc"),
            """
            stock.img.xz: partition 1: no FAT file system at byte 0: the boot sector has no signature
            """),
        HostileImage(
            "ext4 of nothing", changed("dd if=/dev/zero of=root.ext4 bs=1M count=1 conv=notrunc status=none"),
            "stock.img.xz: partition 2: could not open the ext4 file system at byte 0: Bad magic number in super-block"),
        HostileImage(
            "no fstab", changed("debugfs -w -R 'rm /etc/fstab' root.ext4 2> log"),
            "stock.img.xz: partition 2: the file system has no /etc/fstab"),
        HostileImage(
            "fstab that is a link", changed("debugfs -w -f - root.ext4 <<< $'rm /etc/fstab\\nsymlink /etc/fstab /x' > log 2>&1"),
            "stock.img.xz: partition 2: /etc/fstab: not an fstab\n  expected: a file of at most 1048576 bytes"),
        HostileImage(
            "journal to replay", changed("debugfs -w -R 'feature needs_recovery' root.ext4 > log 2>&1"),
            "stock.img.xz: partition 2: the file system was not unmounted cleanly: its journal has not been replayed"),
        HostileImage(
            "unknown feature", changed("debugfs -w -R 'feature FEATURE_I31' root.ext4 > log 2>&1"),
            "stock.img.xz: partition 2: could not open the ext4 file system at byte 0: "
                + "Filesystem has unsupported feature(s)"),
        HostileImage(
            "wrong link count", changed("debugfs -w -R 'sif /usr/bin/program links_count 9' root.ext4 2> log"),
            """
            stock.img.xz: partition 2: the ext4 file system has errors
              expected: e2fsck -n finds none
              found:    Inode 18 ref count is 9, should be 1.  Fix? no
                        writable: ********** WARNING: Filesystem still has errors **********
                        writable: 19/3072 files (0.0% non-contiguous), 1276/3072 blocks
              next:     fetch the image again, or use another: an image with errors is not a base to build on
            """),
        HostileImage("folder in itself", changed("debugfs -w -R 'ln /usr /usr/bin/again' root.ext4 2> log"), "?"),
        HostileImage(
            "name with a slash",
            changed("sed -i 's|program|pro/ram|' root.ext4"), "?"),
        HostileImage("name that climbs", changed("sed -i 's|\\x02\\x01hosts|\\x02\\x01hosts|; s|hidden|..\\x00\\x00\\x00\\x00|' root.ext4"), "?"),
        HostileImage(
            "FAT with a loop", changed("printf '\\x03\\x00\\x00\\x00' | dd of=boot.fat bs=1 seek=$((32 * 512 + 12)) conv=notrunc status=none"), "?"),
        HostileImage(
            "truncated", "truncate -s -100 stock.img.xz", "?"),
        HostileImage("trailing garbage", "printf garbage >> stock.img.xz", "?"),
        HostileImage(
            "fstab of another FAT",
            changed("printf 'LABEL=elsewhere /boot vfat defaults 0 0\\n' > f; debugfs -w -f - root.ext4 <<< $'rm /etc/fstab\\nwrite f /etc/fstab' > log 2>&1"),
            """
            stock.img.xz: /etc/fstab: it mounts a FAT file system that the image does not have
              expected: LABEL=system-boot, UUID=C0FF-EE01, /dev/mmcblk0p1
              found:    LABEL=elsewhere at /boot
            """),
        HostileImage(
            "mount point that climbs",
            changed("printf 'LABEL=system-boot /boot/../.. vfat defaults 0 0\\n' > f; debugfs -w -f - root.ext4 <<< $'rm /etc/fstab\\nwrite f /etc/fstab' > log 2>&1"),
            "stock.img.xz: /etc/fstab: the path climbs out with '..'\n  found:    /boot/../.."),
        HostileImage(
            "mount point of the root",
            changed("printf 'LABEL=system-boot / vfat defaults 0 0\\n' > f; debugfs -w -f - root.ext4 <<< $'rm /etc/fstab\\nwrite f /etc/fstab' > log 2>&1"),
            "stock.img.xz: /etc/fstab: it mounts the boot partition in place of the root file system"),
        HostileImage(
            "mount point that is a file",
            changed("printf 'LABEL=system-boot /usr/bin/program vfat defaults 0 0\\n' > f; debugfs -w -f - root.ext4 <<< $'rm /etc/fstab\\nwrite f /etc/fstab' > log 2>&1"),
            "stock.img.xz: partition 2: /usr/bin/program: the boot partition's mount point is no folder\n  expected: a folder"),
    ]

    @Test(arguments: images)
    func eachIsRefusedInItsOwnWords(image: HostileImage) async throws {
        try await sample.make()
        try await Judge.shell(image.script, in: sample.path)
        let refusal = try await sample.refusal(limit: image.limit)
        #expect(refusal == image.error, "\(refusal)")
    }
}
