import Diagnostics
import Digests
import Disk
import Stock
import Storage
import SystemPackage
import TestSupport
import Testing

/// One thing that is wrong with an image, what is done to make it so, and the whole error.
struct HostileImage: Sendable {
    var name: String
    /// A script of bash in a folder with boot.fat, root.ext4, stock.img and stock.img.xz.
    var script: String
    /// What is read afterwards.
    var file: String
    var error: String
    var limit: UInt64 = 1 << 30

    /// Spoils stock.img.xz.
    init(_ name: String, packed script: String, _ error: String, limit: UInt64 = 1 << 30) {
        (self.name, self.script, self.error, self.limit) = (name, script, error, limit)
        file = "stock.img.xz"
    }

    /// Writes bytes at an offset of the disk.
    init(_ name: String, at offset: Int, _ bytes: String, _ error: String) {
        (self.name, self.error) = (name, error)
        file = "stock.img"
        script = "printf '\(bytes)' | dd of=stock.img bs=1 seek=\(offset) conv=notrunc status=none"
    }

    /// Does something to root.ext4 and boot.fat, and puts them back on the disk.
    init(_ name: String, changed script: String, _ error: String) {
        (self.name, self.error) = (name, error)
        file = "stock.img"
        self.script =
            "(\(script)) > log 2>&1; dd if=boot.fat of=stock.img bs=1M seek=1 conv=notrunc status=none; "
            + "dd if=root.ext4 of=stock.img bs=1M seek=35 conv=notrunc status=none"
    }

    /// Puts another fstab on the root file system.
    init(_ name: String, fstab: String, _ error: String) {
        self.init(
            name,
            changed: "printf '\(fstab)\\n' > f; debugfs -w -f - root.ext4 <<< $'rm /etc/fstab\\nwrite f /etc/fstab'",
            error)
    }

    /// A file system with errors.
    static func unsound(_ partition: Int, _ kind: String, _ tool: String, _ words: [String]) -> String {
        """
        stock.img: partition \(partition): the \(kind) file system has errors
          expected: \(tool) -n finds none
          found:    \(words.joined(separator: "\n            "))
          next:     fetch the image again, or use another: an image with errors is not a base to build on
        """
    }
}

@Suite struct HostileImageTests {
    let sample: StockSample

    init() throws { sample = try StockSample() }

    static let images: [HostileImage] = [
        HostileImage(
            "empty file", packed: ": > stock.img.xz",
            """
            stock.img.xz: this is neither an .xz file nor a raw disk
              expected: fd 37 7a 58 5a 00 at its start, or a partition table (55 aa at byte 510)
              found:    an empty file
            """),
        HostileImage(
            "another format", packed: "gzip -nc1 log > stock.img.xz; truncate -s 2000 stock.img.xz",
            """
            stock.img.xz: this is a gzip file, which is not read as it is
              expected: NAME.img.xz or NAME.img
              next:     gunzip -c stock.img.xz > stock-2.img
            """),
        HostileImage(
            "larger than is allowed", packed: "true",
            """
            stock.img.xz: the image's disk is larger than is allowed
              expected: at most 1000000 bytes
              found:    49283072 bytes
            """, limit: 1_000_000),
        HostileImage(
            "no partition table", at: 510, #"\x00\x00"#,
            """
            stock.img: this is neither an .xz file nor a raw disk
              expected: fd 37 7a 58 5a 00 at its start, or a partition table (55 aa at byte 510)
              found:    00 00 00 00 00 00
            """),
        HostileImage(
            "no partition table in an .xz", packed: "head -c 100000 /dev/zero | xz > stock.img.xz",
            "stock.img.xz: no partition table\n  expected: the bytes 55 aa at offset 510"),
        HostileImage(
            "GPT", at: 450, #"\xee"#,
            "stock.img: the disk has a GPT partition table, as disks for PCs have\n"
                + "  expected: an MBR with primary partitions\n"
                + "  next:     with a raw copy of it: sgdisk --gpttombr=1:2 COPY.img && sfdisk --part-type COPY.img 1 c, "
                + "where 1 is the FAT boot partition and 2 the root "
                + "(sgdisk --print COPY.img; Debian's packages gdisk and fdisk)"),
        HostileImage(
            "hybrid GPT", at: 482, #"\xee"#,
            "stock.img: the disk has a GPT partition table, as disks for PCs have\n"
                + "  expected: an MBR with primary partitions\n"
                + "  next:     with a raw copy of it: sgdisk --gpttombr=1:2 COPY.img && sfdisk --part-type COPY.img 1 c, "
                + "where 1 is the FAT boot partition and 2 the root "
                + "(sgdisk --print COPY.img; Debian's packages gdisk and fdisk)"),
        HostileImage(
            "extended partition", at: 466, #"\x0f"#,
            """
            stock.img: partition 2 is an extended partition
              expected: an MBR with primary partitions
              found:    type 0xf
            """),
        HostileImage(
            "partitions that overlap", at: 470, #"\x00\x10\x00\x00"#,
            "stock.img: partitions 1 and 2 overlap at sector 4096"),
        HostileImage(
            "partition beyond the end", at: 474, #"\x00\x00\x00\x70"#,
            """
            stock.img: partition 2 goes beyond the end of the disk
              expected: at most 96256 sectors
              found:    sectors 71680 to 1879119871
            """),
        HostileImage(
            "no Linux partition", at: 466, #"\x82"#,
            """
            stock.img: the image has no Linux partition
              expected: a partition of type 0x83
              found:    partition 1 of type 0xc, partition 2 of type 0x82
            """),
        HostileImage(
            "no partition at all", at: 446, String(repeating: #"\x00"#, count: 64),
            """
            stock.img: the image has no Linux partition
              expected: a partition of type 0x83
              found:    an empty partition table
            """),
        HostileImage(
            "no FAT", at: 450, #"\x07"#,
            """
            stock.img: the image has no FAT partition, which a Pi boots from
              found:    partition 1 of type 0x7, partition 2 of type 0x83
            """),
        HostileImage(
            "FAT of nothing", changed: "dd if=/dev/zero of=boot.fat bs=1M count=1 conv=notrunc",
            "stock.img: partition 1: no FAT file system at byte 0: the boot sector has no signature"),
        HostileImage(
            "ext4 of nothing", changed: "dd if=/dev/zero of=root.ext4 bs=1M count=1 conv=notrunc",
            "stock.img: partition 2: could not open the ext4 file system at byte 0: Bad magic number in super-block"),
        HostileImage(
            "no fstab", changed: "debugfs -w -R 'rm /etc/fstab' root.ext4",
            "stock.img: partition 2: the file system has no /etc/fstab"),
        HostileImage(
            "fstab that is a link",
            changed: "debugfs -w -f - root.ext4 <<< $'rm /etc/fstab\\nsymlink /etc/fstab /x'",
            "stock.img: partition 2: /etc/fstab: not an fstab\n  expected: a file of at most 1048576 bytes"),
        HostileImage(
            "journal to replay", changed: "debugfs -w -R 'feature needs_recovery' root.ext4",
            "stock.img: partition 2: the file system was not unmounted cleanly: its journal has not been replayed"),
        HostileImage(
            "unknown feature", changed: "debugfs -w -R 'feature FEATURE_I31' root.ext4",
            "stock.img: partition 2: could not open the ext4 file system at byte 0: "
                + "Filesystem has unsupported feature(s)"),
        HostileImage(
            "wrong link count", changed: "debugfs -w -R 'sif /usr/bin/program links_count 9' root.ext4",
            HostileImage.unsound(2, "ext4", "e2fsck", ["Inode 19 ref count is 9, should be 1."])),
        HostileImage(
            "folder in itself", changed: "debugfs -w -R 'ln /usr /usr/bin/again' root.ext4",
            HostileImage.unsound(
                2, "ext4", "e2fsck",
                [
                    "Entry 'again' in /usr/bin (18) is a link to directory /usr (17).",
                    "Inode 17 ref count is 3, should be 4.",
                ])),
        HostileImage(
            "name with a slash", changed: "sed -i 's|program|pro/ram|' root.ext4",
            HostileImage.unsound(
                2, "ext4", "e2fsck",
                [
                    "Entry 'pro/ram' in ??? (18) has illegal characters in its name.",
                    "Directory inode 18, block #0: directory passes checks but fails checksum.",
                ])),
        HostileImage(
            "name that climbs", changed: #"sed -i 's|\x06\x01hidden|\x02\x01..\x00\x00\x00\x00|' root.ext4"#,
            HostileImage.unsound(
                2, "ext4", "e2fsck",
                [
                    "Entry '..' in ??? (13) is duplicate '..' entry.",
                    "Entry '..' in ??? (13) is duplicate '..' entry.", "Duplicate entry '..' found.",
                    "\tMarking ??? (13) to be rebuilt.",
                    "Directory inode 13, block #0: directory passes checks but fails checksum.",
                    "Entry '..' in ??? (13) has a non-unique filename.",
                ])),
        HostileImage(
            "content in a block that is not there",
            changed: "debugfs -w -R 'sif /usr/bin/program block[5] 0x7fffffff' root.ext4",
            HostileImage.unsound(
                2, "ext4", "e2fsck",
                [
                    "Inode 19 has an invalid extent",
                    "\t(logical block 0, invalid physical block 2147483647, len 5)",
                    "Inode 19, i_blocks is 40, should be 0.", "Block bitmap differences:  -(1138--1142)",
                ])),
        HostileImage(
            "FAT with a loop",
            changed: #"printf '\x03\x00\x00\x00' | dd of=boot.fat bs=1 seek=$((32 * 512 + 12)) conv=notrunc"#,
            HostileImage.unsound(
                1, "FAT", "fsck.fat",
                [
                    "FATs differ but appear to be intact.", "  Using first FAT.", "/CONFIG.TXT",
                    "  Circular cluster chain. Truncating to 1 cluster.",
                ])),
        HostileImage(
            "FAT that was not unmounted", changed: #"printf '\x01' | dd of=boot.fat bs=1 seek=65 conv=notrunc"#,
            HostileImage.unsound(
                1, "FAT", "fsck.fat",
                [
                    "There are differences between boot sector and its backup.",
                    "This is mostly harmless. Differences: (offset:original/backup)", "  65:01/00",
                    "  Not automatically fixing this.",
                    "Dirty bit is set. Fs was not properly unmounted and some data may be corrupt.",
                    " Automatically removing dirty bit.",
                ])),
        HostileImage(
            "truncated", packed: "truncate -s 20000 stock.img.xz",
            """
            stock.img.xz: the .xz file is truncated
              expected: an index and a footer at its end
              found:    the end of the file after 20000 bytes
              next:     fetch or write the file again
            """),
        HostileImage(
            "trailing garbage",
            packed: "head -c 1000000 /dev/zero | xz -0 > stock.img.xz; printf garbage >> stock.img.xz",
            """
            stock.img.xz: the .xz file has trailing garbage
              expected: its end after 276 bytes
              found:    7 more bytes
            """),
        HostileImage(
            "a TiB of zeros",
            packed: "truncate -s 64M zeros; xz -0 -k zeros; for n in {1..64}; do cat zeros.xz; done > 4G.xz; "
                + "for n in {1..256}; do cat 4G.xz; done > stock.img.xz; rm zeros* 4G.xz",
            """
            stock.img.xz: the image's disk is larger than is allowed
              expected: at most 1073741824 bytes
              found:    1099511627776 bytes
            """),
        HostileImage(
            "fstab of another FAT", fstab: "LABEL=elsewhere /boot vfat defaults 0 0",
            """
            stock.img: /etc/fstab: it mounts a FAT file system that the image does not have
              expected: LABEL=system-boot, UUID=C0FF-EE01, /dev/mmcblk0p1
              found:    LABEL=elsewhere at /boot
            """),
        HostileImage(
            "mount point that climbs", fstab: "LABEL=system-boot /boot/../.. vfat defaults 0 0",
            "stock.img: /etc/fstab: the path climbs out with '..'\n  found:    /boot/../.."),
        HostileImage(
            "mount point of the root", fstab: "LABEL=system-boot / vfat defaults 0 0",
            "stock.img: /etc/fstab: it mounts the boot partition in place of the root file system"),
        HostileImage(
            "mount point that is a file", fstab: "LABEL=system-boot /usr/bin/program vfat defaults 0 0",
            """
            stock.img: partition 2: /usr/bin/program: the boot partition's mount point is no folder
              expected: a folder
            """),
    ]

    @Test func eachIsRefusedInItsOwnWords() async throws {
        try await sample.make()
        try await Judge.shell("mkdir whole; mv boot.fat root.ext4 stock.img stock.img.xz whole", in: sample.path)
        for image in Self.images {
            try await Judge.shell("cp --sparse=always whole/* .; \(image.script)", in: sample.path)
            let refusal = try await sample.refusal(sample.path.appending(image.file), limit: image.limit)
            #expect(refusal == image.error, "\(image.name): \(refusal)")
        }
    }

    @Test func severalRootsOrBootsAreNamed() async throws {
        try await sample.makeRoot(label: "one")
        let other = sample.path.appending("other.ext4")
        try await sample.makeRoot(label: "two", to: other, noise: 10)
        try await sample.makeBoot()
        try await sample.assemble([(0x0c, sample.boot), (0x83, sample.root), (0x83, other)])
        try await expectRefusal(
            """
            stock.img: several partitions could be the root file system
              expected: one with an /etc/fstab, or one of them labelled writable or rootfs
              found:    partition 2 ('one', 12 MiB), partition 3 ('two', 12 MiB)
            """)
        try await sample.makeRoot(fstab: nil)
        try await sample.makeRoot(fstab: nil, to: other)
        try await sample.assemble([(0x0c, sample.boot), (0x83, sample.root), (0x83, other)])
        try await expectRefusal(
            """
            stock.img: no partition holds a root file system
              expected: an ext4 with an /etc/fstab
              found:    partition 2: the file system has no /etc/fstab
                        partition 3: the file system has no /etc/fstab
            """)
        try await sample.makeRoot(fstab: "")
        let boot = sample.path.appending("other.fat")
        try await sample.makeBoot(label: "OTHER", volumeID: "1", to: boot)
        try await sample.assemble([(0x0c, sample.boot), (0x83, sample.root), (0x0b, boot)])
        try await expectRefusal(
            """
            stock.img: the image has several FAT partitions, and it is not plain which one the Pi boots from
              expected: one that /etc/fstab mounts
              found:    partition 1 ('system-boot', 34 MiB), partition 3 ('OTHER', 34 MiB)
            """)
    }

    private func expectRefusal(_ expected: String) async throws {
        let refusal = try await sample.refusal(sample.raw)
        #expect(refusal == expected, "\(refusal)")
    }

    @Test func whatFsckCallsHarmlessIsNoReasonToRefuse() async throws {
        try await sample.makeRoot()
        try await sample.makeBoot()
        // The count of free clusters in the second sector, a hint.
        try await Judge.shell(
            #"printf '\x01\x00\x00\x00' | dd of=boot.fat bs=1 seek=1000 conv=notrunc status=none"#, in: sample.path)
        try await sample.assemble()
        #expect(try await sample.read(sample.raw).facts.boot?.number == 1)
    }

    @Test func noRoomIsFoundOutBeforeAnythingIsWritten() async throws {
        try await sample.make()
        for (free, purpose) in [("work", "to unpack"), ("layers", "for the files of")] {
            let error = await failure {
                try await sample.read(freeSpace: { $0.lastComponent?.string == free ? 100 << 10 : 1 << 40 })
            }
            #expect(error?.cause == .noRoom)
            #expect(error?.message == "there is not enough room \(purpose) \(sample.packed)")
            #expect(error?.place == sample.path.appending(free).string)
            #expect(error?.found == "0.1 MB")
            try createFolder(sample.work)
            #expect(try names(in: sample.work) == [])
            #expect(try names(in: sample.layers) == [])
        }
    }

    /// A disk of 4 MiB, so that hundreds can be read.
    private func makeSmall() async throws {
        try await Judge.shell(
            """
            mkfs.fat -F 12 -n system-boot -i c0ffee01 -C boot.fat 1024 > log 2>&1
            mkdir -p tree/etc tree/boot/firmware; printf 'program' > tree/program; mcopy -i boot.fat tree/program ::/
            printf 'LABEL=system-boot /boot/firmware vfat defaults 0 0\n' > tree/etc/fstab
            mke2fs -q -F -O extent,filetype,metadata_csum -b 1024 -I 128 -d tree root.ext4 1M
            """, in: sample.path)
        try await sample.assemble([(0x01, sample.boot), (0x83, sample.root)])
    }

    @Test func aFlippedBitNeverGivesAnotherLayer() async throws {
        try await makeSmall()
        let whole = try await sample.read()
        let bytes = try readFile(sample.packed)
        let file = try OpenFile.updating(sample.packed)
        var refused = 0
        // Every byte of the headers, the index and the footer, and others at steps that meet every bit.
        let ends = Array(0..<40) + Array(bytes.count - 60..<bytes.count)
        let positions = ends + Array(stride(from: 40, to: bytes.count - 60, by: max(1, bytes.count / 150)))
        for (number, position) in positions.enumerated() {
            try file.write(at: UInt64(position), [bytes[position] ^ (1 << UInt8(number % 8))])
            do {
                let image = try await sample.read(digest: "flipped \(position)")
                #expect(image.layer.digest == whole.layer.digest, "byte \(position)")
                #expect(image.facts.partitions == whole.facts.partitions, "byte \(position)")
            } catch is Failure { refused += 1 }
            try file.write(at: UInt64(position), [bytes[position]])
        }
        // Nothing in an .xz file is without a check.
        #expect(refused == positions.count)
        #expect(try names(in: sample.work) == [])
        #expect(try names(in: sample.layers).count == 2)
    }

    @Test func everyTruncationIsRefused() async throws {
        try await makeSmall()
        let bytes = try readFile(sample.packed)
        for length in [1, 5, 6, 12, 100, bytes.count / 2, bytes.count - 12, bytes.count - 1] {
            try writeAtomically(to: sample.packed, bytes: Array(bytes.prefix(length)))
            let error = await failure { try await sample.read() }
            #expect(
                error?.message
                    == (length < 6 ? "this is neither an .xz file nor a raw disk" : "the .xz file is truncated"))
        }
    }
}
