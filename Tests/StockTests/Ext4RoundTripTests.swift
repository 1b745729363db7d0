import Diagnostics
import Disk
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// Reading a file system and writing it again loses nothing: both are walked by debugfs and compared.
@Suite struct Ext4RoundTripTests {
    let folder: TemporaryFolder
    var image: FilePath { folder.path.appending("stock.ext4") }
    var again: FilePath { folder.path.appending("again.ext4") }

    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "piforge-stock-ext4") }

    /// Reads the image, writes it again, and has both judged.
    private func roundTrip() async throws -> String {
        try await Judge.expectSound(image)
        let store = try LayerStore(folder: folder.path.appending("layers"))
        let layer = try store.layer(.of("stock"), name: "stock") { try Ext4Reader(image).readLayer(into: $0) }
        try await Ext4.write(try Tree([layer]), to: again, .test(), tools: ToolRunner())
        try await Judge.expectSound(again)
        return try await Judge.compare(image, again, in: folder.path)
    }

    /// An access list as getxattr(2) gives it (Linux, uapi/linux/posix_acl_xattr.h): entries of tag, permissions, id.
    private func accessList(_ user: UInt32) -> [UInt8] {
        let entries: [(UInt16, UInt16, UInt32)] = [
            (0x01, 7, .max), (0x02, 5, user), (0x04, 5, .max), (0x10, 5, .max), (0x20, 0, .max),
        ]
        func bytes(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
        return bytes(UInt32(2)) + entries.flatMap { bytes($0.0) + bytes($0.1) + bytes($0.2) }
    }

    /// Puts every kind of inode, and the corners of each, on the image by way of debugfs.
    private func populate(largeAttribute: Int) async throws {
        let host = folder.path.appending("host")
        func file(_ name: String, _ bytes: [UInt8]) throws -> String {
            try writeAtomically(to: host.appending(name), bytes: bytes)
            return host.appending(name).string
        }
        let text = try file("text", Array("hello, world\n".utf8))
        // One block of data, one of nothing, 700 times: more extents than an inode or one block of them holds.
        var comb: [UInt8] = []
        for number in 0..<700 {
            comb += [UInt8](repeating: UInt8(number % 255 + 1), count: 4096) + [UInt8](repeating: 0, count: 4096)
        }
        let sparse = [UInt8](repeating: 7, count: 50_000) + [UInt8](repeating: 0, count: 900_000) + [9, 9, 9]
        let capability = try file("capability", [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        let large = try file("large", (0..<largeAttribute).map { UInt8(truncatingIfNeeded: $0 &* 31) })
        let (access, preset) = (try file("access", accessList(70_000)), try file("preset", accessList(1000)))
        let short = try file("short", [UInt8](repeating: 0x73, count: 40))
        let medium = try file("medium", [UInt8](repeating: 0x6d, count: 90))
        try await Judge.edit(
            image,
            [
                "mkdir /dir", "mkdir /dir/empty", "mkdir /dir/deep", "mkdir /dir/deep/er",
                "write \(text) dir/text", "write \(try file("comb", comb)) comb",
                "write \(try file("sparse", sparse)) sparse", "write \(try file("empty", [])) nothing",
                "write \(short) short", "write \(medium) medium", "mknod null c 1 3", "mknod sda b 8 0",
                "mknod far c 259 60000", "mknod pipe p", "symlink fast dir/text",
                "symlink fast59 \(String(repeating: "f", count: 59))",
                "symlink slow60 \(String(repeating: "s", count: 60))",
                "symlink slow \(String(repeating: "component/", count: 30))end",
                "ln /dir/text /dir/deep/second-name", "ln /dir/text /third-name", "sif /dir/text links_count 3",
                "ln /pipe /dir/pipe", "sif /pipe links_count 2", "sif /dir/text uid 70000", "sif /dir/text gid 80001",
                "sif /dir/text mode 0104755",
                "sif /dir mode 041777", "sif /dir/empty mode 042750", "sif /sparse mode 0106711",
                "sif /dir/text mtime @1500000000", "sif /nothing mtime @-86400", "sif /null mode 020666",
                "sif /fast mtime @1234567890", "ea_set /dir/text user.note a-value", "ea_set /dir/text user.empty \"\"",
                "ea_set -f \(capability) /comb security.capability", "ea_set -f \(access) /dir system.posix_acl_access",
                "ea_set -f \(preset) /dir system.posix_acl_default",
                "ea_set -f \(access) /sparse system.posix_acl_access",
                "ea_set /sparse trusted.overlay.opaque y", "ea_set -f \(large) /medium user.large",
                "ea_set /slow trusted.of-a-link x", "ea_set /sda security.selinux label",
            ])
    }

    /// What mke2fs makes, by its arguments: names of features of old and of new systems.
    static let kinds: [(name: String, arguments: [String])] = [
        ("ext4 of today", ["-O", "has_journal,extent,64bit,flex_bg,metadata_csum,huge_file,dir_nlink,extra_isize"]),
        ("ext4 of 2018", ["-O", "has_journal,extent,64bit,flex_bg,uninit_bg,huge_file,dir_nlink,extra_isize"]),
        ("inodes of 128 bytes", ["-O", "has_journal,extent,flex_bg,uninit_bg,^extra_isize", "-I", "128"]),
        ("ext3", ["-O", "has_journal,^extent", "-I", "256"]),
        ("ext3 of old", ["-O", "has_journal,^extent", "-I", "128"]),
        ("ext2 in blocks of 1 KiB", ["-O", "^extent", "-b", "1024"]),
        ("content in inodes", ["-O", "extent,64bit,metadata_csum,extra_isize,inline_data"]),
        ("blocks in clusters", ["-O", "extent,bigalloc,64bit", "-C", "16384"]),
        ("large inodes, large folders", ["-O", "extent,large_dir,ea_inode,metadata_csum,extra_isize", "-I", "512"]),
        (
            "descriptors apart",
            ["-O", "extent,meta_bg,^resize_inode,sparse_super2,metadata_csum,metadata_csum_seed,64bit"]
        ),
    ]

    @Test(arguments: kinds.map(\.name))
    func whatDebugfsMadeComesBackWhole(kind: String) async throws {
        let arguments = Self.kinds.first { $0.name == kind }?.arguments ?? []
        let features = "none,ext_attr,resize_inode,dir_index,filetype,sparse_super,large_file,"
        var command = ["-q", "-F", "-o", "Linux"]
        if !arguments.contains("-b") { command += ["-b", "4096"] }
        if !arguments.contains("-I") { command += ["-I", "256"] }
        for argument in arguments { command.append(command.last == "-O" ? features + argument : argument) }
        try await Judge.runner.run(Tool.mke2fs, command + [image.string, "24M"], place: "mke2fs")
        try await populate(largeAttribute: arguments.contains("1024") ? 600 : 2500)
        if !arguments.contains("128") {
            // Nanoseconds, and seconds past 2038: the upper two bits are the lower of the field.
            try await Judge.edit(
                image,
                [
                    "sif /sparse mtime_extra 0x1d6f3454", "sif /dir mtime @5000000000",
                    "sif /comb mtime @15000000000",
                ])
        }
        let found = try await roundTrip()
        #expect(found == "22 names, 0 differences\n", "\(found)")
    }

    @Test func whatMke2fsCopiedComesBackWhole() async throws {
        try await Judge.shell(
            """
            mkdir -p host/many host/empty host/$'new\\nline' host/deep/$(printf 'd%.0s' {1..255})
            for n in $(seq 700); do : > host/many/a-name-of-some-length-$n; done
            printf odd > host/$'\\xff\\xfe "quoted" \\\\ back'; printf 'é' > host/é; ln host/é host/deep/é
            ln -s $(printf 'x/%.0s' {1..2000}) host/long; ln -s é host/short; mkfifo host/pipe
            python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("host/socket")'
            truncate -s 3M host/hole; printf end >> host/hole
            mke2fs -q -O has_journal,extent,dir_index,filetype,metadata_csum,64bit -b 4096 -I 256 -d host stock.ext4 32M; e2fsck -fyD stock.ext4 > log || [ $? = 1 ]
            """, in: folder.path)
        let index = try await Judge.runner.run(
            Judge.debugfs, ["-R", "htree /many", image.string], place: "debugfs")
        #expect(index.text.contains("Root node dump"))
        let found = try await roundTrip()
        #expect(found == "714 names, 0 differences\n", "\(found)")
    }

    @Test(arguments: [
        ("encrypt", "/file", "0x80800", "encrypted (encrypt)"),
        ("verity", "/file", "0x180000", "sealed with a tree of digests (verity)"),
        ("casefold", "/folder", "0x40080000", "a folder whose names' case does not count (casefold)"),
    ])
    func whatALayerCannotHoldIsRefusedByTheFeaturesName(
        feature: String, path: String, flags: String, words: String
    ) async throws {
        try await Judge.runner.run(
            Tool.mke2fs, ["-q", "-F", "-O", "extent,filetype,\(feature)", "-b", "4096", image.string, "8M"],
            place: "mke2fs")
        try writeAtomically(to: folder.path.appending("text"), bytes: Array("text".utf8))
        try await Judge.edit(
            image,
            [
                "write \(folder.path.string)/text file", "mkdir /folder",
                "write \(folder.path.string)/text folder/file",
                "sif \(path) flags \(flags)",
            ])
        let store = try LayerStore(folder: folder.path.appending("layers"))
        let error = failure {
            try store.layer(.of("stock"), name: "stock") { try Ext4Reader(image, place: "disk").readLayer(into: $0) }
        }
        let number = try await Judge.runner.run(
            Judge.debugfs, ["-R", "stat \(path)", image.string], place: "debugfs"
        ).text.split(separator: " ")[1]
        #expect(error?.description == "disk: inode \(number) is \(words), which is not read here")
    }

    @Test func anEntryIsFoundByItsPath() async throws {
        try await Judge.runner.run(
            Tool.mke2fs,
            ["-q", "-F", "-O", "extent,ext_attr,filetype", "-b", "4096", "-I", "256", image.string, "24M"],
            place: "mke2fs")
        try await populate(largeAttribute: 600)
        let reader = try Ext4Reader(image)
        #expect(try reader.entry(at: "dir/deep/second-name")?.kind == .regular(size: 13))
        #expect(try reader.entry(at: "dir/deep/second-name")?.inode == reader.entry(at: "third-name")?.inode)
        #expect(try reader.entry(at: "fast")?.kind == .symlink(Array("dir/text".utf8)))
        #expect(try reader.entry(at: .root)?.inode == 2)
        #expect(try reader.entry(at: "dir/none") == nil)
        #expect(try reader.entry(at: "short/none") == nil)
    }

    @Test func theComparisonFindsEveryKindOfDifference() async throws {
        try await Judge.runner.run(
            Tool.mke2fs,
            ["-q", "-F", "-O", "extent,ext_attr,filetype", "-b", "4096", "-I", "256", image.string, "24M"],
            place: "mke2fs")
        try await populate(largeAttribute: 600)
        try await Judge.shell("cp --sparse=always stock.ext4 again.ext4", in: folder.path)
        try await Judge.edit(
            again,
            [
                "sif /dir uid 5", "sif /comb mode 0100600", "sif /nothing mtime @5", "sif /null block[0] 0x105",
                "ea_rm /dir/text user.note", "ea_set /dir/text user.more 1", "rm /fast", "symlink fast dir/texT",
                "unlink /third-name", "sif /short size 39",
            ])
        let lines = try await Judge.compare(image, again, in: folder.path).split(separator: "\n").map {
            $0.split(separator: ":").prefix(2).joined(separator: ":")
        }
        #expect(
            Set(lines.filter { !$0.hasPrefix("b'third-name'") }) == [
                "b'dir': owner", "b'comb': mode", "b'nothing': time", "b'null': device", "b'dir/text': b'user.note'",
                "b'dir/text': b'user.more'", "b'dir/text': names", "b'fast': content", "b'fast': time",
                "b'dir/deep/second-name': b'user.note'", "b'dir/deep/second-name': b'user.more'",
                "b'dir/deep/second-name': names", "b'short': content", "22 names, 20 differences",
            ])
        #expect(lines.contains("b'third-name': names"))
    }
}
