import Kernel
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

private let depmodTime = Timestamp(seconds: 86_400)

/// One boot of Debian's kernel with our initramfs on QEMU's virt machine; about 10 s.
@Suite struct BootInitramfsTests {
    let scratch: TemporaryFolder
    let run = ToolRunner()

    init() throws { scratch = try TemporaryFolder(in: "/tmp", name: "piforge-kernel") }

    @Test func debianKernelReachesTheInitOfARootByItsPartitionNumber() async throws {
        var tree = try await DebianKernel.tree()
        let release = try KernelRelease.find(in: tree)
        let kernel = try #require(tree.content(release.image))
        #expect(try !ARM64Image(kernel, place: "\(release.image)").isCompressed)
        #expect(release.deviceTrees.flatMap { tree.content($0.appending("bcm2711-rpi-4-b.dtb")) } != nil)

        let depmod = try await Depmod.layer(release, in: tree, runner: run, work: scratch.path, time: depmodTime)
        let again = try await Depmod.layer(release, in: tree, runner: run, work: scratch.path, time: depmodTime)
        #expect(depmod.digest == again.digest)
        #expect(depmod.entries.allSatisfy { $0.attributes == Attributes(mode: 0o644, mtime: depmodTime) })
        try tree.apply(depmod)

        let initramfs = try BootInitramfs.make(release, in: tree)
        #expect(try BootInitramfs.make(release, in: tree) == initramfs)
        #expect(initramfs.count < 15 << 20)
        let initrd = scratch.path.appending("initrd.img")
        try writeAtomically(to: initrd, bytes: initramfs)

        let disk = try await makeDisk(busybox: try #require(tree.content("usr/bin/busybox")))
        guard case .file(let image, 0) = kernel.source else { return #expect(Bool(false), "the kernel is no file") }
        let console = try await boot(image, initrd, disk, "root=PARTUUID=1A2B3C4D-02 rw panic=-1")
        #expect(console.contains("initramfs: /dev/vda2 is the root, starting /sbin/init"))
        #expect(console.contains("THE ROOT'S INIT RUNS: /dev/vda2 / ext4 ro,relatime"))
    }

    /// An MBR disk whose second partition is an ext4 with a static busybox and an init that says so and powers off.
    private func makeDisk(busybox: Content) async throws -> FilePath {
        let root = scratch.path.appending("root")
        for name in ["bin", "sbin", "dev", "proc", "sys"] { try createFolder(root.appending(name)) }
        let program = try ContentReader().bytes(of: busybox)
        try writeAtomically(to: root.appending("bin/busybox"), mode: 0o755, bytes: program)
        let script = """
            #!/bin/busybox sh
            echo "THE ROOT'S INIT RUNS: $(/bin/busybox grep ' / ' /proc/mounts)"
            /bin/busybox poweroff -f

            """
        try writeAtomically(to: root.appending("sbin/init"), mode: 0o755, bytes: Array(script.utf8))
        let disk = scratch.path.appending("disk.img")
        let file = try OpenFile.creating(disk)
        try file.truncate(to: 24 << 20)
        let table = "label: dos\nlabel-id: 0x1a2b3c4d\nstart=2048,size=2048,type=c\nstart=4096,size=40960,type=83\n"
        try await run.run(Judge.sfdisk, ["-q", disk.string], input: Array(table.utf8), place: "sfdisk")
        try await run.run(
            Judge.mke2fs,
            ["-q", "-t", "ext4", "-d", root.string, "-E", "offset=\(4096 * 512)", disk.string, "20m"], place: "mke2fs")
        return disk
    }

    private func boot(
        _ kernel: FilePath, _ initrd: FilePath, _ disk: FilePath, _ commandLine: String
    ) async throws -> String {
        // A boot that hangs ends after five minutes, however slow the machine.
        let timeout = Tool("timeout", package: "coreutils", purpose: "end a boot that hangs")
        let result = try await run.result(
            timeout,
            [
                "300", "qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72", "-m", "512", "-nic", "none",
                "-display",
                "none", "-serial", "stdio", "-no-reboot", "-kernel", kernel.string, "-initrd", initrd.string, "-drive",
                "file=\(disk),if=none,id=disk,format=raw", "-device", "virtio-blk-pci,drive=disk", "-append",
                "console=ttyAMA0 \(commandLine)",
            ])
        #expect(result.status == 0, "\(result.errors)")
        return result.text
    }
}
