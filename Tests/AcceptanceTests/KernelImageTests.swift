import Records
import Foundation
import Storage
import Synchronization
import SystemPackage
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// A kernel that is compiled from Debian's source, in an image that boots without an initramfs. The machine's own cache is used, so
/// that the kernel is compiled once for many runs. The tests follow each other.
@Suite(.serialized) final class KernelImageTests {
    private static let folder = Mutex<TemporaryFolder?>(nil)
    private static let recipe = "recipes/debian-13-small-kernel.yaml"
    private static let name = "debian-13-small-kernel"

    private let root: FilePath

    init() throws {
        root = try Self.folder.withLock { folder in
            if let folder { return folder.path }
            let made = try TemporaryFolder(in: "/var/tmp", name: "piforge-kernel-image")
            folder = made
            // What a static holds is not released when a process ends.
            atexit { KernelImageTests.folder.withLock { $0 = nil } }
            return made.path
        }
    }

    private var output: FilePath { root.appending("out") }
    private var image: FilePath { output.appending("\(Self.name).img.xz") }
    private var manifest: Manifest { get throws { try Manifest.read(output.appending("\(Self.name).manifest.json")) } }

    private func piforge(_ arguments: [String]) throws -> Outcome {
        try Program.piforge(arguments + ["-o", output.string])
    }

    @Test func aKernelFromSourceBecomesAPackageOfTheImage() throws {
        let built = try piforge(["build", Self.recipe])
        #expect(built.status == 0, "\(built.errors)")
        #expect(
            built.errors.contains(
                "boots without an initramfs: all that its root on the SD card needs is built in"), "\(built.errors)")
        let manifest = try manifest
        let kernel = try #require(manifest.kernel)
        #expect(kernel.source.hasPrefix("linux-source-6.12 6.12."))
        #expect(kernel.identity.hasPrefix("sha256:") && kernel.identity.count == 71)
        let package = try #require(manifest.packages.first { $0.name == kernel.package })
        #expect(package.name == "linux-image-\(manifest.expectations.kernelRelease)")
        #expect(package.source == "linux-upstream" && package.size > 1 << 20)
        #expect(manifest.packages.map(\.name) == manifest.packages.map(\.name).sorted())
        #expect(manifest.expectations.kernelConfig.count > 100)
        // The lock is what an archive gives.
        let lock = String(
            decoding: try readFile(Program.repository.pushing(FilePath("recipes/\(Self.name).lock"))), as: UTF8.self)
        #expect(!lock.contains("linux-image"))
    }

    @Test func nothingChangedMeansNothingIsCompiled() throws {
        let again = try piforge(["build", Self.recipe, "--offline"])
        #expect(again.output.contains("(nothing has changed)"), "\(again.errors)")
        let plan = try piforge(["plan", Self.recipe, "--offline"])
        #expect(!plan.output.contains("  run "), "\(plan.output)")
        let other = try piforge(["plan", Self.recipe, "--offline", "--set", "kernel.fragments=[small, gic, kvm]"])
        let line = other.output.split(separator: "\n").first { $0.hasPrefix("kernel package") }
        #expect(
            line?.wholeMatch(of: /kernel package +[0-9a-f]{12}  run +kernel\.fragments: .*/) != nil, "\(other.output)")
    }

    /// mtools, on the boot partition alone.
    @Test func bootPartitionHasNoInitramfs() throws {
        let part = root.appending("boot.fat")
        let boot = try manifest.partitionTable.partitions[0]
        let cut = try Program.run([
            "sh", "-c",
            "xz -dc '\(image)' | head -c \(boot.start + boot.size) | dd of='\(part)' bs=1M iflag=fullblock,skip_bytes skip=\(boot.start) conv=sparse status=none",
        ])
        #expect(cut.status == 0, "\(cut.errors)")
        _ = try Program.run(["truncate", "-s", String(boot.size), part.string])
        let names = try Program.run(["mdir", "-b", "-i", part.string, "::/"])
        let release = try manifest.expectations.kernelRelease
        #expect(names.output.contains("::/vmlinuz-\(release)\n"), "\(names.output)")
        #expect(names.output.contains("::/bcm2711-rpi-4-b.dtb\n"))
        #expect(!names.output.contains("initrd"))
        let config = try Program.run(["mtype", "-i", part.string, "::/config.txt"])
        #expect(config.output.contains("kernel=vmlinuz-\(release)\n") && !config.output.contains("initramfs"))
        let commandLine = try Program.run(["mtype", "-i", part.string, "::/cmdline.txt"])
        #expect(commandLine.output.contains(" root=PARTUUID="), "\(commandLine.output)")
        removeTree(part)
    }

    @Test func verifyFindsTheConfigurationInTheKernel() throws {
        let verified = try Program.piforge(["verify", image.string])
        #expect(verified.status == 0, "\(verified.output)")
        #expect(verified.output.contains("followed; the kernel holds the same"), "\(verified.output)")
    }

    @Test(arguments: ["raspi4b", "virt"])
    func bootedImagePassesEveryCheck(machine: String) throws {
        let proof = try Program.piforge(["prove", image.string, "--machine", machine, "--log", root.string])
        print(proof.output)
        #expect(proof.status == 0, "\(proof.output)")
        #expect(!proof.output.contains("FAILED"))
        #expect(!proof.output.contains("initrd"))
        #expect(proof.output.contains("/proc/config.gz"), "\(proof.output)")
    }

    /// Another folder, another number of compilers; what ccache has from the first compile makes it quick.
    @Test func interruptedCompileGoesOnToTheSameBytes() throws {
        let home = FilePath(ProcessInfo.processInfo.environment["HOME"] ?? "/root")
        let machine = home.pushing(".cache/piforge")
        let cache = root.appending("another-cache")
        try createFolder(cache)
        _ = try Program.run(["cp", "-al", machine.appending("store").string, cache.appending("store").string])
        _ = try Program.run(["cp", "-a", machine.appending("apt").string, cache.appending("apt").string])
        let command = [
            "kernel", "build", Self.recipe, "--offline", "--jobs", "3", "--cache", cache.string, "-o",
            root.appending("kernel").string,
        ]
        let environment = ["CCACHE_DIR": machine.appending("ccache").string]
        let isSent = Atomic(false)
        let interrupted = try Program.piforge(command, environment: environment) { line, process in
            if line.hasPrefix("kernel: Linux "), !isSent.exchange(true, ordering: .relaxed) {
                // In the middle of the compile, also where ccache has all of it.
                sleep(12)
                kill(process.processIdentifier, SIGINT)
            }
        }
        #expect(interrupted.status == 130, "\(interrupted.errors)")
        #expect(try Program.run(["pgrep", "-f", cache.string]).status == 1)
        let finished = try Program.piforge(command + ["--json"], environment: environment)
        #expect(finished.status == 0, "\(finished.errors)")
        #expect(finished.output.contains("going on with the compile that was interrupted"), "\(finished.output)")
        let manifest = try manifest
        let digest = try #require(manifest.packages.first { $0.name == manifest.kernel?.package }?.sha256.hex)
        #expect(finished.output.contains(digest), "\(finished.output)")
        removeTree(cache)
    }
}
