import Diagnostics
import Disk
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// Images in packings that are not read: each made by the program that makes it in the field, and unpacked by the command that the
/// error names.
@Suite struct ImagePackingTests {
    private let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-packing")
        var disk = [UInt8](repeating: 0x5a, count: 4096)
        disk[510] = 0x55
        disk[511] = 0xaa
        try writeAtomically(to: folder.path.appending("disk"), bytes: disk)
    }

    private func run(_ script: String) async throws {
        try await ToolRunner().run(Judge.sh, ["-ec", "cd '\(folder.path)'; \(script)"], place: script)
    }

    @Test(arguments: [
        ("gzip -c disk > x.img.gz", "x.img.gz", "a gzip file", "gunzip -k %", "x.img"),
        ("gzip -c disk > x.img.xz", "x.img.xz", "a gzip file", "gunzip -c % > %/x.img", "x.img"),
        ("gzip -c disk > x.img", "x.img", "a gzip file", "gunzip -c % > %/x-raw.img", "x-raw.img"),
        (
            "gzip -c disk > 'my disk.gz'", "my disk.gz", "a gzip file", "gunzip -k '%'", "my disk"
        ),
        (
            "zstd -q disk -o x.img.zst", "x.img.zst", "a Zstandard file", "zstd -d %  # of the package zstd", "x.img"
        ),
        ("zstd -q disk -o x", "x", "a Zstandard file", "zstd -dc % > %/x.img  # of the package zstd", "x.img"),
        (
            "bzip2 -c disk > x.img.bz2", "x.img.bz2", "a bzip2 file", "bunzip2 -k %  # of the package bzip2", "x.img"
        ),
        ("lz4 -q disk x.img.lz4", "x.img.lz4", "an LZ4 file", "lz4 -d % %/x.img  # of the package lz4", "x.img"),
        (
            "mkdir a; cp disk a/inside; tar -cf x.img.tar -C a inside", "x.img.tar", "a tar archive", "tar -k -xf %",
            "inside"
        ),
        ("gzip -c disk > X.IMG.XZ", "X.IMG.XZ", "a gzip file", "gunzip -c % > %/X.img", "X.img"),
        (
            "gzip -c disk > y.img.xz; echo mine > y.img", "y.img.xz", "a gzip file", "gunzip -c % > %/y-2.img",
            "y-2.img; grep -q mine y.img"
        ),
    ])
    func foreignPackingIsUnpackedByTheCommandThatTheErrorNames(
        pack: String, file: String, name: String, command: String, unpacked: String
    ) async throws {
        try await run(pack)
        let path = folder.path.appending(file)
        let refused = failure { try ImagePacking(of: path) }
        // `%/` is the folder, `%` the file.
        let next = command.replacing("%/", with: "\(folder.path)/").replacing("%", with: path.string)
        #expect(
            refused?.description == """
                \(path): this is \(name), which is not read as it is
                  expected: NAME.img.xz or NAME.img
                  next:     \(next)
                """)
        #expect(refused?.exitCode == 2)
        #expect(failure { try ImagePacking.check(path) } == refused)
        // Archives come out where the command is given.
        let said = try #require(refused?.next)
        try await run("\(said)\ncmp disk \(unpacked.contains(";") ? unpacked : "'\(unpacked)'")")
    }

    @Test(
        arguments: [
            ([0x50, 0x4b, 3, 4], 0, "a zip archive", "unzip %  # of the package unzip"),
            ([0x37, 0x7a, 0xbc, 0xaf, 0x27, 0x1c], 0, "a 7z archive", "7z x %  # of the package p7zip-full"),
            (
                [0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3], 0, "a qcow2 disk",
                "qemu-img convert -O raw % x.img  # of the package qemu-utils"
            ),
            (Array("KDMV".utf8), 0, "a VMDK disk", "qemu-img convert -O raw % x.img  # of the package qemu-utils"),
            (Array("vhdxfile".utf8), 0, "a VHDX disk", "qemu-img convert -O raw % x.img  # of the package qemu-utils"),
            (
                [0x7f, 0x10, 0xda, 0xbe], 64, "a VDI disk",
                "qemu-img convert -O raw % x.img  # of the package qemu-utils"
            ),
            (
                [0x3a, 0xff, 0x26, 0xed], 0, "an Android sparse image",
                "simg2img % x.img  # of the package android-sdk-libsparse-utils"
            ),
        ] as [([UInt8], Int, String, String)])
    func otherFormatIsKnownByItsFirstBytes(magic: [UInt8], offset: Int, name: String, command: String) throws {
        let path = folder.path.appending("x")
        try writeAtomically(to: path, bytes: [UInt8](repeating: 0, count: offset) + magic)
        let failure = failure { try ImagePacking(of: path) }
        #expect(failure?.message == "this is \(name), which is not read as it is")
        let words = command.replacing("%", with: path.string).replacing(" x.img", with: " \(path).img")
        #expect(failure?.next == words)
    }

    @Test func diskAndXZAreReadWhateverElseTheyLookLike() async throws {
        #expect(try ImagePacking(of: folder.path.appending("disk")) == .raw)
        // A boot sector may hold a tar archive's mark further on.
        try await run("xz -k disk; printf ustar | dd of=disk bs=1 seek=257 conv=notrunc status=none")
        #expect(try ImagePacking(of: folder.path.appending("disk")) == .raw)
        #expect(try ImagePacking(of: folder.path.appending("disk.xz")) == .xz)
    }

    /// The last two bytes of a boot sector are also those of one in 65,536 compressed files.
    @Test func compressedFileWithABootSectorsMarkIsNoDisk() throws {
        let path = folder.path.appending("x.img")
        var bytes = try readFile(folder.path.appending("disk"))
        bytes.replaceSubrange(0..<4, with: [0x1f, 0x8b, 0x08, 0x00])
        try writeAtomically(to: path, bytes: bytes)
        let failure = failure { try ImagePacking.check(path) }
        #expect(failure?.message == "this is a gzip file, which is not read as it is")
    }

    @Test(arguments: [
        ("-x.img", "./-x.img"), ("a:b.img", "./a:b.img"), ("dir/a:b.img", "dir/a:b.img"),
        ("my disk.img", "'my disk.img'"),
    ])
    func pathsAreNeitherOptionsNorProtocols(path: String, word: String) {
        #expect(path.shellFile == word)
    }

    @Test(arguments: [
        ("x.img", "x", false), ("x.img.xz", "x", true), ("X.IMG.XZ", "X", true), ("x.Img", "x", false),
        ("x.xz", nil, nil),
        (".img", nil, nil), ("x.img.gz", nil, nil),
    ])
    func imagesAreKnownByTheirNames(file: String, stem: String?, isCompressed: Bool?) {
        #expect(ImageName(file)?.stem == stem)
        #expect(ImageName(file)?.isCompressed == isCompressed)
    }

    @Test func compressedDiskNamedAsARawOneIsRefusedWithTheRightName() async throws {
        try await run("xz -c disk > disk.img")
        let path = folder.path.appending("disk.img")
        let failure = failure { try ImagePacking.check(path) }
        #expect(
            failure?.description == """
                \(path): this is an .xz file, but its name says that it is not compressed
                  expected: NAME.img.xz
                  next:     mv \(path) \(path).xz
                """)
    }

    @Test(arguments: [([], "an empty file"), ([0x50], "50"), ([UInt8](repeating: 0, count: 511), "00 00 00 00 00 00")])
    func anythingElseIsNoImage(bytes: [UInt8], found: String) throws {
        let path = folder.path.appending("x")
        try writeAtomically(to: path, bytes: bytes)
        let failure = failure { try ImagePacking(of: path) }
        #expect(
            failure?.description == """
                \(path): this is neither an .xz file nor a raw disk
                  expected: fd 37 7a 58 5a 00 at its start, or a partition table (55 aa at byte 510)
                  found:    \(found)
                """)
        #expect(throws: Never.self) { try ImagePacking.check(path) }
    }

    /// sgdisk is not on every machine; sfdisk is, and makes the GPT.
    @Test func diskOfAPCIsNamedAsGPT() async throws {
        let sfdisk = "printf 'label: gpt\\nsize=2048\\nsize=2048\\n' | /sbin/sfdisk -q gpt.img"
        try await run("truncate -s 8M gpt.img; \(sfdisk)")
        let failure = failure {
            try PartitionTable(reading: FileSource(folder.path.appending("gpt.img")), place: "gpt.img")
        }
        #expect(failure?.message == "the disk has a GPT partition table, as disks for PCs have")
        #expect(
            failure?.next == """
                with a raw copy of it: sgdisk --gpttombr=1:2 COPY.img && sfdisk --part-type COPY.img 1 c, \
                where 1 is the FAT boot partition and 2 the root \
                (sgdisk --print COPY.img; Debian's packages gdisk and fdisk)
                """)
    }
}
