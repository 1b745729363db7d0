import Diagnostics
import Disk
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

@Suite struct Ext4WriterTests {
    let folder: TemporaryFolder
    var image: FilePath { folder.path.appending("root.ext4") }

    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "piforge-ext4") }

    private func isSound(_ image: FilePath) async throws {
        let check = try await Judge.print(Judge.e2fsck, ["-fn", image.string])
        #expect(check.status == 0, "\(check.text)")
    }

    private func stat(_ path: String) async throws -> String { try await Judge.debugfs(image, "stat \(path)") }

    @Test func everyKindOfInodeIsSoundAndWhatTheTreeSays() async throws {
        let tree = try everyKindOfInode()
        let usage = try await Ext4.write(tree, to: image, ext4Options(), tools: ToolRunner())
        try await isSound(image)
        #expect(usage.size == 32 << 20)

        let hello = try await stat("/hello")
        #expect(hello.contains("Type: regular    Mode:  04755"))
        #expect(hello.contains("User:  1000   Group:  1001"))
        #expect(hello.contains("Links: 2"))
        // debugfs prints seconds, and nanoseconds shifted past two bits of the epoch.
        #expect(hello.contains("mtime: 0x5f5e1000:1d6f3454"))
        for field in ["ctime", "atime", "crtime"] { #expect(hello.contains("\(field): 0x6553f100:00000000")) }
        #expect(try await stat("/dir/second-name") == hello)
        #expect(try await Judge.debugfs(image, "cat /hello") == "hello, world\n")

        let dir = try await stat("/dir")
        #expect(dir.contains("Type: directory    Mode:  01777"))
        #expect(dir.contains("User: 70000   Group: 80000"))
        #expect(try await stat("/empty").contains("Size: 0"))
        #expect(try await stat("/null").contains("Device major/minor number: 01:03"))
        #expect(try await stat("/big-minor").contains("Device major/minor number: 259:70000"))
        #expect(try await stat("/sda").contains("Type: block special"))
        #expect(try await stat("/pipe").contains("Type: FIFO"))
        #expect(try await stat("/socket").contains("Type: socket"))
        #expect(try await stat("/fast59").contains("Fast link dest: \"\(String(repeating: "f", count: 59))\""))
        #expect(try await Judge.debugfs(image, "cat /slow") == longTarget)
        #expect(
            try await Judge.debugfs(image, "ea_get -x /ping security.capability").contains("01 00 00 02 00 20 00 00"))
        #expect(
            try await Judge.debugfs(image, "ea_get /many-attributes user.long").contains(
                String(repeating: "A", count: 1000)))
        #expect(try await Judge.debugfs(image, "ls -p /").contains("odd") == false)
        #expect(try await stat("/lost+found").contains("Mode:  0700"))

        let dumped = folder.path.appending("dumped")
        _ = try await Judge.debugfs(image, "dump /sparse \(dumped.string)")
        #expect(try readFile(dumped) == sparseBytes)
        // 100 KiB of data in 26 blocks of eight sectors; the rest is a hole.
        #expect(try await stat("/sparse").contains("Blockcount: 208"))
    }

    @Test func superblockSaysWhatTheOptionsSay() async throws {
        try await Ext4.write(try everyKindOfInode(), to: image, ext4Options(), tools: ToolRunner())
        let text = try await Judge.print(Judge.dumpe2fs, [image.string]).text
        func value(_ key: String) -> String? {
            text.split(separator: "\n").first { $0.hasPrefix(key + ":") }.map {
                String($0.dropFirst(key.count + 1)).trimmed
            }
        }
        #expect(value("Filesystem volume name") == "writable")
        #expect(value("Filesystem UUID") == "11111111-2222-8333-8444-555555555555")
        #expect(value("Directory Hash Seed") == "66666666-7777-8888-9999-aaaaaaaaaaaa")
        #expect(
            value("Filesystem features")
                == "has_journal ext_attr resize_inode dir_index filetype extent 64bit flex_bg sparse_super large_file "
                + "huge_file dir_nlink extra_isize metadata_csum")
        #expect(value("Filesystem flags") == "signed_directory_hash")
        #expect(value("Filesystem state") == "clean")
        for time in ["Filesystem created", "Last write time", "Last checked"] {
            #expect(value(time) == "Tue Nov 14 22:13:20 2023")
        }
        #expect(value("Last mount time") == "n/a")
        #expect(value("Mount count") == "0")
        // Nothing is left for the kernel to zero in the background.
        #expect(text.contains("ITABLE_ZEROED"))
    }

    /// In the reserved inodes, which mke2fs makes, every time is the epoch or none: no clock has been asked. (The
    /// root's, inode 2, is the tree's.)
    @Test func sameTreeGivesSameBytesWhateverClockAndTimeZone() async throws {
        let tree = try everyKindOfInode()
        let other = folder.path.appending("other/again.ext4")
        try await Ext4.write(tree, to: image, ext4Options(), tools: ToolRunner())
        try await Ext4.write(
            tree, to: other, ext4Options(), tools: ToolRunner(environment: ["TZ": "Asia/Tokyo", "LC_ALL": "C"]))
        let compared = try await Judge.print(Judge.cmp, [image.string, other.string])
        #expect(compared.status == 0, "\(compared.text)")
        for number in 1...11 where number != 2 {
            let lines = try await stat("<\(number)>").split(separator: "\n")
            for line in lines where line.contains("time: 0x") {
                #expect(
                    line.contains("time: 0x6553f100") || line.contains("time: 0x00000000"), "inode \(number): \(line)")
            }
        }
    }

    @Test func manyNamesDeepPathsAndManyExtents() async throws {
        var layer = Layer(name: "many")
        for number in 0..<3000 {
            layer.addFile(
                try EntryPath(validating: "many/name-of-some-length-\(number)"), attributes(), text: "\(number)")
        }
        let deep = [String](repeating: String(repeating: "d", count: 200), count: 20).joined(separator: "/")
        layer.addFile(try EntryPath(validating: deep + "/end"), attributes(), text: "deep")
        for number in 0..<300 { layer.addDirectory(try EntryPath(validating: "folders/\(number)"), attributes(0o755)) }
        // 400 pieces of one block, 64 KiB apart: more extents than one node of the tree holds.
        var scattered = [UInt8](repeating: 0, count: 400 * 17 * 4096)
        for piece in 0..<400 { scattered[piece * 17 * 4096] = UInt8(piece & 0xff) | 1 }
        layer.entries.append(Entry("scattered", attributes(), .regular(Content(scattered))))
        try await Ext4.write(try Tree([layer]), to: image, ext4Options(size: 64 << 20), tools: ToolRunner())
        try await isSound(image)
        let listed = try await Judge.debugfs(image, "ls -p /many").split(separator: "\n")
        #expect(listed.count == 3002)
        #expect(try await Judge.debugfs(image, "cat /many/name-of-some-length-2999") == "2999")
        #expect(try await Judge.debugfs(image, "cat /\(deep)/end") == "deep")
        #expect(try await stat("/folders").contains("Links: 302"))
        let dumped = folder.path.appending("dumped")
        _ = try await Judge.debugfs(image, "dump /scattered \(dumped.string)")
        #expect(try readFile(dumped) == scattered)
    }

    @Test func minimumSizeIsEnoughAndLeavesWhatIsAsked() async throws {
        let tree = try everyKindOfInode()
        let free: UInt64 = 300 << 20
        let size = Ext4.minimumSize(of: tree, freeBytes: free)
        #expect(size % (4 << 20) == 0)
        let usage = try await Ext4.write(tree, to: image, ext4Options(size: size), tools: ToolRunner())
        #expect(usage.free - size / 100 >= free)
        #expect(usage.free - size / 100 < free + 24 << 20)
        try await isSound(image)
    }

    @Test func growsAsTheBoardWillGrowIt() async throws {
        try await Ext4.write(try everyKindOfInode(), to: image, ext4Options(), tools: ToolRunner())
        try OpenFile.updating(image).truncate(to: 512 << 20)
        let grown = try await Judge.print(Judge.resize2fs, [image.string])
        #expect(grown.status == 0, "\(grown.text)")
        try await isSound(image)
        #expect(try await Judge.debugfs(image, "cat /hello") == "hello, world\n")
    }

    @Test func tooSmallASizeSaysWhatToSet() async throws {
        let tree = try Tree([
            Layer(
                name: "big",
                entries: [Entry("big", attributes(), .regular(Content([UInt8](repeating: 1, count: 40 << 20))))])
        ])
        let error = await failure {
            try await Ext4.write(tree, to: image, ext4Options(), tools: ToolRunner())
        }
        #expect(
            error?.description == """
                \(image.string): the tree does not fit into the file system
                  expected: at least 52 MiB
                  found:    32 MiB
                  next:     set disk.root_size to 52M or more
                """)
        #expect(try names(in: folder.path) == [])
        try await Ext4.write(tree, to: image, ext4Options(size: 52 << 20), tools: ToolRunner())
        try await isSound(image)
    }

    @Test(arguments: [
        (
            Entry("later", Attributes(mode: 0o644, mtime: Timestamp(seconds: 1 << 40)), .fifo),
            """
            IMAGE: /later: the modification time is out of ext4's range
              expected: -2147483648 to 15032385535 seconds since 1970
              found:    1099511627776
            """
        ),
        (
            Entry("link", attributes(), .symlink([])),
            "IMAGE: /link: not a symbolic link's target\n  expected: 1 to 4095 bytes without NUL"
        ),
        (
            Entry("lost+found/x", attributes(), .fifo),
            "IMAGE: /lost+found: lost+found belongs to ext4 and must be empty"
        ),
        (
            Entry("device", attributes(), .blockDevice(major: 5000, minor: 0)),
            "IMAGE: /device: the device number 5000:0 is out of Linux's range"
        ),
        (
            Entry(
                "gone", attributes(), .regular(Content(size: 5, digest: .of("x"), source: .file("/nowhere", offset: 0)))
            ),
            "/nowhere: /gone: could not open for reading the file: no such file or directory"
        ),
    ])
    func whatExt4CannotHoldIsRefusedByName(entry: Entry, message: String) async throws {
        let tree = try Tree([Layer(name: "bad", entries: [entry])])
        let said = await refusal { try await Ext4.write(tree, to: image, ext4Options(), tools: ToolRunner()) }
        #expect(said?.replacing("\(image)", with: "IMAGE") == message)
        #expect(try names(in: folder.path) == [])
    }

    @Test func cancelledWriteLeavesNothing() async throws {
        let tree = try everyKindOfInode()
        let image = image
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            try await Ext4.write(tree, to: image, ext4Options(), tools: ToolRunner())
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try names(in: folder.path) == [])
    }

    @Test func optionsOutOfRangeAreRefused() async throws {
        let size =
            "the size is not one ext4 is written with\n"
            + "  expected: a multiple of 4096 from 16777216 to 549755813888 bytes\n  found:    "
        let bad: [(WritableKeyPath<Ext4Options, UInt64>, UInt64, String)] = [
            (\.size, 1 << 20, "\(size)1048576 bytes"), (\.size, (32 << 20) + 1, "\(size)33554433 bytes"),
        ]
        for (key, value, message) in bad {
            var options = ext4Options()
            options[keyPath: key] = value
            try await refused(options, message)
        }
        var options = ext4Options()
        options.label = "a label of 17 byt"
        try await refused(
            options, "the label is too long\n  expected: at most 16 bytes\n  found:    'a label of 17 byt'")
        options = ext4Options()
        options.uuid = "clear"
        try await refused(options, "not a UUID\n  expected: 8-4-4-4-12 hex digits\n  found:    'clear'")
        options = ext4Options()
        options.epoch = 0
        try await refused(options, "the epoch is out of range\n  expected: 1 to 4294967295\n  found:    0")
    }

    private func refused(_ options: Ext4Options, _ message: String) async throws {
        let error = await failure {
            try await Ext4.write(Tree(), to: image, options, tools: ToolRunner())
        }
        #expect(error?.description == "\(image): \(message)")
    }
}

extension String {
    var trimmed: String { split(separator: " ").joined(separator: " ") }
}
