import Diagnostics
import Digests
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

private let generous = ArchiveLimits(members: 1000, totalBytes: 1 << 30)

/// Runs a script in a scratch folder, where it leaves `a.tar`, and opens that.
private func reader(
    _ script: String, compression: ArchiveCompression = .none, limits: ArchiveLimits = generous
) async throws -> ArchiveReader {
    let folder = try TemporaryFolder(in: "/tmp", name: "piforge-archive")
    try await ToolRunner().run(Judge.sh, ["-ec", script], directory: folder.path, place: "test")
    let file = try OpenFile.reading(folder.path.appending("a.tar"))
    return try ArchiveReader(
        file, range: 0..<(try file.size()), compression: compression, limits: limits, place: "a.tar")
}

private func members(_ reader: ArchiveReader) throws -> [ArchiveMember] {
    var result: [ArchiveMember] = []
    while let member = try reader.next() { result.append(member) }
    return result
}

/// GNU tar makes the archives.
@Suite struct ArchiveReaderTests {
    @Test(arguments: ["ustar", "gnu", "pax"])
    func namesAreTheArchivesBytes(format: String) async throws {
        // Composed, decomposed, and no UTF-8 at all; then one too long for ustar's name field.
        let script = """
            mkdir t; cd t
            for n in 'caf\\303\\251' 'cafe\\314\\201' 'x\\377y' 'F\\305\\221'; do : > "$(printf "$n")"; done
            d=$(printf 'd%.0s' $(seq 90)); mkdir $d; : > $d/$(printf 'f%.0s' $(seq 90)); ln -s "$(printf 'x\\377y')" link
            tar --format=\(format) --owner=0 --group=0 -cf ../a.tar *
            """
        let found = Set(try members(try await reader(script)).map(\.path))
        let long =
            [UInt8](repeating: UInt8(ascii: "d"), count: 90) + [0x2f] + [UInt8](repeating: UInt8(ascii: "f"), count: 90)
        for name in [
            Array("caf\u{e9}".utf8), Array("cafe\u{301}".utf8), [0x78, 0xff, 0x79], Array("F\u{151}".utf8), long,
        ] {
            #expect(found.contains(name), "\(String(decoding: name, as: UTF8.self))")
        }
    }

    @Test func headersKeepEverything() async throws {
        let script = """
            umask 022; mkdir t; cd t; mkdir d; chmod 1777 d; printf hello > f; chmod 4751 f; ln f hard; ln -s ../f d/soft; mkfifo p
            tar --format=pax --owner=:12 --group=:70000 --mtime='@1700000000.123456789' --sort=name -cf ../a.tar d f hard p
            """
        let found = try members(try await reader(script))
        #expect(found.map(\.name) == ["d/", "d/soft", "f", "hard", "p"])
        #expect(
            found.map(\.kind) == [
                .directory, .symlink(Array("../f".utf8)), .regular, .hardLink(Array("f".utf8)), .fifo,
            ])
        #expect(found.map(\.attributes.mode) == [0o1777, 0o777, 0o4751, 0o4751, 0o644])
        #expect(found.allSatisfy { $0.attributes.uid == 12 && $0.attributes.gid == 70000 })
        #expect(found.allSatisfy { $0.attributes.mtime == Timestamp(seconds: 1_700_000_000, nanoseconds: 123_456_789) })
        #expect(found[2].size == 5)
    }

    @Test func extendedAttributesAreRead() async throws {
        let script = """
            : > f; tar --format=pax --pax-option='SCHILY.xattr.user.note:=hi,SCHILY.xattr.security.capability:=cap' -cf a.tar f
            """
        let found = try members(try await reader(script))
        #expect(
            found.first?.attributes.xattrs == [
                ExtendedAttribute(name: "security.capability", value: Array("cap".utf8)),
                ExtendedAttribute(name: "user.note", value: Array("hi".utf8)),
            ])
    }

    @Test(arguments: ["gnu", "pax"])
    func sparseFilesKeepTheirHoles(format: String) async throws {
        let script = """
            truncate -s 5M s; printf middle | dd of=s bs=1 seek=2097152 conv=notrunc 2>/dev/null
            tar --format=\(format) --sparse -cf a.tar s
            """
        let archive = try await reader(script)
        let member = try #require(try archive.next())
        #expect(member.size == 5 << 20)
        var dataBytes = 0
        try archive.forEachBlock { _, bytes in dataBytes += bytes.count }
        #expect(dataBytes < 1 << 20)

        let again = try await reader(script)
        _ = try again.next()
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-archive")
        let layer = try LayerStore(folder: folder.path).layer(.of("k"), name: "k") { writer in
            try writer.addFile("s", member.attributes) { try again.copyContent(to: $0) }
        }
        var expected = [UInt8](repeating: 0, count: 5 << 20)
        expected.replaceSubrange((2 << 20)..<((2 << 20) + 6), with: Array("middle".utf8))
        #expect(layer.entries.first?.kind == .regular(Content(expected)))
    }

    @Test(arguments: [("gzip -n", ArchiveCompression.gzip), ("xz", .xz)])
    func compressedArchivesAreRead(program: String, compression: ArchiveCompression) async throws {
        let found = try members(
            try await reader("printf hi > f; tar -cf - f | \(program) > a.tar", compression: compression))
        #expect(found.map(\.name) == ["f"])
    }

    @Test(arguments: [
        (
            ArchiveLimits(members: 1, totalBytes: 100),
            "a.tar: g: the archive holds too many members\n  expected: at most 1"
        ),
        (
            ArchiveLimits(members: 9, totalBytes: 100, memberBytes: 1),
            "a.tar: f: the file is too large\n  expected: at most 1 bytes\n  found:    2 bytes"
        ),
        (
            ArchiveLimits(members: 9, totalBytes: 3),
            "a.tar: g: the archive's content is too large\n  expected: at most 3 bytes"
        ),
    ])
    func limitsHold(limits: ArchiveLimits, message: String) async throws {
        let archive = try await reader("printf hi > f; printf hi > g; tar -cf a.tar f g", limits: limits)
        let error = failure { try members(archive) }
        #expect(error?.description == message)
    }

    @Test(arguments: [
        (
            "printf hi > f; tar -cf - f | xz | head -c 60 > a.tar",
            "a.tar: the archive is damaged: lzma library error:  No progress is possible"
        ),
        (
            "head -c 4096 /dev/zero | tr '\\0' x > a.tar", "a.tar: the archive is damaged: unrecognized archive format"
        ),
    ])
    func damagedArchivesAreRefused(script: String, message: String) async throws {
        let compression = script.contains("xz") ? ArchiveCompression.xz : .none
        let failure = await failure {
            let archive = try await reader(script, compression: compression)
            while try archive.next() != nil { try archive.forEachBlock { _, _ in } }
        }
        #expect(failure?.description == message)
    }
}
