import Diagnostics
import Engine
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// A kernel from source: compiled once, resumed, kept; its package judged by dpkg.
@Suite(.serialized) struct KernelBuildTests {
    private func tree(_ folder: FilePath) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: folder.string).sorted()
    }

    @Test func aKernelIsCompiledOnceAndThenKept() async throws {
        let bench = try KernelBench()
        let before = try tree(bench.source)
        let first = try await bench.builder().buildKernel()
        #expect(first.release == "6.12.9-piforge")
        #expect(first.version.hasPrefix("6.12.9-20260101."))
        #expect(!first.cached)
        #expect(first.files == 2)
        #expect(bench.compiled.sorted() == ["main", "slow"])
        #expect(try tree(bench.source) == before)
        let folder = bench.output.appending("small.kernel")
        #expect(try tree(folder) == ["Image", "SHA256SUMS", "System.map", "config", first.package].sorted())
        try await ToolRunner().run(
            Judge.sha256sum, ["--check", "--strict", "SHA256SUMS"], directory: folder, place: "sums")
        let info = try await ToolRunner().run(
            Judge.dpkgDeb, ["--field", folder.appending(first.package).string, "Package", "Version"], place: "deb")
        #expect(info.text == "Package: linux-image-6.12.9-piforge\nVersion: \(first.version)\n")
        let contents = try await ToolRunner().run(
            Judge.dpkgDeb, ["--fsys-tarfile", folder.appending(first.package).string], place: "deb")
        #expect(contents.text.contains("Thu, 01 Jan 2026 00:00:00 +0000"), "the changelog's time is the clock's")

        let second = try await bench.builder().buildKernel()
        #expect(second.cached)
        #expect(second.sha256 == first.sha256)
        #expect(bench.compiled.count == 2)
        // The work folder keeps nothing of a compile that ended well.
        #expect(try tree(bench.cache.pushing("kernel-work/small")) == ["lock"])

        // Another time is another package; the old one's file goes.
        try bench.write("source: {tree: ../linux}, fragments: [a]", epoch: "2026-02-01")
        let third = try await bench.builder().buildKernel()
        #expect(third.version.hasPrefix("6.12.9-20260201."))
        #expect(bench.compiled.count == 4)
        #expect(try tree(folder).filter { $0.hasSuffix(".deb") } == [third.package])
    }

    @Test func everyOriginAndFolderGivesTheSameBytes() async throws {
        let bench = try KernelBench()
        let first = try await bench.builder().buildKernel()
        // Another cache, another number of compilers, a tree that was built in.
        try bench.write(file: "linux/init/main.o", "old")
        try bench.write(file: "linux/.config", "old")
        try bench.write(file: "linux/include/config/kernel.release", "old")
        let other = try await bench.builder(cache: bench.root.appending("other"), jobs: 1).buildKernel()
        #expect(other.sha256 == first.sha256)
        #expect(!other.cached)
    }

    @Test func anInterruptedCompileGoesOn() async throws {
        let bench = try KernelBench()
        try bench.write(
            file: "linux/init/slow.c",
            "test -e \(bench.root)/go || { touch \(bench.root)/waiting; sleep 600; }; echo slow >>\(bench.root)/compiled.txt\n"
        )
        let run = Task { try await bench.builder(jobs: 1).buildKernel() }
        while !exists(bench.root.appending("waiting")) { try await Task.sleep(for: .milliseconds(20)) }
        run.cancel()
        await #expect(throws: CancellationError.self) { try await run.value }
        #expect(bench.compiled == ["main"])
        try bench.write(file: "go", "")
        let report = try await bench.builder().buildKernel()
        #expect(bench.compiled == ["main", "slow"])
        #expect(report.files == 2)

        // A work folder that was left is not gone on with for another configuration.
        try bench.write(file: "kernel-configs/a.config", "CONFIG_KVM=y\nCONFIG_X=y\n")
        try bench.write(file: "linux/Kconfig", "config KVM\n\tbool \"KVM\"\n\nconfig X\n\tbool \"X\"\n")
        _ = try await bench.builder().buildKernel()
        #expect(bench.compiled.count == 4)
    }

    @Test func aCompileThatFailsShowsItsFirstError() async throws {
        let bench = try KernelBench()
        try bench.write(
            file: "linux/init/slow.c",
            "echo 'init/slow.c:3:5: error: no such thing' >&2; echo '    3 | int x = y;' >&2; exit 1\n")
        let failure = await failure { _ = try await bench.builder().buildKernel() }
        #expect(failure?.message == "the kernel does not compile")
        #expect(
            failure?.found == "2: init/slow.c:3:5: error: no such thing\n                3 | int x = y;",
            "\(failure?.found ?? "")")
        let log = bench.output.appending("small.kernel.log")
        #expect(failure?.next == "read \(log); what is compiled stays, and the next run goes on from there")
        #expect(String(decoding: try readFile(log), as: UTF8.self).contains("  CC      init/slow.o"))
        #expect(!exists(bench.output.appending("small.kernel")))
    }

    @Test func whatIsWrongIsNamedBeforeAnythingIsCompiled() async throws {
        let bench = try KernelBench()
        let zeros = String(repeating: "0", count: 64)
        try bench.write(file: "kernel-configs/b.config", "CONFIG_NIX=y\n")
        try bench.write(
            file: "recipes/bad.patch", "--- a/init/main.c\n+++ b/init/main.c\n@@ -1 +1 @@\n-int y;\n+int z;\n")
        for (kernel, epoch, message) in [
            (
                "package: linux-image-arm64", "2026-01-01",
                "the recipe's kernel is a package, which brings its configuration"
            ),
            ("source: {tree: ../linux}", "2099-01-01", "a kernel's package cannot have a time that is still to come"),
            (
                "source: {tree: ../linux}, patches: [{file: ./bad.patch, sha256: \(zeros)}]", "2026-01-01",
                "the patch is not the one that the recipe names"
            ),
            (
                "source: {tree: ../linux}, patches: [{file: ./bad.patch, sha256: \(try bench.digest("recipes/bad.patch"))}]",
                "2026-01-01", "the patch does not apply"
            ),
        ] {
            try bench.write(kernel, epoch: epoch)
            let failure = await failure { _ = try await bench.builder().buildKernel() }
            #expect(failure?.message == message)
        }
        try bench.write("source: {tree: ../linux}")
        let blank = await failure {
            _ = try await bench.builder(cache: bench.root.appending("a cache")).buildKernel()
        }
        #expect(blank?.message == "the kernel's own Makefile cannot work in such a folder")
        try bench.write(file: "linux/scripts/min-tool-version.sh", "echo 99.1.0\n")
        let old = await #expect(throws: FailureList.self) { _ = try await bench.builder().buildKernel() }
        #expect(old?.failures.map(\.place) == ["aarch64-linux-gnu-gcc", "aarch64-linux-gnu-ld"])
        #expect(old?.failures.first?.message == "the program is too old for Linux 6.12.9")
        #expect(old?.failures.first?.expected == "gcc 99.1.0 or later")
        #expect(bench.compiled.isEmpty)
    }

    @Test func aPackageWithoutWhatABoardNeedsIsRefused() async throws {
        let bench = try KernelBench(defconfig: "CONFIG_MODULES=y\nCONFIG_ARCH_BCM2835=y\n")
        let failure = await failure { _ = try await bench.builder().buildKernel() }
        #expect(
            failure?.message
                == "the kernel's package brings no /usr/lib/linux-image-6.12.9-piforge/broadcom/bcm2711-rpi-4-b.dtb")
        #expect(!exists(bench.output.appending("small.kernel")))
    }

    @Test func pruneTakesTheWorkOfACompileWhole() async throws {
        let bench = try KernelBench()
        try bench.write(file: "linux/init/slow.c", "exit 1\n")
        let failure = await failure { try await bench.builder().buildKernel() }
        #expect(failure?.message == "the kernel does not compile")
        let work = bench.cache.pushing("kernel-work/small")
        #expect(exists(work.pushing("linux/init/main.o")))
        let now = Int64(Date().timeIntervalSince1970)
        var prune = CachePrune()
        prune.olderThan = 86_400
        #expect(try prune.run(bench.cache, now: now).removedEntries == 0)
        #expect(exists(work.pushing("linux/init/main.o")))
        let report = try prune.run(bench.cache, now: now + 100_000)
        #expect(report.removed.contains { $0.part == "kernel-work" && $0.entries == 1 && $0.bytes > 0 })
        #expect(!exists(work))
    }
}
