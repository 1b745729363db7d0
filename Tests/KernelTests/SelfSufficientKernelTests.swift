import Diagnostics
import Kernel
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

private let file = Attributes(mode: 0o644, mtime: Timestamp(seconds: 0))

/// A kernel that needs nothing beside it: no module, and its configuration in itself.
@Suite struct SelfSufficientKernelTests {
    private let text = "CONFIG_KVM=y\nCONFIG_TUN=m\n# CONFIG_ACPI is not set\nCONFIG_HZ=250\n"

    private func packed(_ text: String) async throws -> [UInt8] {
        try await ToolRunner().run(Judge.gzip, ["-nc"], input: Array(text.utf8), place: "test").output
    }

    private func image(_ inside: [UInt8], end: String = "IKCFG_ED") -> [UInt8] {
        let code = [UInt8](repeating: 0x5a, count: 5000)
        // The mark as a word of a message is no configuration.
        return code + Array("looking for IKCFG_ST in vain".utf8) + code + Array("IKCFG_ST".utf8) + inside
            + Array(end.utf8)
            + code
    }

    @Test func configurationInsideAKernelIsFound() async throws {
        let config = try KernelConfig(Array(text.utf8), at: "config")
        let raw = image(try await packed(text))
        #expect(try KernelConfig(embeddedIn: raw, at: "vmlinuz") == config)
        let compressed = try await ToolRunner().run(Judge.gzip, ["-nc"], input: raw, place: "test").output
        #expect(try KernelConfig(embeddedIn: compressed, at: "vmlinuz") == config)
        #expect(try KernelConfig(embeddedIn: Array("IKCFG_ST and no more".utf8), at: "vmlinuz") == nil)
        #expect(try KernelConfig(embeddedIn: [], at: "vmlinuz") == nil)
        #expect(try config.agrees(at: "/boot/config", withKernel: raw, at: "vmlinuz"))
        #expect(try !config.agrees(at: "/boot/config", withKernel: [1, 2, 3], at: "vmlinuz"))
    }

    @Test func fileThatIsNotTheKernelsIsRefused() async throws {
        let raw = image(try await packed(text))
        let other = try KernelConfig(
            Array("CONFIG_KVM=y\nCONFIG_TUN=y\nCONFIG_ACPI=y\nCONFIG_HZ=250\n".utf8), at: "config")
        let error = failure {
            try other.agrees(at: "/boot/config-6.12", withKernel: raw, at: "/boot/vmlinuz-6.12")
        }
        #expect(
            error?.description == """
                /boot/config-6.12: the file is not the configuration of the kernel beside it, /boot/vmlinuz-6.12
                  expected: CONFIG_ACPI=n, CONFIG_TUN=m
                  found:    CONFIG_ACPI=y, CONFIG_TUN=y
                """)
    }

    @Test func damagedConfigurationIsNamed() async throws {
        let good = try await packed(text)
        var bad = good
        bad[bad.count / 2] ^= 0xff
        let table: [(image: [UInt8], message: String)] = [
            (
                image(good, end: ""),
                "vmlinuz: the configuration inside the kernel has no end\n  expected: IKCFG_ED behind IKCFG_ST"
            ),
            (
                image(bad),
                "vmlinuz: the configuration inside the kernel: could not decompress: gzip decompression failed"
            ),
            (
                image(try await packed("hello\n")),
                """
                vmlinuz: the configuration inside the kernel:1: this is not a line of a kernel configuration
                  expected: CONFIG_X=VALUE
                  found:    hello
                """
            ),
        ]
        for row in table {
            let error = failure { try KernelConfig(embeddedIn: row.image, at: "vmlinuz") }
            #expect(error?.description == row.message)
        }
    }

    @Test func whatTheRootHangsOnIsTold() throws {
        let all = RootDrivers.options.map { "\($0.option)=y\n" }.joined()
        #expect(RootDrivers.missing(in: try KernelConfig(Array(all.utf8), at: "config")).isEmpty)
        let modular = all.replacing("CONFIG_EXT4_FS=y", with: "CONFIG_EXT4_FS=m")
            .replacing("CONFIG_DEVTMPFS_MOUNT=y\n", with: "")
        let missing = RootDrivers.missing(in: try KernelConfig(Array(modular.utf8), at: "config"))
        #expect(missing.map(\.option) == ["CONFIG_EXT4_FS", "CONFIG_DEVTMPFS_MOUNT"])
        #expect(missing.map(\.found) == [.module, .notSet])
    }

    /// The fragment for boards has all of it built in, so that the recipes which name it boot without an initramfs.
    @Test(arguments: ["rpi4", "small"]) func fragmentsHaveTheRootBuiltIn(name: String) throws {
        let path =
            repository
            .pushing(FilePath("kernel-configs/\(name).config"))
        let text = String(decoding: try readFile(path), as: UTF8.self)
        let fragment = try ConfigFragment.parse(text, file: "\(name).config")
        let version = try #require(KernelVersion("6.12"))
        let asked = Set(fragment.lines(for: version).filter { $0.values.first == .yes }.map(\.option))
        #expect(RootDrivers.options.map(\.option).filter { !asked.contains($0) } == [])
    }

    @Test func kernelWithoutModulesIsIndexed() async throws {
        func entry(_ path: String, _ text: String) throws -> Entry {
            Entry(try EntryPath(validating: path), file, .regular(Content(text)))
        }
        let folder = "usr/lib/modules/6.12-small"
        let entries = [
            Entry("lib", file, .symlink(Array("usr/lib".utf8))), try entry("boot/vmlinuz-6.12-small", "kernel"),
            try entry("\(folder)/modules.builtin.modinfo", ""),
            try entry("\(folder)/modules.builtin", "kernel/fs/ext4/ext4.ko\nkernel/drivers/virtio/virtio_pci.ko\n"),
        ]
        var tree = try Tree([Layer(name: "kernel", entries: entries)])
        let release = try KernelRelease.find(in: tree)
        let work = try TemporaryFolder(in: "/tmp", name: "piforge-modules")
        try tree.apply(
            try await Depmod.layer(
                release, in: tree, runner: ToolRunner(), work: work.path, time: Timestamp(seconds: 0)))
        let index = try ModuleIndex(release, in: tree)
        #expect(index.isBuiltIn("ext4") && !index.isLoadable("ext4"))
        #expect(try index.closure(of: ["ext4", "virtio-pci"]) == [])
    }
}
