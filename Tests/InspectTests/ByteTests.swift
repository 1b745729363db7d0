import Disk
import Inspect
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing

/// Differences that no file shows: named by what the bytes lie in.
@Suite struct ByteTests {
    /// The things named, with their fields, but for what debugfs writes of itself.
    private func things(_ differences: ImageDifferences) -> [String] {
        differences.bytes.flatMap { change -> [String] in
            let place = change.partition.map { "\($0) " } ?? ""
            return change.fields.isEmpty
                ? ["\(place)\(change.object)"]
                : change.fields.map { "\(place)\(change.object): \($0.field) \($0.old ?? "") \($0.new ?? "")" }
        }.filter { !$0.contains("s_kbytes_written") && !$0.contains("s_checksum") }
    }

    private func expectOnlyBytes(_ planted: Planted, _ expected: [String]) throws {
        let differences = try planted.differences()
        #expect(things(differences) == expected)
        #expect(differences.files.isEmpty && differences.filesystems.isEmpty && differences.disk.isEmpty)
        #expect(!differences.isEmpty)
        #expect(differences.text.hasPrefix("bytes\n"))
    }

    @Test(
        arguments: [
            ("sif /etc/hostname generation 7", "i_generation"), ("sif /etc/hostname ctime @1700000000", "i_ctime"),
            ("sif /etc/hostname atime @1700000000", "i_atime"), ("sif /etc/hostname crtime @1700000000", "i_crtime"),
        ])
    func inodeFields(request: String, field: String) async throws {
        let planted = try await Planted()
        try await planted.edit([request])
        let number = try await Judge.debugfs(planted.sample.root, "stat /etc/hostname").split(separator: " ")[1]
        let differences = try planted.differences()
        let found = things(differences).filter { !$0.contains("_extra") }
        #expect(found.count == 1 && found[0].hasPrefix("2 inode \(number) (/etc/hostname): \(field) "), "\(found)")
        #expect(differences.files.isEmpty)
    }

    @Test func superblockField() async throws {
        let planted = try await Planted()
        try await planted.edit(["ssv mnt_count 3"])
        #expect(things(try planted.differences()) == ["2 superblock: s_mnt_count 0 3"])
    }

    @Test func freeSpace() async throws {
        let planted = try await Planted()
        let free = try await Judge.debugfs(planted.sample.root, "ffb")
        let block = try #require(UInt64(free.split(whereSeparator: \.isWhitespace).last ?? ""))
        try await planted.patch(InspectSample.rootStart + block * 4096 + 5, [1])
        try expectOnlyBytes(planted, ["2 free space"])
    }

    @Test func bytesBehindAFile() async throws {
        let planted = try await Planted()
        try await planted.patch(try await planted.block(of: "/etc/hostname") + 4000, [1])
        try expectOnlyBytes(planted, ["2 unused bytes behind the end of /etc/hostname"])
        try await planted.patch(try await planted.block(of: "/etc/hostname") + 100, [1])
        try expectOnlyBytes(planted, ["2 unused bytes behind the end of /etc/hostname"])
    }

    @Test func folderAndJournalAndBitmap() async throws {
        let planted = try await Planted()
        try await planted.patch(try await planted.block(of: "/etc/docker") + 2000, [1])
        try expectOnlyBytes(planted, ["2 names of the folder /etc/docker"])
        try await planted.patch(try await planted.block(of: "<8>") + 8192, [1])
        try expectOnlyBytes(planted, ["2 journal"])
        let bitmap = try await Judge.shell(
            "dumpe2fs root.ext4 2>/dev/null | sed -n 's/.*Block bitmap at \\([0-9]*\\).*/\\1/p' | head -1",
            in: planted.sample.path)
        let place = try #require(UInt64(bitmap.filter(\.isNumber)))
        try await planted.patch(InspectSample.rootStart + place * 4096, [0xfe])
        try expectOnlyBytes(planted, ["2 block bitmap of group 0: block 0 used free"])
    }

    @Test func fatThings() async throws {
        let planted = try await Planted()
        let start = InspectSample.bootStart
        // The root folder begins with the first cluster: 32 reserved sectors, then two tables.
        let root = try await Judge.shell(
            "fsck.fat -nv boot.fat | sed -n 's/.*Data area starts at byte \\([0-9]*\\).*/\\1/p'",
            in: planted.sample.path)
        let data = try #require(UInt64(root.filter(\.isNumber)))
        try await planted.patch(start + 3, Array("elsewhere".utf8.prefix(5)))
        #expect(try planted.differences([.filesystems]).filesystems.map(\.field) == ["OEM name"])
        try await planted.patch(start + 100, [1])
        try expectOnlyBytes(planted, ["1 boot sector: boot code 420 bytes 420 bytes"])
        try await planted.patch(start + (34 << 20) - 4096, [1])
        try expectOnlyBytes(planted, ["1 free space"])
        // The first entry is the label; config.txt's follows it.
        try await planted.patch(start + data + 32 + 18, [0, 0])
        let found = things(try planted.differences())
        #expect(found.count == 1 && found[0].hasPrefix("1 entry CONFIG.TXT of the folder /: access date "), "\(found)")
        try await planted.patch(start + 32 * 512 + 4 * 30_000, [1])
        try expectOnlyBytes(planted, ["1 file allocation table 1"])
    }

    @Test func outsideOfPartitions() async throws {
        let planted = try await Planted()
        try await planted.patch(7, [1])
        try expectOnlyBytes(planted, ["partition table: boot code 440 bytes 440 bytes"])
        try await planted.patch(600, [1])
        try expectOnlyBytes(planted, ["gap before partition 1"])
        try await planted.patch((60 << 20) - 1, [1])
        try expectOnlyBytes(planted, ["gap behind the last partition"])
    }

    // MARK: Forms

    @Test func formDoesNotMatter() async throws {
        let planted = try await Planted()
        let sample = planted.sample
        try await planted.edit(["sif /etc/hostname mode 0100600"])
        let (one, single) = (
            planted.folder.path.appending("new.img.xz"), planted.folder.path.appending("single.img.xz")
        )
        try await sample.pack(planted.raw, to: one)
        try await sample.pack(planted.raw, to: single, with: "xz -T1 -0")
        func run(_ a: FilePath, _ b: FilePath) throws -> (ImageDifferences, Int) {
            let disk = try ImageDisk(b)
            var found = try ImageComparison(try ImageDisk(a), disk).run()
            (found.a, found.b) = ("", "")
            return (found, disk.packed?.work.blocks ?? 0)
        }
        let plain = try run(sample.raw, planted.raw).0
        #expect(plain.files.count == 1)
        let packed = try run(sample.packed, one)
        #expect(packed.0 == plain)
        #expect(packed.1 <= 12, "\(packed.1) of 60 blocks")
        #expect(try run(sample.packed, planted.raw).0 == plain)
        let sequential = try run(sample.raw, single)
        #expect(sequential.0 == plain)
        #expect(sequential.1 <= 6, "\(sequential.1) passes")
        // The same disk, packed in other ways.
        let same = try run(one, single).0
        #expect(same.isEmpty && same.text.isEmpty)
        let itself = try run(one, one)
        #expect(itself.0.isEmpty)
        #expect(itself.1 <= 3, "nothing but the partition table and what opening takes: \(itself.1) blocks")
    }

    @Test func differencesAgreeWithCmp() async throws {
        let planted = try await Planted()
        try await planted.edit(["rm /usr/bin/program", "write new /usr/new"], files: ["new": "new\n"])
        let differences = try planted.differences()
        let sectors = try await Judge.shell(
            "(cmp -l \"$1\" \"$2\" || true) | awk '{print int(($1 - 1) / 512)}' | uniq | wc -l",
            [planted.sample.raw.string, planted.raw.string], in: planted.folder.path)
        // A sector that holds two inodes which differ is told of both.
        let inodes = differences.bytes.filter { $0.object.hasPrefix("inode ") }.reduce(0) { $0 + $1.sectors }
        let others = differences.bytes.filter { !$0.object.hasPrefix("inode ") }.reduce(0) { $0 + $1.sectors }
        let judged = try #require(Int(sectors.filter(\.isNumber)))
        #expect(others + 1 <= judged && judged <= others + inodes, "\(judged) sectors; \(others) and \(inodes)")
    }
}
