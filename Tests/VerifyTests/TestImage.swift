import Records
import XZ
import Digests
import Disk
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools
import Verify

/// A small image as piforge builds them: FAT32 and ext4 in an MBR, packed in blocks of 64 KiB, with manifest and sums.
struct TestImage: Sendable {
    static let release = "6.12.1-test"
    static let fatStart: UInt64 = 4 << 20
    static let blockSize = 64 << 10
    static let epoch: Int64 = 1_700_000_000
    static let kernelLines = ["CONFIG_KVM=y", "CONFIG_TUN=y|m", "# CONFIG_XEN is not set"]

    /// The image's files, and the raw disk as `t.img`.
    let files: [String: [UInt8]]
    let blocks: [XZBlock]
    /// Where the root file system begins on the disk, in bytes.
    let rootStart: UInt64
    /// The first byte of each of these files on the disk.
    let places: [String: UInt64]
    /// The first byte of the root's inode table on the disk.
    let inodeTable: UInt64
    let manifest: Manifest

    private static let made = Task { try await TestImage() }
    /// The one that all tests share.
    static var shared: TestImage { get async throws { try await made.value } }

    static let names = ["t.img.xz", "t.manifest.json", "t.SHA256SUMS"]

    /// Bytes that xz packs to about a third.
    static func words(_ count: Int, seed: UInt64) -> [UInt8] {
        var generator = SplitMix64(seed: seed)
        var bytes: [UInt8] = []
        while bytes.count < count { bytes += Array("\(generator.next() % 5_000_000) ".utf8) }
        return Array(bytes.prefix(count))
    }

    /// Bytes that xz stores as they are.
    static func noise(_ count: Int, seed: UInt64) -> [UInt8] {
        var generator = SplitMix64(seed: seed)
        return (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
    }

    private init() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-verify")
        let tools = ToolRunner()
        let boot = folder.path.appending("boot.fat")
        let root = folder.path.appending("root.ext4")
        try await FAT.write(
            try Self.bootTree(), to: boot, size: FAT.smallestSize, label: "system-boot", volumeID: 0xae22_5928,
            epoch: Self.epoch, tools: tools)
        let uuid = "11111111-2222-8333-8444-555555555555"
        _ = try await Ext4.write(
            try Self.rootTree(), to: root,
            Ext4Options(
                size: 16 << 20, label: "writable", uuid: uuid, hashSeed: "66666666-7777-8888-9999-aaaaaaaaaaaa",
                epoch: Self.epoch), tools: tools)
        let table = try PartitionTable.laidOut(
            signature: 0xc0ff_ee01, [(.fat32, FAT.smallestSize), (.linux, 16 << 20)])
        let disk = try DiskImage(table, contents: [FileSource(boot), FileSource(root)])
        rootStart = table.partitions[1].offset

        var places: [String: UInt64] = [:]
        for name in ["usr/lib/words.so", "usr/share/noise"] {
            let blocks = try await tools.run(Judge.debugfs, ["-R", "blocks /\(name)", root.string], place: name).text
            places[name] = rootStart + 4096 * (try #require(UInt64(blocks.split(separator: " ").first ?? "")))
        }
        self.places = places
        let dump = try await tools.run(Judge.dumpe2fs, [root.string], place: "root").text
        let line = try #require(dump.split(separator: "\n").first { $0.contains("Inode table at ") })
        let number = line.split(separator: " ")[3].prefix { $0.isNumber }
        inodeTable = rootStart + 4096 * (try #require(UInt64(number)))

        let settings = try XZSettings(preset: 1, blockSize: Self.blockSize)
        let summary = try await XZWriter(settings: settings, workers: 2)
            .write(disk, to: folder.path.appending("t.img.xz"))
        try disk.write(to: folder.path.appending("t.img"))
        func record(_ number: Int, _ system: String, _ label: String, _ uuid: String) -> Manifest.Partition {
            let partition = table.partitions[number - 1]
            return Manifest.Partition(
                number: number, start: partition.offset, size: partition.size,
                type: "0x" + (number == 1 ? "0c" : "83"), filesystem: system, label: label, uuid: uuid)
        }
        manifest = Manifest(
            name: "t", epoch: Self.epoch, recipe: .init(canonical: "name: t\n"), packages: [], inputs: [],
            partitionTable: .init(
                scheme: "mbr", identifier: "0xc0ffee01",
                partitions: [
                    record(1, "vfat", "system-boot", "AE22-5928"), record(2, "ext4", "writable", uuid),
                ]),
            image: .init(file: "t.img.xz", summary: summary, settings: settings), accounts: [],
            expectations: .init(
                hostname: "t", memoryLimit: 1 << 30, kernelRelease: Self.release, docker: false, ssh: nil,
                serialConsole: nil, growsRoot: false, kernelConfig: Self.kernelLines))
        try manifest.write(to: folder.path.appending("t.manifest.json"))
        try Self.writeSums(in: folder.path)
        blocks = try XZFile(folder.path.appending("t.img.xz")).blocks
        var files: [String: [UInt8]] = [:]
        for name in Self.names + ["t.img"] { files[name] = try readFile(folder.path.appending(name)) }
        self.files = files
    }

    static func writeSums(in folder: FilePath) throws {
        try ChecksumList(
            ["t.img.xz", "t.manifest.json"].map { name in
                ChecksumList.Entry(name: name, digest: .of(try readFile(folder.appending(name))))
            }
        ).write(to: folder.appending("t.SHA256SUMS"))
    }

    /// A copy of the files, but for the raw disk, in a folder of its own.
    func copy() throws -> TemporaryFolder {
        let copy = try TemporaryFolder(in: "/tmp", name: "piforge-verify")
        for name in Self.names { try write(name, to: copy.path.appending(name)) }
        return copy
    }

    func write(_ name: String, to path: FilePath) throws {
        let bytes = try #require(files[name])
        let file = try OpenFile.creating(path)
        try file.truncate(to: UInt64(bytes.count))
        try bytes.withUnsafeBytes { try SparseFile(file).write(at: 0, $0) }
    }

    /// The block of the .xz file that a byte of the disk is in.
    func block(of offset: UInt64) throws -> XZBlock {
        try #require(
            blocks.first { ($0.uncompressedOffset..<$0.uncompressedOffset + $0.uncompressedSize).contains(offset) })
    }

    // MARK: Trees

    /// What Linux's arm64 image begins with, and its banner.
    static func kernel(_ release: String) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 64)
        bytes.replaceSubrange(0..<2, with: Array("MZ".utf8))
        bytes.replaceSubrange(56..<60, with: Array("ARM".utf8) + [0x64])
        return bytes + Array("Linux Linux version %s Linux version \(release) (a@b) #1".utf8) + words(100_000, seed: 1)
    }

    private static func tree(_ files: [(String, [UInt8])], folders: [String]) throws -> Tree {
        var layer = Layer(name: "test")
        let attributes = Attributes(mode: 0o644, mtime: Timestamp(seconds: epoch))
        let folder = Attributes(mode: 0o755, mtime: Timestamp(seconds: epoch))
        layer.addDirectory(.root, folder)
        for name in folders { layer.addDirectory(try EntryPath(validating: Array(name.utf8)), folder) }
        for (name, bytes) in files {
            layer.entries.append(
                Entry(try EntryPath(validating: Array(name.utf8)), attributes, .regular(Content(bytes))))
        }
        return try Tree([layer])
    }

    private static func bootTree() throws -> Tree {
        try tree(
            [
                ("config.txt", Array("kernel=vmlinuz\ninitramfs initrd followkernel\ntotal_mem=1024\n".utf8)),
                ("cmdline.txt", Array("root=LABEL=writable\n".utf8)), ("vmlinuz", kernel(release)),
                ("initrd", words(20_000, seed: 2)), ("start4.elf", words(400_000, seed: 3)), ("fixup4.dat", [1]),
                ("bcm2711-rpi-4-b.dtb", [0xd0, 0x0d, 0xfe, 0xed] + words(30_000, seed: 4)),
            ], folders: ["overlays"])
    }

    private static func rootTree() throws -> Tree {
        let config = "# Linux/arm64\nCONFIG_KVM=y\nCONFIG_TUN=m\n# CONFIG_XEN is not set\n"
        var tree = try tree(
            [
                ("boot/config-\(release)", Array(config.utf8)), ("etc/hostname", Array("t\n".utf8)),
                ("usr/lib/words.so", words(400_000, seed: 5)), ("usr/share/noise", noise(300_000, seed: 6)),
                ("usr/lib/firmware/brcm/brcmfmac43455-sdio.txt", [1]), ("etc/alternatives/radio", [2]),
            ],
            folders: [
                "boot", "etc", "etc/alternatives", "usr", "usr/lib", "usr/lib/firmware", "usr/lib/firmware/brcm",
                "usr/lib/firmware/cypress", "usr/share",
            ])
        // The radio's firmware, over links as packages have them: within a folder, and through /etc/alternatives.
        var links = Layer(name: "links")
        for (name, target) in [
            ("brcm/brcmfmac43455-sdio.bin", "../cypress/cyfmac43455-sdio.bin"),
            ("cypress/cyfmac43455-sdio.bin", "/etc/alternatives/radio"),
            ("brcm/brcmfmac43456-sdio.bin", "brcmfmac43456-sdio.bin"),
        ] {
            links.addSymlink(
                try EntryPath(validating: "usr/lib/firmware/\(name)"), to: target,
                Attributes(mode: 0o777, mtime: Timestamp(seconds: epoch)))
        }
        try tree.apply(links)
        return tree
    }
}

extension TemporaryFolder {
    /// Changes bytes of a file in place.
    func change(_ name: String, at offset: UInt64, _ change: ([UInt8]) -> [UInt8] = { [$0[0] ^ 0x55] }, count: Int = 1)
        throws
    {
        let file = try OpenFile.updating(path.appending(name))
        try file.write(at: offset, change(try file.bytes(at: offset, count: count)))
    }

    /// Verifies files of the folder that are expected to be one image.
    func verify(
        _ name: String = "t.img.xz", _ change: (inout VerifyOptions) -> Void = { _ in }
    ) async throws -> VerifyReport {
        let work = path.appending("work")
        var options = VerifyOptions(files: [path.appending(name)], work: work, workers: 2)
        change(&options)
        var reports: [VerifyReport] = []
        let passed = try await Verifier.run(options) { reports.append($0) }
        let report = try #require(reports.first)
        #expect(passed == reports.allSatisfy(\.passed))
        #expect(try names(in: work).isEmpty, "the work folder is left empty")
        return report
    }
}

extension VerifyReport {
    /// What a check saw, with its verdict where that is not ok.
    subscript(check: String) -> String? {
        rows.first { $0.check == check }.map { row in
            row.verdict == .ok ? row.seen : "\(row.verdict.rawValue): \(row.seen)"
        }
    }

    /// The checks that failed.
    var failed: [String] { rows.filter { $0.verdict == .failed }.map(\.check) }
    var notChecked: [String] { rows.filter { $0.verdict == .notChecked }.map(\.check) }
}
