import Diagnostics
import Disk
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

@Suite struct Ext4ReaderTests {
    let folder: TemporaryFolder
    var image: FilePath { folder.path.appending("root.ext4") }

    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "piforge-ext4-read") }

    private func edit(_ requests: [String]) async throws {
        let script = requests.joined(separator: "\n") + "\n"
        // A day after the epoch, as whoever mounts the file system has a clock past it.
        let tools = ToolRunner(environment: ["E2FSPROGS_FAKE_TIME": "1700086400"])
        _ = try await tools.run(
            Judge.debugfs, ["-w", "-f", "-", image.string], input: Array(script.utf8), place: "debugfs")
    }

    private func changes(
        since tree: Tree, include: (EntryPath) -> Bool = { _ in true },
        normalise: (EntryPath, inout Attributes) -> Void = { _, _ in }
    ) throws -> Layer {
        let store = try LayerStore(folder: folder.path.appending("layers"))
        return try store.layer(.of("changes"), name: "changes") {
            try Ext4Reader(image).changes(since: tree, epoch: epoch, into: $0, include: include, normalise: normalise)
        }
    }

    @Test func aPartitionsTreeComesBackWhole() async throws {
        let tree = try everyKindOfInode()
        try await Ext4.write(tree, to: image, ext4Options(), tools: ToolRunner())
        let table = try PartitionTable.laidOut(signature: 1, [(.linux, 32 << 20)])
        let disk = folder.path.appending("disk.img")
        try DiskImage(table, contents: [try FileSource(image)]).write(to: disk)
        let reader = try Ext4Reader(disk, offset: 4 << 20)
        #expect(reader.label == "writable")
        #expect(reader.uuid == "11111111-2222-8333-8444-555555555555")
        let store = try LayerStore(folder: folder.path.appending("layers"))
        let read = try Tree([try store.layer(.of("x"), name: "x") { try reader.readLayer(into: $0) }])
        #expect(read.paths == tree.paths)
        for path in tree.paths {
            #expect(read[path]?.kind == tree[path]?.kind, "\(path)")
            #expect(read[path]?.attributes == tree[path]?.attributes, "\(path)")
            #expect(read[path]?.linkCount == tree[path]?.linkCount, "\(path)")
        }
    }

    @Test func readsBlockMapsOfExt2AndFoldersWithAnIndex() async throws {
        let source = folder.path.appending("source")
        // Direct, indirect and doubly indirect blocks of 1 KiB, with a hole.
        var long = [UInt8](repeating: 1, count: 700 << 10)
        long.replaceSubrange(100_000..<300_000, with: [UInt8](repeating: 0, count: 200_000))
        try writeAtomically(to: source.appending("long"), bytes: long)
        for number in 0..<300 {
            try writeAtomically(to: source.appending("many").appending("a-name-of-some-length-\(number)"), bytes: [7])
        }
        let mke2fs = ["-q", "-b", "1024", "-O", "none,filetype,dir_index", "-d", source.string, image.string, "8m"]
        try await ToolRunner().run(Tool.mke2fs, mke2fs, place: "mke2fs")
        _ = try await Judge.print(Judge.e2fsck, ["-fyD", image.string])
        #expect(try await Judge.debugfs(image, "htree /many").contains("Root node dump"))
        let reader = try Ext4Reader(image)
        var paths: [EntryPath] = []
        var content: [UInt8] = []
        try reader.forEachEntry { entry in
            paths.append(entry.path)
            if entry.path == "long" { try reader.forEachChunk(of: entry) { content += $0 } }
        }
        #expect(paths.count == 304)
        #expect(content == long)
    }

    @Test func nothingChangedGivesAnEmptyLayer() async throws {
        let tree = try everyKindOfInode()
        try await Ext4.write(tree, to: image, ext4Options(), tools: ToolRunner())
        let layer = try changes(since: tree)
        #expect(layer.entries == [])
        #expect(layer.whiteouts == [])
    }

    @Test func onlyWhatDebugfsChangedComesBack() async throws {
        let tree = try everyKindOfInode()
        try await Ext4.write(tree, to: image, ext4Options(), tools: ToolRunner())
        let host = folder.path.appending("new-content")
        try writeAtomically(to: host, bytes: Array("new content\n".utf8))
        let same = folder.path.appending("same-content")
        try writeAtomically(to: same, bytes: Array("elf".utf8))
        try await edit([
            "rm /pipe", "write \(host.string) dir/new", "rm /empty", "write \(host.string) empty",
            "ln /ping /dir/linked",
            "sif /ping ctime 20231116", "sif /ping links_count 2", "mkdir /made", "sif /sparse ctime 20231116",
            "rm /dir/second-name", "symlink /made/link target", "rm /fast", "mkdir /fast", "sif / ctime 20231116",
        ])
        let layer = try changes(
            since: tree,
            normalise: { path, attributes in
                attributes.mtime = tree[path]?.attributes.mtime ?? Timestamp(seconds: epoch)
            })
        #expect(Set(layer.whiteouts) == ["pipe", "dir/second-name", "fast"])
        let kinds = Dictionary(uniqueKeysWithValues: layer.entries.map { ($0.path, $0.kind) })
        let expected: [EntryPath: EntryKind] = [
            "dir/new": .regular(Content("new content\n")), "empty": .regular(Content("new content\n")),
            "dir/linked": .hardLink("ping"), "made": .directory, "made/link": .symlink(Array("target".utf8)),
            "fast": .directory,
        ]
        #expect(kinds == expected)
        var result = tree
        try result.apply(layer)
        #expect(result["fast"]?.kind == .directory)
        #expect(result["ping"]?.linkCount == 2)
        #expect(result["pipe"] == nil)
    }

    @Test func namesLeftOutGiveNeitherEntryNorWhiteout() async throws {
        let tree = try everyKindOfInode()
        try await Ext4.write(tree, to: image, ext4Options(), tools: ToolRunner())
        try await edit(["rm /pipe", "mkdir /made", "mkdir /made/below"])
        let layer = try changes(since: tree) { !$0.isInside("made") && $0 != "pipe" }
        #expect(layer.entries == [])
        #expect(layer.whiteouts == [])
    }

    private static let judge = "  next:     e2fsck -fn on the file system"

    /// What a hostile image says, and what is said about it.
    @Test(arguments: [
        (["ln /dir /dir/again"], "inode 12 is damaged: the folder has two names, or lies in itself\n\(judge)"),
        (
            ["sif /hello block[5] 0x7fffffff"],
            "inode 13 is damaged: block 2147483647 is beyond the disk's 8192 blocks\n\(judge)"
        ),
        (
            ["sif /hello size 0x7fffffffffff"],
            """
            inode 13 is longer than the disk
              expected: at most 33554432 bytes
              found:    140737488355327
            """
        ), (["sif /dir size 5"], "inode 12 is damaged: the folder has 5 bytes\n\(judge)"),
        (["sif /dir mode 0170755"], "inode 12 is damaged: its mode 0170755 is of no type\n\(judge)"),
        (["sif /hello block[0] 0xdeadbeef"], "could not read the extents of inode 13: Corrupt extent header"),
        (
            ["sif /slow size 70000"],
            "inode 27 is damaged: the symbolic link has a target of 70000 bytes\n\(judge)"
        ),
        (
            ["feature needs_recovery"],
            """
            the file system was not unmounted cleanly: its journal has not been replayed
              next:     e2fsck -fy IMAGE
            """
        ),
    ])
    func hostileImagesAreRefused(requests: [String], message: String) async throws {
        try await Ext4.write(try everyKindOfInode(), to: image, ext4Options(), tools: ToolRunner())
        try await edit(requests)
        let error = failure {
            try Ext4Reader(image).forEachEntry { entry in
                if case .regular = entry.kind { try Ext4Reader(image).forEachChunk(of: entry) { _ in } }
            }
        }
        #expect(error?.description.replacing("\(image)", with: "IMAGE") == "IMAGE: \(message)")
    }

    @Test func whatIsNoFileSystemIsRefused() throws {
        try writeAtomically(to: image, bytes: [UInt8](repeating: 0, count: 1 << 20))
        let error = failure { try Ext4Reader(image) }
        #expect(error?.message == "could not open the ext4 file system at byte 0: Bad magic number in super-block")
    }

    @Test func cutOffImageIsRefused() async throws {
        try await Ext4.write(Tree(), to: image, ext4Options(), tools: ToolRunner())
        try OpenFile.updating(image).truncate(to: 20 << 20)
        let error = failure { try Ext4Reader(image) }
        #expect(error?.message == "the file system is longer than the file it is in")
    }
}
