import Prove
import Storage
import SystemPackage
import Testing
import Tools

@Suite struct CopyOnWriteDiskTests {
    @Test(arguments: [(1, 4), (3 << 30, 4), (33 << 27, 8), (7 << 30, 16)] as [(UInt64, UInt64)])
    func cardIsAPowerOfTwoWithRoomToGrow(image: UInt64, gibibytes: UInt64) {
        #expect(CopyOnWriteDisk.cardSize(for: image) == gibibytes << 30)
    }

    /// QEMU itself judges the file: a machine that never starts its processor opens it and describes it.
    @Test func qemuReadsTheImageThroughIt() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-cow")
        let image = folder.path.appending("disk.img")
        try writeAtomically(to: image, bytes: [UInt8](repeating: 0x5a, count: 1 << 20))
        let disk = folder.path.appending("disk.qcow2")
        try CopyOnWriteDisk.create(disk, over: image, size: 4 << 30)
        let result = try await ToolRunner().run(
            Tool.qemu,
            [
                "-M", "virt", "-display", "none", "-nodefaults", "-S", "-monitor", "stdio", "-drive",
                "file=\(disk),format=qcow2,if=none,id=disk",
            ],
            input: Array(
                "info block -v disk\nqemu-io disk \"read -P 0x5a 0 1M\"\nqemu-io disk \"read -P 0 1M 1M\"\nquit\n".utf8),
            place: "test")
        #expect(result.text.contains("virtual size: 4 GiB (4294967296 bytes)"))
        #expect(result.text.contains("backing file: \(image)"))
        #expect(result.text.contains("read 1048576/1048576 bytes at offset 0"))
        #expect(result.text.contains("read 1048576/1048576 bytes at offset 1048576"))
        #expect(!result.text.contains("Pattern verification failed"))
    }
}
