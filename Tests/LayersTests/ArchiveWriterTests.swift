import Diagnostics
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

private func attributes(_ mode: UInt16, uid: UInt32 = 0, gid: UInt32 = 0, at seconds: Int64 = 86_400) -> Attributes {
    Attributes(mode: mode, uid: uid, gid: gid, mtime: Timestamp(seconds: seconds))
}

private func sample() throws -> Tree {
    try Tree([
        Layer(
            name: "sample",
            entries: [
                Entry("bin", attributes(0o755), .directory),
                Entry("bin/busybox", attributes(0o4755), .regular(Content("program"))),
                Entry("bin/ash", attributes(0o755), .hardLink("bin/busybox")),
                Entry("bin/sh", attributes(0o777), .symlink(Array("busybox".utf8))),
                Entry("dev/console", attributes(0o600, gid: 5), .characterDevice(major: 5, minor: 1)),
                Entry("dev/mmcblk0p2", attributes(0o660, gid: 6), .blockDevice(major: 179, minor: 2)),
                Entry("run/pipe", attributes(0o644, uid: 1000, gid: 1001, at: 200_000), .fifo),
                Entry("caf\u{e9}", attributes(0o644), .regular(Content("caf\u{e9}\n"))),
                Entry("empty", attributes(0o644), .regular(Content([]))),
            ])
    ])
}

@Suite struct ArchiveWriterTests {
    let scratch: TemporaryFolder
    let run = ToolRunner()

    init() throws { scratch = try TemporaryFolder(in: "/tmp", name: "piforge-archive") }

    @Test func cpioListsWhatTheTreeHolds() async throws {
        let path = scratch.path.appending("a.cpio")
        try ArchiveWriter(.cpio, latestTime: Timestamp(seconds: 100_000)).write(sample(), to: path)
        let listing = try await run.run(Judge.cpio, ["-itv", "--quiet", "-n", "-F", path.string], place: "a.cpio")
        let lines = listing.text.split(separator: "\n").map { line in
            line.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
        }
        #expect(
            lines == [
                "drwxr-xr-x 1 0 0 0 Jan 2 1970 bin",
                "-rwsr-xr-x 2 0 0 0 Jan 2 1970 bin/ash",
                "-rwsr-xr-x 2 0 0 7 Jan 2 1970 bin/busybox",
                "lrwxrwxrwx 1 0 0 7 Jan 2 1970 bin/sh -> busybox",
                "-rw-r--r-- 1 0 0 6 Jan 2 1970 caf\u{e9}",
                "drwxr-xr-x 1 0 0 0 Jan 2 1970 dev",
                "crw------- 1 0 5 5, 1 Jan 2 1970 dev/console",
                "brw-rw---- 1 0 6 179, 2 Jan 2 1970 dev/mmcblk0p2",
                "-rw-r--r-- 1 0 0 0 Jan 2 1970 empty",
                "drwxr-xr-x 1 0 0 0 Jan 2 1970 run",
                "prw-r--r-- 1 1000 1001 0 Jan 2 1970 run/pipe",
            ])
    }

    @Test(arguments: [ArchiveWriter.Format.cpio, .tar])
    func namesOfOneFileUnpackAsOneFile(format: ArchiveWriter.Format) async throws {
        let path = scratch.path.appending("links")
        let file = attributes(0o644)
        try ArchiveWriter(format).write(
            [
                Entry("c", file, .regular(Content("same"))), Entry("a", file, .hardLink("c")),
                Entry("b", file, .hardLink("a")),
            ], to: path)
        let folder = scratch.path.appending("out")
        try createFolder(folder)
        switch format {
        case .cpio:
            try await run.run(Judge.cpio, ["-id", "--quiet", "-F", path.string], directory: folder, place: "links")
        case .tar: try await run.run(Judge.tar, ["-xf", path.string], directory: folder, place: "links")
        }
        let stat = Tool("stat", package: "coreutils", purpose: "look at links")
        let seen = try await run.run(stat, ["-c", "%h %s", "a", "b", "c"], directory: folder, place: "out")
        #expect(seen.text == "3 4\n3 4\n3 4\n")
        #expect(try readFile(folder.appending("a")) == Array("same".utf8))
    }

    @Test func tarListsWhatTheTreeHolds() async throws {
        let path = scratch.path.appending("a.tar")
        try ArchiveWriter(.tar).write(sample(), to: path)
        let listing = try await run.run(
            Judge.tar, ["--quoting-style=literal", "--full-time", "-tvf", path.string], place: "a.tar")
        let lines = listing.text.split(separator: "\n").map { line in
            line.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
        }
        #expect(
            lines == [
                "drwxr-xr-x 0/0 0 1970-01-02 00:00:00 bin/",
                "-rwsr-xr-x 0/0 7 1970-01-02 00:00:00 bin/ash",
                "hrwsr-xr-x 0/0 0 1970-01-02 00:00:00 bin/busybox link to bin/ash",
                "lrwxrwxrwx 0/0 0 1970-01-02 00:00:00 bin/sh -> busybox",
                "-rw-r--r-- 0/0 6 1970-01-02 00:00:00 caf\u{e9}",
                "drwxr-xr-x 0/0 0 1970-01-02 00:00:00 dev/",
                "crw------- 0/5 5,1 1970-01-02 00:00:00 dev/console",
                "brw-rw---- 0/6 179,2 1970-01-02 00:00:00 dev/mmcblk0p2",
                "-rw-r--r-- 0/0 0 1970-01-02 00:00:00 empty",
                "drwxr-xr-x 0/0 0 1970-01-03 07:33:20 run/",
                "prw-r--r-- 1000/1001 0 1970-01-03 07:33:20 run/pipe",
            ])
    }

    @Test(arguments: [
        (ArchiveWriter.Filter.gzip(level: 9), "gzip"), (.zstd(level: 19), "zstd"), (.xz(preset: 6), "xz"),
    ])
    func compressedArchivesAreWholeAndRepeatable(filter: ArchiveWriter.Filter, program: String) async throws {
        let tree = try sample()
        let plain = try ArchiveWriter(.cpio).bytes(of: tree)
        let packed = try ArchiveWriter(.cpio, filter: filter).bytes(of: tree)
        #expect(try ArchiveWriter(.cpio, filter: filter).bytes(of: tree) == packed)
        let tool = Tool(program, package: "\(program)", purpose: "judge a compressed archive")
        try await run.run(tool, ["-t"], input: packed, place: program)
        #expect(try await run.run(tool, ["-dc"], input: packed, place: program).output == plain)
        #expect(try Decompression.bytes(of: packed, place: program) == plain)
        if program == "gzip" { #expect(packed[4..<8] == [0, 0, 0, 0]) }
    }

    @Test func extendedAttributesTravelInTar() async throws {
        let path = scratch.path.appending("x.tar")
        var file = attributes(0o755)
        file.xattrs = [ExtendedAttribute(name: "user.note", value: Array("hello".utf8))]
        try ArchiveWriter(.tar).write([Entry("ping", file, .regular(Content("x")))], to: path)
        let listing = try await run.run(Judge.tar, ["--xattrs", "-tvvf", path.string], place: "x.tar")
        #expect(listing.text.contains("x: 5 user.note"))
    }

    @Test(arguments: [
        (
            ArchiveWriter.Format.tar, Entry("run/s", attributes(0o600), .socket),
            "/run/s: a tar archive cannot hold a socket"
        ),
        (
            .cpio, Entry("old", attributes(0o644, at: -1), .regular(Content(""))),
            "/old: a cpio archive cannot hold the time -1"
        ),
    ])
    func whatAFormatCannotHoldIsRefused(format: ArchiveWriter.Format, entry: Entry, message: String) {
        let error = failure { try ArchiveWriter(format).bytes(of: [entry]) }
        #expect(error?.description == message)
    }

    @Test func nothingIsLeftWhenContentIsGone() throws {
        let path = scratch.path.appending("gone.cpio")
        let gone = Content(
            size: 5, digest: Content("12345").digest, source: .file(scratch.path.appending("missing"), offset: 0))
        let entries = [Entry("file", attributes(0o644), .regular(gone))]
        #expect(throws: DamagedContent.self) { try ArchiveWriter(.cpio).write(entries, to: path) }
        #expect(!exists(path))
    }

    @Test func decompressionIsBoundedAndNamesDamage() throws {
        let bomb = try ArchiveWriter(.cpio, filter: .gzip(level: 9)).bytes(of: [
            Entry("zeros", attributes(0o644), .regular(Content([UInt8](repeating: 0, count: 1 << 20))))
        ])
        let tooLarge = failure {
            try Decompression.bytes(of: bomb, place: "bomb.gz", limit: 1 << 16)
        }
        #expect(
            tooLarge?.description == "bomb.gz: the decompressed file is too large\n  expected: at most 65536 bytes")
        let cut = failure {
            try Decompression.bytes(of: Array(bomb[..<(bomb.count / 2)]), place: "cut.gz")
        }
        #expect(cut?.description == "cut.gz: could not decompress: truncated gzip input")
        #expect(try Decompression.bytes(of: Array("plain".utf8), place: "plain") == Array("plain".utf8))
    }
}
