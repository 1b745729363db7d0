import Diagnostics
import Disk
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

private func bootTree() throws -> Tree {
    var layer = Layer(name: "boot")
    layer.addFile("config.txt", attributes(), text: "arm_64bit=1\n")
    layer.addFile("overlays/README", attributes(), text: "read me\n")
    layer.addFile("overlays/disable-bt.dtbo", attributes(), text: "dtbo")
    layer.addFile("a name with spaces & $HOME [x] ~ é.txt", attributes(), text: "odd\n")
    layer.addFile("odd [x] folder/in it", attributes(), text: "inside\n")
    layer.addFile("empty", attributes(), text: "")
    layer.entries.append(
        Entry("kernel8.img", attributes(), .regular(Content([UInt8](repeating: 0x5a, count: 3_000_001)))))
    return try Tree([layer])
}

@Suite struct FATTests {
    let folder: TemporaryFolder
    var image: FilePath { folder.path.appending("boot $x.fat") }

    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "piforge-fat") }

    private func write(
        _ tree: Tree, to path: FilePath? = nil, size: UInt64 = 48 << 20, tools: ToolRunner = ToolRunner()
    ) async throws {
        try await FAT.write(
            tree, to: path ?? image, size: size, label: "system-boot", volumeID: 0xc0ff_ee01, epoch: epoch, tools: tools
        )
    }

    @Test func fsckAndMtoolsFindWhatTheTreeHolds() async throws {
        try await write(try bootTree())
        let plain = folder.path.appending("plain.fat")
        try FileSource(image).write(to: plain)
        let check = try await Judge.print(Judge.fsckFAT, ["-n", "-v", plain.string])
        #expect(check.status == 0, "\(check.text)")
        #expect(check.text.contains("32 reserved sectors"))
        #expect(!check.text.contains("differ"), "\(check.text)")
        let listing = try await Judge.print(Judge.mdir, ["-/", "-b", "-i", plain.string, "::"]).text
        #expect(
            Set(listing.split(separator: "\n")) == [
                "::/config.txt", "::/overlays/", "::/overlays/README", "::/overlays/disable-bt.dtbo",
                "::/odd [x] folder/",
                "::/odd [x] folder/in it", "::/empty", "::/kernel8.img", "::/a name with spaces & $HOME [x] ~ é.txt",
            ])
        let text = try await Judge.print(Judge.mtype, ["-i", plain.string, "::/config.txt"]).text
        #expect(text == "arm_64bit=1\n")
        let full = try await Judge.print(Judge.mdir, ["-i", plain.string, "::"]).text
        #expect(full.contains("system-boot"))
        #expect(full.contains("C0FF-EE01"))
        #expect(full.contains("2023-11-14  22:13"), "\(full)")
        #expect(try names(in: folder.path).count == 2)
    }

    @Test func sameTreeGivesSameBytes() async throws {
        let other = folder.path.appending("other.fat")
        try await write(try bootTree())
        try await write(try bootTree(), to: other, tools: ToolRunner(environment: ["TZ": "Asia/Tokyo"]))
        let compared = try await Judge.print(Judge.cmp, [image.string, other.string])
        #expect(compared.status == 0, "\(compared.text)")
    }

    @Test func readsBackWhatMtoolsWroteAtAnOffset() async throws {
        try await write(try bootTree())
        let table = try PartitionTable.laidOut(signature: 1, [(.fat32, 48 << 20)])
        let disk = try DiskImage(table, contents: [try FileSource(image)])
        let reader = try FATReader(disk, offset: 4 << 20, place: "disk")
        #expect(reader.label == "system-boot")
        #expect(reader.volumeID == 0xc0ff_ee01)
        let tree = try bootTree()
        #expect(try reader.entries().map(\.path) == tree.paths.filter { !$0.isRoot })
        #expect(try reader.bytes(at: "CONFIG.TXT") == Array("arm_64bit=1\n".utf8))
        #expect(try reader.bytes(at: "nothing") == nil)
        for entry in try reader.entries() where !entry.isFolder {
            guard let content = tree.content(entry.path) else { continue }
            #expect(try reader.bytes(of: entry) == ContentReader().bytes(of: content))
            #expect(entry.mtime == Timestamp(seconds: epoch))
        }
        let store = try LayerStore(folder: folder.path.appending("layers"))
        let layer = try store.layer(.of("fat"), name: "fat") { try reader.readLayer(into: $0) }
        #expect(try Tree([layer]).paths == tree.paths)
    }

    @Test func minimumSizeIsEnough() async throws {
        let tree = try bootTree()
        #expect(try FAT.minimumSize(of: tree, freeBytes: 0) == FAT.smallestSize)
        let large = [UInt8](repeating: 3, count: 40 << 20)
        let full = try Tree([Layer(name: "full", entries: [Entry("big", attributes(), .regular(Content(large)))])])
        let size = try FAT.minimumSize(of: full, freeBytes: 0)
        try await write(full, size: size)
        let error = await failure { try await write(full, size: size - (1 << 20)) }
        #expect(error?.message == "the files do not fit into the file system")
        #expect(error?.next == "set disk.boot.size to \(size >> 20)M or more")
        #expect(size == 41 << 20)
    }

    @Test(arguments: [
        (Entry("link", attributes(), .symlink(Array("x".utf8))), "/link: FAT cannot hold a symbolic link"),
        (Entry("pipe", attributes(), .fifo), "/pipe: FAT holds folders and regular files only"),
        (file("a:b", ""), "/a:b: FAT cannot hold the name: it has the reserved character ':'"),
        (file("dot.", ""), "/dot.: FAT cannot hold the name: it begins or ends with a space, or ends with a dot"),
        (file("aux.txt", ""), "/aux.txt: FAT cannot hold the name: AUX is a device to DOS"),
        (file("tab\tx", ""), "/tab\tx: FAT cannot hold the name: it has a control character"),
        (file("CONFIG.txt", ""), "/config.txt: FAT cannot tell the name from /CONFIG.txt: case does not count"),
        (
            Entry(
                "long", attributes(),
                .regular(Content(size: 1 << 32, digest: .of("x"), source: .file("/nowhere", offset: 0)))),
            "/long: FAT cannot hold a file this long\n  expected: at most 4294967295 bytes\n  found:    4294967296"
        ),
    ])
    func whatFATCannotHoldIsRefusedByName(entry: Entry, message: String) async throws {
        let tree = try Tree([Layer(name: "bad", entries: [file("config.txt", "x"), entry])])
        let error = await failure { try await write(tree) }
        #expect(error?.description == "\(image): \(message)")
        #expect(try names(in: folder.path) == [])
    }

    @Test func cancelledWriteLeavesNothing() async throws {
        let tree = try bootTree()
        let image = image
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await FAT.write(
                tree, to: image, size: 48 << 20, label: "X", volumeID: 1, epoch: epoch, tools: ToolRunner())
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try names(in: folder.path) == [])
    }

    @Test func damagedFileSystemsAreRefused() async throws {
        try await write(try bootTree())
        let file = try OpenFile.updating(image)
        // The first table begins after 32 reserved sectors; the root folder's cluster is made to follow itself.
        try file.write(at: 32 * 512 + 8, [2, 0, 0, 0])
        let circle = failure { try FATReader(image).entries() }
        #expect(circle?.message == "the FAT file system is damaged: its clusters go round in a circle")
        try file.write(at: 32 * 512 + 8, [0xf0, 0xff, 0xff, 0x07])
        let beyond = failure { try FATReader(image).entries() }
        #expect(beyond?.message == "the FAT file system is damaged: cluster 134217712 is not on the disk")
        try file.write(at: 510, [0, 0])
        let none = failure { try FATReader(image) }
        #expect(none?.message == "no FAT file system at byte 0: the boot sector has no signature")
    }
}
