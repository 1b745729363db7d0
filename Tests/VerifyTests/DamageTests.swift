import XZ
import Storage
import SystemPackage
import TestSupport
import Testing
import Verify

/// Damaged images: what fails, and where the first bad byte is said to be.
@Suite struct DamageTests {
    /// Where a block's data begins in the .xz file.
    private static func data(of block: XZBlock, _ image: TestImage) throws -> UInt64 {
        let file = try #require(image.files["t.img.xz"])
        return block.offset + (UInt64(file[Int(block.offset)]) + 1) * 4
    }

    private static func damaged(_ offset: UInt64) async throws -> (report: VerifyReport, words: String) {
        let folder = try await TestImage.shared.copy()
        try folder.change("t.img.xz", at: offset)
        let report = try await folder.verify()
        #expect(!report.passed)
        return (report, try #require(report["first bad byte"]))
    }

    @Test func damageInAFileNamesIt() async throws {
        let image = try await TestImage.shared
        // The whole second block of the file is the file's.
        let block = try image.block(of: try #require(image.places["usr/lib/words.so"]) + 65536)
        let offset = block.offset + block.unpaddedSize / 2
        let (report, words) = try await Self.damaged(offset)
        #expect(report.failed == ["sum", "image", "xz", "first bad byte"])
        let number = "block \(block.number + 1) of 896"
        #expect(report["xz"] == "FAILED: \(number) is damaged")
        #expect(report["unpacked"] == "not checked: it does not unpack")
        #expect(report["partition table"] == "2 partitions, as in the manifest")
        #expect(report["fsck.fat, partition 1"] == "clean")
        #expect(report["boot files"] == "vmlinuz, initrd, bcm2711-rpi-4-b.dtb, total_mem=1024")
        for check in ["e2fsck, partition 2", "labels", "kernel config"] {
            #expect(report[check] == "not checked: \(number), which holds some of it, is damaged")
        }
        let start = try Self.data(of: block, image)
        #expect(words.hasPrefix("FAILED: offsets \(start) to "), "\(words)")
        #expect(words.contains(" of the .xz (\(number), its data), bytes \(block.uncompressedOffset) to "), "\(words)")
        #expect(words.hasSuffix(" of the disk: partition 2, ext4: usr/lib/words.so"), "\(words)")
        #expect(try offsets(words).contains(offset))
    }

    /// Nothing but the block's check sees it: the check tells the very byte.
    @Test func damageInStoredBytesIsLocatedToTheByte() async throws {
        let image = try await TestImage.shared
        let block = try image.block(of: try #require(image.places["usr/share/noise"]) + 65536)
        let first = try Self.data(of: block, image) + 3
        for distance: UInt64 in [0, 777, 40_000] {
            let (report, words) = try await Self.damaged(first + distance)
            #expect(report.failed == ["sum", "image", "xz", "first bad byte"])
            #expect(
                words == "FAILED: offset \(first + distance) of the .xz (block \(block.number + 1) of 896, its data),"
                    + " byte \(block.uncompressedOffset + distance) of the disk: partition 2, ext4: usr/share/noise")
        }
        // Two bytes next to each other; and two that are not, which the check cannot tell.
        let folder = try image.copy()
        try folder.change("t.img.xz", at: first + 9, { [$0[0] ^ 1, $0[1] ^ 0x80] }, count: 2)
        let words = try #require(try await folder.verify()["first bad byte"])
        #expect(words.hasPrefix("FAILED: offsets \(first + 9) to \(first + 10) of the .xz"), "\(words)")
        try folder.change("t.img.xz", at: first + 99)
        let more = try #require(try await folder.verify()["first bad byte"])
        #expect(more.hasPrefix("FAILED: offsets \(first - 3) to "), "\(more)")
        #expect(more.hasSuffix("ext4: usr/share/noise"), "\(more)")
    }

    @Test func damageOutsideOfFilesNamesItsPlace() async throws {
        let image = try await TestImage.shared
        func words(_ place: UInt64) async throws -> String {
            let block = try image.block(of: place)
            return try await Self.damaged(block.offset + block.unpaddedSize / 2).words
        }
        #expect(try await words(0).hasSuffix("of the disk: partition table; gap before partition 1"))
        #expect(try await words(2 << 20).hasSuffix("of the disk: gap before partition 1"))
        // The block holds the boot sector and its copy.
        #expect(try await words(TestImage.fatStart).hasSuffix("of the disk: partition 1, FAT: boot sector"))
        let table = try await words(TestImage.fatStart + (1 << 17))
        #expect(table.hasSuffix("of the disk: partition 1, FAT: file allocation table 1"), "\(table)")
        let superblock = try await words(image.rootStart)
        #expect(superblock.contains("partition 2, ext4: superblock"), "\(superblock)")
        let inodes = try await words(image.inodeTable + 256 * 12)
        #expect(inodes.contains("inode table of group 0"), "\(inodes)")
        let free = try await words(image.rootStart + (15 << 20))
        #expect(free.hasSuffix("of the disk: partition 2, ext4: no file"), "\(free)")
    }

    @Test func damageBesideTheDataSaysSo() async throws {
        let image = try await TestImage.shared
        let block = try image.block(of: try #require(image.places["usr/lib/words.so"]) + 65536)
        let number = "block \(block.number + 1) of 896"
        let end = block.offset + (block.unpaddedSize + 3) / 4 * 4
        let check = try await Self.damaged(end - 3).words
        #expect(check == "FAILED: offset \(end - 3) of the .xz (\(number), its check); the disk's bytes are whole")
        let data = try Self.data(of: block, image)
        let header = try await Self.damaged(block.offset + 2).words
        #expect(
            header.hasPrefix(
                "FAILED: offsets \(block.offset) to \(data - 1) of the .xz (\(number), its header), bytes"),
            "\(header)")
        let padded = try #require(image.blocks.first { $0.unpaddedSize % 4 != 0 })
        let padding = padded.offset + (padded.unpaddedSize + 3) / 4 * 4 - 8 - 1
        let words = try await Self.damaged(padding).words
        #expect(words.contains("its padding); the disk's bytes are whole"), "\(words)")
        #expect(try offsets(words).contains(padding))
    }

    @Test func damageToTheStructureIsLocated() async throws {
        let image = try await TestImage.shared
        let size = image.manifest.image.size
        let cases: [(UInt64, String)] = [
            (0, "offsets 0 to 11 of the .xz: the stream's header"),
            (7, "offsets 0 to 11 of the .xz: the stream's header"),
            (size - 1, "offsets \(size - 12) to \(size - 1) of the .xz: the stream's footer"),
            (size - 6, "offsets \(size - 12) to \(size - 1) of the .xz: the stream's footer"),
        ]
        for (offset, expected) in cases {
            let (report, words) = try await Self.damaged(offset)
            #expect(words == "FAILED: \(expected)")
            #expect(report["partition table"] == "not checked: the .xz file cannot be unpacked")
            #expect(report["file systems"] == "not checked: the .xz file cannot be unpacked")
            #expect(report["boot files"] == "not checked: the .xz file cannot be unpacked")
        }
        let index = try await Self.damaged(size - 40).words
        #expect(index.hasSuffix(" to \(size - 13) of the .xz: the index"), "\(index)")
        #expect(try offsets(index).contains(size - 40))
    }

    @Test func truncatedAndGrownFilesFail() async throws {
        let image = try await TestImage.shared
        let bytes = try #require(image.files["t.img.xz"])
        let folder = try image.copy()
        for size in [bytes.count - 1, bytes.count / 2, 13, 0] {
            try writeAtomically(to: folder.path.appending("t.img.xz"), bytes: Array(bytes.prefix(size)))
            let report = try await folder.verify()
            #expect(report.failed == ["sum", "image", "xz", "first bad byte"])
            #expect(
                report["first bad byte"] == "FAILED: offset \(size): the .xz ends there, before it is whole")
        }
        try writeAtomically(to: folder.path.appending("t.img.xz"), bytes: bytes + [1, 2, 3])
        let report = try await folder.verify()
        #expect(report["first bad byte"]?.hasSuffix("of the .xz: what follows the last stream") == true)
        try writeAtomically(to: folder.path.appending("t.img.xz"), bytes: TestImage.noise(5000, seed: 9))
        #expect(
            try await folder.verify()["first bad byte"] == "FAILED: offsets 0 to 11 of the .xz: the stream's header")
    }

    /// Any byte of the file, changed in any way: verify fails, ends in order, and what it tells includes the byte.
    @Test func anyChangedByteIsFoundAndLocated() async throws {
        let image = try await TestImage.shared
        let size = image.manifest.image.size
        let folder = try image.copy()
        var generator = SplitMix64(seed: 20)
        for _ in 0..<60 {
            let offset = UInt64.random(in: 0..<size, using: &generator)
            let change = UInt8.random(in: 1...255, using: &generator)
            try folder.change("t.img.xz", at: offset, { [$0[0] ^ change] })
            let report = try await folder.verify()
            try folder.change("t.img.xz", at: offset, { [$0[0] ^ change] })
            #expect(report.failed.contains("sum"), "byte \(offset)")
            #expect(report.failed.contains("xz"), "byte \(offset)")
            let words = try #require(report["first bad byte"], "byte \(offset)")
            #expect(words.hasPrefix("FAILED: "), "byte \(offset)")
            let told = try offsets(words)
            let stored = words.firstMatch(of: /as they are from offset (\d+) on/).flatMap { UInt64($0.1) }
            #expect(
                (min(stored ?? told.lowerBound, told.lowerBound)...told.upperBound).contains(offset),
                "byte \(offset): \(words)")
            // What is told lies in the block, or the part of the structure, that is damaged.
            if let block = image.blocks.last(where: { $0.offset <= offset }),
                offset < block.offset + (block.unpaddedSize + 3) / 4 * 4
            {
                let range = block.offset..<block.offset + (block.unpaddedSize + 3) / 4 * 4
                #expect(range.contains(told.lowerBound) && range.contains(told.upperBound), "byte \(offset): \(words)")
            }
        }
    }
}
