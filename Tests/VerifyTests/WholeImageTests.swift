import XZ
import Digests
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools
import Verify

/// Images that are whole, and such that are whole but not the ones that are named.
@Suite struct WholeImageTests {
    @Test(arguments: ["t.img.xz", "t.manifest.json", "t.SHA256SUMS"])
    func wholeImagePasses(name: String) async throws {
        let image = try await TestImage.shared
        let folder = try image.copy()
        let report = try await folder.verify(name)
        #expect(report.passed)
        #expect(report.failed == [])
        #expect(report.notChecked == ["signature", "companions"])
        #expect(report["signature"] == "not checked: t.SHA256SUMS has no signature beside it")
        #expect(report["sum line"] == "SHA-256 in t.SHA256SUMS")
        #expect(report["sum"] == image.manifest.image.sha256.hex)
        #expect(report["manifest"] == "t.manifest.json, as listed")
        #expect(report["xz"] == "896 blocks, 1 stream")
        #expect(report["unpacked"] == "58720256 bytes, \(image.manifest.image.uncompressedSHA256)")
        #expect(report["partition table"] == "2 partitions, as in the manifest")
        #expect(report["sfdisk --verify"] == "no errors detected")
        #expect(report["fsck.fat, partition 1"] == "clean")
        #expect(report["e2fsck, partition 2"] == "clean")
        #expect(
            report["labels"]
                == "vfat system-boot AE22-5928\next4 writable 11111111-2222-8333-8444-555555555555")
        #expect(report["boot files"] == "vmlinuz, initrd, bcm2711-rpi-4-b.dtb, total_mem=1024")
        #expect(report["firmware settings"] == "each line has an effect")
        #expect(report["kernel config"] == "6.12.1-test, all 3 followed")
        #expect(report["first bad byte"] == nil)
    }

    @Test func rawDiskIsJudgedInPlace() async throws {
        let image = try await TestImage.shared
        let folder = try image.copy()
        // A name that e2fsck would take for options, were it given it.
        let path = folder.path.appending("a?b.img")
        try image.write("t.img", to: path)
        let report = try await folder.verify("a?b.img")
        #expect(report.failed == [])
        #expect(report["xz"] == "not checked: the image is not compressed")
        #expect(report["sum line"] == "not checked: there is no list of sums beside it")
        #expect(report["e2fsck, partition 2"] == "clean")
        #expect(report["boot files"]?.hasPrefix("not checked: there is no manifest") == true)
        #expect(
            report["firmware settings"]
                == "not checked: there is no manifest: the lines are its publisher's; each has an effect")
        try image.write("t.img", to: folder.path.appending("t.img"))
        let raw = try await folder.verify("t.img")
        #expect(raw["unpacked"] == "58720256 bytes, \(image.manifest.image.uncompressedSHA256)")
        #expect(raw.failed == ["sum line"])
    }

    /// A line without effect fails an image of packages, and is said of a publisher's.
    @Test func lineOfConfigWithoutEffectIsFound() async throws {
        let image = try await TestImage.shared
        let folder = try image.copy()
        let path = folder.path.appending("t.img")
        try image.write("t.img", to: path)
        let old = Array("initramfs initrd followkernel\n".utf8)
        let new = Array("initramfs initrd\ngpu_memm=160\n".utf8)
        let disk = try readFile(path)
        let place = try #require(disk.firstRange(of: old)?.lowerBound)
        try folder.change("t.img", at: UInt64(place), { _ in new }, count: old.count)
        let line =
            "config.txt:3: gpu_memm=160: 'gpu_memm' is no key of config.txt that piforge knows, "
            + "and start4.elf does not hold it either"
        let report = try await folder.verify("t.img")
        #expect(report["firmware settings"] == "FAILED: \(line)")
        var manifest = image.manifest
        manifest.base = .init(packages: [], accountsLocked: true)
        try manifest.write(to: folder.path.appending("t.manifest.json"))
        #expect(try await folder.verify("t.img")["firmware settings"] == "noted: \(line)")
        let foreign = try TemporaryFolder(in: "/tmp", name: "piforge-verify")
        try writeAtomically(to: foreign.path.appending("u.img"), bytes: try readFile(path))
        let other = try await foreign.verify("u.img")
        #expect(
            other["firmware settings"]
                == "not checked: there is no manifest: the lines are its publisher's; without effect:\n\(line)")
        #expect(other.failed == [])
    }

    /// As publishers pack: one thread, one block.
    @Test func singleBlockIsReadPieceByPiece() async throws {
        let image = try await TestImage.shared
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-verify")
        let path = folder.path.appending("stock.img.xz")
        let raw = folder.path.appending("raw")
        try image.write("t.img", to: raw)
        let packed = try await ToolRunner().run(Judge.xz, ["-T1", "-1", "-c", raw.string], place: "xz")
        try writeAtomically(to: path, bytes: packed.output)
        let list = "\(SHA256Digest.of(packed.output)) *stock.img.xz\n\(SHA256Digest.of("x")) *other.img.xz\n"
        try writeAtomically(to: folder.path.appending("SHA256SUMS"), bytes: Array(list.utf8))
        for name in ["stock.img.xz", "SHA256SUMS"] {
            let report = try await folder.verify(name)
            #expect(report.failed == [])
            #expect(report["xz"] == "1 block, 1 stream")
            #expect(
                report["unpacked"]
                    == "not checked: there is no manifest: \(image.manifest.image.uncompressedSHA256)")
            #expect(report["e2fsck, partition 2"] == "clean")
        }
        let size = UInt64(packed.output.count)
        try folder.change("stock.img.xz", at: size / 2)
        let report = try await folder.verify("stock.img.xz")
        #expect(report["xz"] == "FAILED: block 1 of 1 is damaged")
        #expect(report["partition table"]?.hasPrefix("not checked: block 1 of 1") == true)
        let words = try #require(report["first bad byte"])
        #expect(words.contains(": partition "), "\(words)")
        #expect(try offsets(words).contains(size / 2), "\(words)")
    }

    /// Block map, bills of materials, and the like: what is there must be what is listed.
    @Test func companionsAreHeldToTheList() async throws {
        let folder = try await TestImage.shared.copy()
        let list = folder.path.appending("t.SHA256SUMS")
        let text = String(decoding: try readFile(list), as: UTF8.self)
        try writeAtomically(to: folder.path.appending("t.bmap"), bytes: [1])
        let more = ["t.bmap", "t.spdx.json", "u.bmap"].map { "\(SHA256Digest.of([1]))  \($0)\n" }.joined()
        try writeAtomically(to: list, bytes: Array((text + more).utf8))
        let report = try await folder.verify()
        #expect(report.failed == [])
        #expect(report["companions"] == "1 file; not here: 1")
        try folder.change("t.bmap", at: 0)
        let changed = try await folder.verify()
        #expect(changed.failed == ["companions"])
        #expect(changed["companions"] == "FAILED: t.bmap is not the one that is listed")
    }

    @Test func otherSumFails() async throws {
        let folder = try await TestImage.shared.copy()
        let wrong = "\(SHA256Digest.of("x"))  t.img.xz\n"
        try writeAtomically(to: folder.path.appending("t.SHA256SUMS"), bytes: Array(wrong.utf8))
        let report = try await folder.verify()
        #expect(report.failed == ["sum"])
        #expect(report["manifest"] == "t.manifest.json, in no list of sums")
        #expect(
            report["first bad byte"]
                == "not checked: the disk is the manifest's, to the last byte: only how it is packed differs")
        try writeAtomically(
            to: folder.path.appending("t.SHA256SUMS"), bytes: Array("\(SHA256Digest.of("x"))  u.img\n".utf8))
        #expect(try await folder.verify().failed == ["sum line"])
        try writeAtomically(to: folder.path.appending("t.SHA256SUMS"), bytes: Array("junk\n".utf8))
        #expect(try await folder.verify().failed.contains("sum line"))
    }

    @Test func otherManifestFails() async throws {
        let image = try await TestImage.shared
        let folder = try image.copy()
        var manifest = image.manifest
        manifest.image.uncompressedSHA256 = .of("x")
        manifest.image.size += 1
        manifest.partitionTable.partitions[1].size += 512
        manifest.partitionTable.partitions[0].label = "other"
        manifest.expectations.memoryLimit = 2 << 30
        manifest.expectations.kernelRelease = "6.1.0"
        try manifest.write(to: folder.path.appending("t.manifest.json"))
        let report = try await folder.verify()
        #expect(
            report.failed == [
                "manifest", "image", "unpacked", "partition table", "labels", "boot files", "kernel config",
            ])
        #expect(
            report["partition table"]?.contains("bytes from \(image.rootStart) instead of partition 2 of type") == true)
        #expect(report["boot files"] == "FAILED: vmlinuz, initrd, bcm2711-rpi-4-b.dtb, total_mem=1024")
        #expect(report["kernel config"] == "FAILED: vmlinuz is 6.12.1-test")
        #expect(
            report["first bad byte"]
                == "not checked: every block decodes: the file is another, not a damaged one, and nothing can be located"
        )
        for json in ["{", "{\"format\": 9}"] {
            try writeAtomically(to: folder.path.appending("t.manifest.json"), bytes: Array(json.utf8))
            #expect(try await folder.verify().failed == ["manifest"])
        }
    }

    @Test func kernelConfigurationIsHeldToTheManifestsLines() async throws {
        let image = try await TestImage.shared
        let folder = try image.copy()
        var manifest = image.manifest
        // Two fragments may ask for one option.
        manifest.expectations.kernelConfig = [
            "CONFIG_KVM=y", "CONFIG_TUN=y", "CONFIG_VHOST_NET=y|m", "CONFIG_KVM=y|m",
        ]
        try manifest.write(to: folder.path.appending("t.manifest.json"))
        try TestImage.writeSums(in: folder.path)
        let report = try await folder.verify()
        #expect(report.failed == ["kernel config"])
        #expect(
            report["kernel config"]
                == "FAILED: CONFIG_TUN=y, but it is m\nCONFIG_VHOST_NET=y|m, but it is not set")
        manifest.expectations.kernelConfig = ["CONFIG_KVM"]
        try manifest.write(to: folder.path.appending("t.manifest.json"))
        try TestImage.writeSums(in: folder.path)
        #expect(try await folder.verify()["kernel config"]?.contains("this is not a line") == true)
        manifest.expectations.kernelConfig = []
        try manifest.write(to: folder.path.appending("t.manifest.json"))
        try TestImage.writeSums(in: folder.path)
        #expect(
            try await folder.verify()["kernel config"]
                == "not checked: 6.12.1-test; the manifest asks nothing of its configuration")
    }

    /// The disk was changed and packed again: no block is damaged, so there is nothing to locate.
    @Test func imageThatWasPackedAgainFails() async throws {
        let image = try await TestImage.shared
        let folder = try image.copy()
        try image.write("t.img", to: folder.path.appending("t.img"))
        try folder.change("t.img", at: try #require(image.places["usr/lib/words.so"]))
        removeTree(folder.path.appending("t.img.xz"))
        let settings = try XZSettings(preset: 1, blockSize: TestImage.blockSize)
        _ = try await XZWriter(settings: settings, workers: 2)
            .write(FileSource(folder.path.appending("t.img")), to: folder.path.appending("t.img.xz"))
        let report = try await folder.verify()
        #expect(report.failed == ["sum", "image", "unpacked"])
        #expect(
            report["first bad byte"]
                == "not checked: every block decodes: the file is another, not a damaged one, and nothing can be located"
        )
    }

    /// A file system that its judge finds fault with, in an image that is what its sums say.
    @Test func badFileSystemsAreFound() async throws {
        let image = try await TestImage.shared
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-verify")
        let path = folder.path.appending("u.img")
        try image.write("t.img", to: path)
        try folder.change("u.img", at: image.inodeTable + 256 * 11 + 4)
        // The second table of the FAT: 32 reserved sectors, then two tables of the same length.
        let boot = try readFile(path)[Int(TestImage.fatStart)...].prefix(64)
        let length = boot.dropFirst(36).prefix(4).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        try folder.change("u.img", at: TestImage.fatStart + (32 + length) * 512 + 40)
        let report = try await folder.verify("u.img")
        #expect(report.failed == ["fsck.fat, partition 1", "e2fsck, partition 2"])
        #expect(report["fsck.fat, partition 1"]?.contains("FATs differ") == true)
        #expect(report["e2fsck, partition 2"]?.contains("Inode 12") == true)

        // Partition 1 reaches into partition 2.
        try folder.change("u.img", at: 446 + 12, { _ in [0, 0x60, 1, 0] }, count: 4)
        let overlapping = try await folder.verify("u.img")
        #expect(overlapping["partition table"] == "FAILED: u.img: partitions 1 and 2 overlap at sector 81920")
        #expect(overlapping["sfdisk --verify"]?.contains("overlaps partition 2") == true)
        #expect(overlapping["file systems"] == "not checked: there are no partitions")
    }
}

/// The offsets of the .xz that a row names: `offset 5 of`, `offsets 5 to 7 of`.
func offsets(_ words: String) throws -> ClosedRange<UInt64> {
    let match = words.firstMatch(of: /offsets? (\d+)(?: to (\d+))? of the \.xz/)
    let first = try #require(match.flatMap { UInt64($0.1) }, "\(words)")
    return first...(match?.2.flatMap { UInt64($0) } ?? first)
}
