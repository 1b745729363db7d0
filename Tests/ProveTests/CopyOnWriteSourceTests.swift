import Diagnostics
import Prove
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// What a machine has written to its disk, read back. QEMU itself writes.
@Suite struct CopyOnWriteSourceTests {
    private let folder: TemporaryFolder
    private let image: FilePath
    private let disk: FilePath

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-cow")
        image = folder.path.appending("disk.img")
        // Not a whole number of clusters.
        try writeAtomically(to: image, bytes: [UInt8](repeating: 0x5a, count: (1 << 20) + 512))
        disk = folder.path.appending("disk.qcow2")
        try CopyOnWriteDisk.create(disk, over: image, size: 4 << 30)
    }

    private func qemu(_ commands: [String]) async throws {
        let text = commands.map { "qemu-io disk \"\($0)\"\n" }.joined() + "quit\n"
        let result = try await ToolRunner().run(
            Tool.qemu,
            [
                "-M", "virt", "-display", "none", "-nodefaults", "-S", "-monitor", "stdio", "-drive",
                "file=\(disk),format=qcow2,if=none,id=disk,discard=unmap",
            ], input: Array(text.utf8), place: "test")
        #expect(result.text.components(commands.count, of: "bytes at offset"))
    }

    private func bytes(_ source: CopyOnWriteSource, _ offset: UInt64, _ count: Int) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0xff, count: count)
        try buffer.withUnsafeMutableBytes { try source.read(at: offset, into: $0) }
        return buffer
    }

    @Test func whatQEMUWroteIsReadAndTheRestIsTheImages() async throws {
        let untouched = try CopyOnWriteSource(disk, over: image)
        #expect(untouched.size == 4 << 30)
        #expect(try bytes(untouched, 0, 64) == [UInt8](repeating: 0x5a, count: 64))
        try await qemu(["write -P 0x11 512 512", "write -P 0x22 3G 128k", "write -z 65536 65536"])
        let source = try CopyOnWriteSource(disk, over: image)
        // Around what was written, the cluster holds the image's bytes.
        func run(_ byte: UInt8, _ count: Int) -> [UInt8] { [UInt8](repeating: byte, count: count) }
        #expect(try bytes(source, 0, 1536) == run(0x5a, 512) + run(0x11, 512) + run(0x5a, 512))
        #expect(try bytes(source, 65_530, 12) == run(0x5a, 6) + run(0, 6))
        #expect(try bytes(source, 131_066, 12) == run(0, 6) + run(0x5a, 6))
        #expect(try bytes(source, (1 << 20) + 508, 8) == run(0x5a, 4) + run(0, 4))
        #expect(try bytes(source, (3 << 30) + 131_068, 8) == run(0x22, 4) + run(0, 4))
        #expect(try bytes(source, (4 << 30) - 4, 4) == run(0, 4))
        #expect(try bytes(source, (3 << 30) - 2, 4) == [0, 0, 0x22, 0x22])
    }

    struct Change: Sendable {
        var offset: UInt64
        var bytes: [UInt8]
        var problem: String
    }

    private static let features = "it is encrypted, has snapshots, or features that are not known here"

    /// Magic, version, cluster size, the disk's size, encryption, the L1 table's length and place, snapshots, features.
    @Test(arguments: [
        Change(offset: 0, bytes: [0], problem: "it is no qcow2 file of version 3"),
        Change(offset: 7, bytes: [2], problem: "it is no qcow2 file of version 3"),
        Change(offset: 23, bytes: [63], problem: "impossible cluster size"),
        Change(offset: 23, bytes: [0], problem: "impossible cluster size"),
        Change(offset: 24, bytes: [0xff], problem: "impossible L1 table"),
        Change(offset: 35, bytes: [1], problem: features),
        Change(offset: 36, bytes: [0xff], problem: "impossible L1 table"),
        Change(offset: 40, bytes: [0xff], problem: "impossible L1 table"),
        Change(offset: 63, bytes: [1], problem: features),
        Change(offset: 79, bytes: [0x10], problem: features),
    ])
    func headerThatCannotBeIsRefused(change: Change) throws {
        try OpenFile.updating(disk).write(at: change.offset, change.bytes)
        let failure = failure { try CopyOnWriteSource(disk, over: image) }
        #expect(failure?.description == "\(disk): the machine's disk cannot be read: \(change.problem)")
    }

    @Test func tableThatLeadsOutOfTheFileIsRefused() throws {
        try OpenFile.updating(disk).write(at: 3 << 16, [0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0])
        let source = try CopyOnWriteSource(disk, over: image)
        #expect(
            failure { try bytes(source, 0, 16) }?.description == """
                \(disk): the file ends too early
                  expected: 8 bytes at offset 72057594037927424
                  found:    0 bytes
                """)
        try OpenFile.updating(disk).truncate(to: 64)
        #expect(
            failure { try CopyOnWriteSource(disk, over: image) }?.description
                == "\(disk): the machine's disk cannot be read: it has no header")
    }
}

extension String {
    /// Whether it holds a text exactly so many times.
    fileprivate func components(_ count: Int, of text: String) -> Bool { split(separator: text).count == count + 1 }
}
