import Records
import XZ
import Disk
import Foundation
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// Block maps, judged by bmaptool and by the file systems' own checkers.
@Suite struct BlockMapTests {
    private static let bmaptool = Tool("bmaptool", package: "bmap-tools", purpose: "judge block maps")
    /// On the root file system: 300,000 zeros that are written, which a file of the host may well hold as a hole.
    private static let zeros: EntryPath = "zeros"

    /// FAT and ext4 in an MBR, as `t.img`, with the table.
    private static func disk(in folder: FilePath) async throws -> (disk: DiskImage, table: PartitionTable) {
        var boot = Layer(name: "boot")
        var root = Layer(name: "root")
        let file = Attributes(mode: 0o644, mtime: Timestamp(seconds: 1_700_000_000))
        let directory = Attributes(mode: 0o755, mtime: Timestamp(seconds: 1_700_000_000))
        boot.addDirectory(.root, directory)
        root.addDirectory(.root, directory)
        func add(_ path: EntryPath, _ bytes: [UInt8], to layer: inout Layer) {
            layer.entries.append(Entry(path, file, .regular(Content(bytes))))
        }
        add("config.txt", Array("kernel=vmlinuz\n".utf8), to: &boot)
        add("empty.bin", [UInt8](repeating: 0, count: 40_000), to: &boot)
        add("words", compressibleBytes(500_000, seed: 1), to: &root)
        add(zeros, [UInt8](repeating: 0, count: 300_000), to: &root)
        let tools = ToolRunner()
        try await FAT.write(
            try Tree([boot]), to: folder.appending("boot"), size: FAT.smallestSize, label: "system-boot",
            volumeID: 0xae22_5928, epoch: 1_700_000_000, tools: tools)
        _ = try await Ext4.write(
            try Tree([root]), to: folder.appending("root"),
            Ext4Options(
                size: 24 << 20, label: "writable", uuid: "11111111-2222-8333-8444-555555555555",
                hashSeed: "66666666-7777-8888-9999-aaaaaaaaaaaa", epoch: 1_700_000_000), tools: tools)
        let table = try PartitionTable.laidOut(
            signature: 0xc0ff_ee01, [(.fat32, FAT.smallestSize), (.linux, 24 << 20)])
        let disk = try DiskImage(
            table, contents: [FileSource(folder.appending("boot")), FileSource(folder.appending("root"))])
        try disk.write(to: folder.appending("t.img"))
        return (disk, table)
    }

    @Test func bmaptoolCopiesTheMappedBlocksAndVerifiesThem() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-bmap")
        let made = try await Self.disk(in: folder.path)
        let raw = folder.path.appending("t.img")
        let packed = folder.path.appending("t.img.xz")
        let map = try BlockMap(of: made.disk, used: try UsedSpace.ranges(of: raw))
        #expect(map.imageSize == made.disk.size)
        // A tenth of it, not all: most of both file systems is free.
        #expect(map.mappedCount > 200 && map.mappedCount < made.disk.size / 4096 / 2)
        let settings = try XZSettings(preset: 0, blockSize: 1 << 20)
        _ = try await XZWriter(settings: settings, workers: 1).write(made.disk, to: packed)
        // Beside the image, where bmaptool looks for it, under a name that Imager's script looks for, too.
        #expect(["t.img.xz.bmap", "t.img.bmap"].contains(Companion.bmap.file("t")))
        let path = folder.path.appending(Companion.bmap.file("t"))
        try writeAtomically(to: path, bytes: map.bytes)
        let copy = folder.path.appending("copy")
        let tools = ToolRunner()
        let said = try await tools.run(Self.bmaptool, ["copy", packed.string, copy.string], place: "bmaptool")
        #expect(said.errors.contains("discovered bmap file"), "\(said.errors)")
        try await tools.run(Judge.cmp, [copy.string, raw.string], place: "the copy")

        // A block of the image that is not what the map says; then a map that is not what it says of itself.
        let broken = folder.path.appending("broken.img")
        try made.disk.write(to: broken)
        let at = try #require(map.runs.last).blocks.lowerBound * BlockMap.blockSize
        let file = try OpenFile.updating(broken)
        try file.write(at: at, try file.bytes(at: at, count: 1).map { $0 ^ 1 })
        let refused = try await tools.result(
            Self.bmaptool, ["copy", "--bmap", path.string, broken.string, copy.string])
        #expect(refused.status != 0)
        #expect(refused.errors.contains("checksum mismatch for blocks range"), "\(refused.errors)")
        let text = String(decoding: map.bytes, as: UTF8.self)
        let changed = text.replacing("<ChecksumType> sha256", with: "<ChecksumType>  sha256")
        try writeAtomically(to: path, bytes: Array(changed.utf8))
        let mistrusted = try await tools.result(
            Self.bmaptool, ["copy", "--bmap", path.string, raw.string, copy.string])
        #expect(mistrusted.status != 0)
        #expect(mistrusted.errors.contains("checksum mismatch for bmap file"), "\(mistrusted.errors)")
    }

    /// What another system left on the card in blocks that are not written must not matter.
    @Test func whatIsNotMappedIsFreeSpace() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-bmap")
        let made = try await Self.disk(in: folder.path)
        let raw = folder.path.appending("t.img")
        let map = try BlockMap(of: made.disk, used: try UsedSpace.ranges(of: raw))
        let card = try OpenFile.updating(raw)
        let junk = [UInt8](repeating: 0xa5, count: Int(BlockMap.blockSize))
        var mapped = map.runs.map(\.blocks)[...]
        for block in 0..<map.imageSize / BlockMap.blockSize {
            while let first = mapped.first, first.upperBound <= block { mapped.removeFirst() }
            if mapped.first?.contains(block) != true { try card.write(at: block * BlockMap.blockSize, junk) }
        }
        let tools = ToolRunner()
        for (partition, tool) in zip(made.table.partitions, [(Judge.fsckFAT, "-n"), (Judge.e2fsck, "-fn")]) {
            let part = folder.path.appending("part")
            let bytes = try card.bytes(at: partition.offset, count: Int(partition.size))
            try writeAtomically(to: part, bytes: bytes)
            try await tools.run(tool.0, [tool.1, part.string], place: tool.0.name)
        }
        let root = try Ext4Reader(raw, offset: made.table.partitions[1].offset)
        let entry = try #require(try root.entry(at: Self.zeros))
        var count = 0
        try root.forEachChunk(of: entry) { bytes in
            count += bytes.count
            #expect(bytes.allSatisfy { $0 == 0 })
        }
        #expect(count == 300_000)
    }

    /// The map comes from what the file systems say, not from which of its zeros a file of the host holds as holes.
    @Test func holesOfTheHostDoNotMatter() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-bmap")
        let made = try await Self.disk(in: folder.path)
        let raw = folder.path.appending("t.img")
        let dense = folder.path.appending("dense")
        try writeAtomically(to: dense, bytes: try readFile(raw, limit: 1 << 30))
        let sparse = try BlockMap(of: made.disk, used: try UsedSpace.ranges(of: raw))
        #expect(try BlockMap(of: FileSource(dense), used: try UsedSpace.ranges(of: dense)).bytes == sparse.bytes)
    }

    @Test func unknownDisksAreMappedAsAWhole() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-bmap")
        let raw = folder.path.appending("d")
        try writeDisk(raw, size: 10_000, [(0, [1])])
        let map = try BlockMap(of: FileSource(raw), used: try UsedSpace.ranges(of: raw))
        #expect(map.runs.map(\.blocks) == [0..<3])
        // Without file systems that say so, what is not zero counts alone.
        try writeDisk(folder.path.appending("e"), size: 10 << 12, [(4096, [1]), (9 << 12, [1])])
        let bare = try BlockMap(of: FileSource(folder.path.appending("e")), used: [3 << 12..<(3 << 12) + 1])
        #expect(bare.runs.map(\.blocks) == [1..<2, 3..<4, 9..<10])
        #expect(try expectGolden("blocks.bmap", bare.bytes))
    }
}
