import Digests
import Foundation
import Storage
import SystemPackage
import Testing

/// The configuration of the project's own kernel, from Debian's archive: once over the network, then without.
@Suite(.serialized) struct KernelConfigAcceptanceTests {
    private static let recipe = "recipes/debian-13-custom-kernel.yaml"
    private static let name = "debian-13-custom-kernel"

    /// The committed configuration is what comes out, nothing is written by a check, and lines that cannot take are explained.
    @Test func committedConfigurationIsWhatComesOut() throws {
        let folder = try TemporaryFolder(in: "/var/tmp", name: "piforge-kernel-config")
        let cache = folder.path.appending("cache").string
        let committed = Program.repository.pushing(FilePath("kernel-configs/generated/\(Self.name).config"))
        let before = try readFile(committed)
        let outcome = try Program.piforge([
            "kernel", "config", Self.recipe, "--check", "--why", "VHOST_VSOCK", "--cache", cache,
        ])
        #expect(try readFile(committed) == before)
        // Where the mirror no longer has the locked version, the newer one's configuration may differ; all lines take all the same.
        let isLocked = !outcome.errors.contains("can no longer be had")
        #expect(!outcome.errors.contains("did not take"), "\(outcome.errors)")
        #expect(outcome.status == 0 || !isLocked, "\(outcome.errors)")
        if isLocked { #expect(outcome.output.contains("no option differs"), "\(outcome.output)") }
        #expect(
            outcome.output.contains("CONFIG_VHOST_VSOCK is y: kvm.config:20 asks for CONFIG_VHOST_VSOCK=y|m; "),
            "\(outcome.output)")
        #expect(files(below: FilePath(cache).appending("work")) == [])

        // The same source without the fragments that prepare the ground, offline.
        try createFolder(folder.path.appending("recipes"))
        try createFolder(folder.path.appending("kernel-configs"))
        for suffix in ["yaml", "kernel.lock"] {
            let file = "recipes/\(Self.name).\(suffix)"
            _ = try Program.run([
                "cp", Program.repository.pushing(FilePath(file)).string, folder.path.appending("recipes").string,
            ])
        }
        let fragment = """
            CONFIG_VHOST_VSOCK=m
            CONFIG_KVM=m
            # CONFIG_ARM_GIC is not set
            CONFIG_KMV=y
            CONFIG_LOG_BUF_SHIFT=99
            """
        try writeAtomically(to: folder.path.pushing("kernel-configs/wishes.config"), bytes: Array(fragment.utf8))
        let wishes = try Program.piforge(
            [
                "kernel", "config", Self.recipe, "--offline", "--cache", cache, "--set", "kernel.fragments=[wishes]",
            ], directory: folder.path)
        #expect(wishes.status == 1)
        for line in [
            "piforge: kernel: CONFIG_VHOST_VSOCK=m did not take (it is n): depends on VSOCKETS, which is n. Fragment wishes.config:1\n"
                + "  next:     add CONFIG_VSOCKETS=m\n",
            "piforge: kernel: CONFIG_KVM=m did not take (it is y): it is a bool, y or n, and never a module. Fragment wishes.config:2\n",
            "piforge: kernel: # CONFIG_ARM_GIC is not set did not take (it is y): it has no prompt, so that no line sets it; selected by ",
            "piforge: kernel: CONFIG_KMV=y did not take (it is n): Linux 6.12.", "near: CONFIG_KVM",
            "piforge: kernel: CONFIG_LOG_BUF_SHIFT=99 did not take (it is 25): it takes 12 to 25. Fragment wishes.config:5\n",
        ] {
            #expect(wishes.errors.contains(line), "\(wishes.errors)")
        }
        #expect(!exists(folder.path.pushing("kernel-configs/generated")))
    }

    // MARK: A stand-in for a kernel

    /// A source whose `olddefconfig` drops what it does not know, made without a compiler.
    private static let makefile = """
        VERSION = 6
        PATCHLEVEL = 12
        SUBLEVEL = 9
        olddefconfig:
        \t@awk -F= '{ n = $$1; sub(/^# /, "", n); sub(/ is not set$$/, "", n); last[n] = $$0; if (!(n in at)) { at[n] = ++k; name[k] = n } } \\
        \t\tEND { for (i = 1; i <= k; i++) if (name[i] != "") print last[name[i]] }' $(O)/.config >$(O)/.new && mv $(O)/.new $(O)/.config

        """

    private struct Bench {
        let folder: TemporaryFolder
        var root: FilePath { folder.path }
        var source: FilePath { root.appending("linux") }
        var generated: FilePath { root.pushing("kernel-configs/generated/small.config") }

        init() throws {
            folder = try TemporaryFolder(in: "/var/tmp", name: "piforge-kernel-bench")
            for (path, text) in [
                ("linux/Makefile", KernelConfigAcceptanceTests.makefile),
                ("linux/Kconfig", "config KVM\n\tbool \"KVM\"\n\nconfig NET\n\tbool \"Net\"\n"),
                ("linux/arch/arm64/Kconfig", "config ARM64\n\tdef_bool y\n"),
                ("linux/arch/arm64/configs/defconfig", "CONFIG_NET=y\n"), ("linux/scripts/kconfig/Makefile", "\n"),
                ("linux/init/main.c", "int x;\n"), ("kernel-configs/a.config", "CONFIG_KVM=y\n"),
                ("kernel-configs/b.config", "# CONFIG_KVM is not set\n"),
                ("kernel-configs/bad.config", "CONFIG_KVM=y\nKVM=y\n"),
                ("kernel-configs/twice.config", "CONFIG_KVM=y\nCONFIG_KVM=y\n"),
                ("kernel-configs/never.config", "CONFIG_KVM=y # since 6.1 until 5.1\n"),
                (
                    "recipes/good.patch",
                    "--- a/arch/arm64/configs/defconfig\n+++ b/arch/arm64/configs/defconfig\n@@ -1 +1 @@\n-CONFIG_NET=y\n+# CONFIG_NET is not set\n"
                ),
                ("recipes/bad.patch", "--- a/init/main.c\n+++ b/init/main.c\n@@ -1 +1 @@\n-int y;\n+int z;\n"),
            ] {
                try writeAtomically(to: root.pushing(FilePath(path)), bytes: Array(text.utf8))
            }
            try write("source: {tree: ../linux}, fragments: [a]")
        }

        func write(_ kernel: String) throws {
            let text =
                "name: small\nepoch: 2026-11-01\nbase: {debian: trixie}\npackages: {install: [openssh-server, sudo]}\nkernel: {\(kernel)}\n"
            try writeAtomically(to: root.pushing("recipes/small.yaml"), bytes: Array(text.utf8))
        }

        func run(_ arguments: [String] = []) throws -> Outcome {
            try Program.piforge(
                ["kernel", "config", "recipes/small.yaml", "--offline", "--cache", root.appending("cache").string]
                    + arguments,
                directory: root)
        }

        func digest(_ path: String) throws -> String { SHA256Digest.of(try readFile(root.pushing(FilePath(path)))).hex }
    }

    @Test func everyOriginOfTheSameSourceGivesTheSameConfiguration() throws {
        let bench = try Bench()
        let before = files(below: bench.source)
        let first = try bench.run()
        #expect(first.status == 0, "\(first.errors)")
        #expect(first.output.hasSuffix("wrote \(bench.generated)\n"), "\(first.output)")
        #expect(files(below: bench.source) == before)
        func body() throws -> [Substring] {
            String(decoding: try readFile(bench.generated), as: UTF8.self).split(separator: "\n").filter {
                !$0.hasPrefix("# inputs ")
            }
        }
        let wanted = try body()
        #expect(wanted.suffix(2) == ["CONFIG_NET=y", "CONFIG_KVM=y"])

        _ = try Program.run(["tar", "-czf", "linux-6.12.9.tar.gz", "linux"], directory: bench.root)
        _ = try Program.run(
            [
                "sh", "-c",
                "git init -q && git add . && git -c user.name=x -c user.email=x@y commit -q -m x && git rev-parse HEAD >../commit",
            ], directory: bench.source)
        let commit = String(decoding: try readFile(bench.root.appending("commit")), as: UTF8.self).filter {
            !$0.isWhitespace
        }
        for origin in [
            "{tarball: ../linux-6.12.9.tar.gz, sha256: \(try bench.digest("linux-6.12.9.tar.gz"))}",
            "{git: ../linux, commit: \(commit)}",
        ] {
            try bench.write("source: \(origin), fragments: [a]")
            let outcome = try bench.run()
            #expect(outcome.status == 0, "\(outcome.errors)")
            #expect(outcome.output.contains("no option differs"))
            #expect(try body() == wanted)
        }
    }

    @Test func aCheckWritesNothingAndFindsWhatIsStale() throws {
        let bench = try Bench()
        let none = try bench.run(["--check"])
        #expect(none.status == 1)
        #expect(none.errors.contains("small.config: there is no committed configuration\n"), "\(none.errors)")
        #expect(!exists(bench.generated))
        #expect(try bench.run().status == 0)
        #expect(try bench.run(["--check"]).status == 0)

        try bench.write(
            "source: {tree: ../linux}, fragments: [a], patches: [{file: ./good.patch, sha256: \(try bench.digest("recipes/good.patch"))}]"
        )
        let before = try readFile(bench.generated)
        let stale = try bench.run(["--check"])
        #expect(stale.status == 1)
        #expect(stale.errors.contains("small.config: the committed configuration is stale\n"), "\(stale.errors)")
        #expect(stale.output.contains("  menu Linux: 1\n    CONFIG_NET: y -> n\n"), "\(stale.output)")
        #expect(try readFile(bench.generated) == before)
        let json = try bench.run(["--check", "--json"])
        let report =
            try JSONSerialization.jsonObject(with: Data((json.output.split(separator: "\n").last ?? "").utf8))
            as? [String: Any]
        #expect(report?["version"] as? String == "6.12.9")
        #expect((report?["problems"] as? [String])?.count == 1)
        #expect(files(below: bench.root.pushing("cache/work")) == [])
    }

    /// A configuration that was made with another compiler is judged by what went in.
    @Test func anotherCompilerIsTold() throws {
        let bench = try Bench()
        let defconfig = bench.root.pushing("linux/arch/arm64/configs/defconfig")
        try writeAtomically(to: defconfig, bytes: Array("CONFIG_GCC_VERSION=120200\nCONFIG_CC_HAS_ONE=y\n".utf8))
        #expect(try bench.run().status == 0)
        let made = String(decoding: try readFile(bench.generated), as: UTF8.self)
        let other = made.replacing("120200", with: "140200").replacing("CC_HAS_ONE=y", with: "CC_HAS_TWO=y")
        try writeAtomically(to: bench.generated, bytes: Array(other.utf8))
        let outcome = try bench.run(["--check"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(
            outcome.output.contains("note: the committed configuration was made with gcc 14.2.0; "), "\(outcome.output)"
        )
        let foreign = other.replacing("# inputs sha256:", with: "# inputs sha256:0")
        try writeAtomically(to: bench.generated, bytes: Array(foreign.utf8))
        #expect(try bench.run(["--check"]).status == 1)
    }

    @Test func badInputIsNamedBeforeAnythingIsWritten() throws {
        let bench = try Bench()
        _ = try Program.run(["tar", "-czf", "linux.tar.gz", "linux"], directory: bench.root)
        let zeros = String(repeating: "0", count: 64)
        let patch = try bench.digest("recipes/bad.patch")
        let table: [(kernel: String, status: Int32, messages: [String])] = [
            ("source: {tree: ../linux}, fragments: [nix]", 2, ["kernel.fragments[0]: unknown fragment 'nix'"]),
            (
                "source: {tree: ../linux}, fragments: [a, b]", 2,
                [
                    "b.config:1: the line contradicts another for the same option",
                    "expected: CONFIG_KVM=y, as at a.config:1",
                ]
            ),
            (
                "source: {tree: ../linux}, fragments: [bad]", 2,
                ["bad.config:2: this is not a line of a kernel configuration fragment"]
            ),
            ("source: {tree: ../linux}, fragments: [twice]", 2, ["twice.config:2: CONFIG_KVM is asked for twice"]),
            ("source: {tree: ../linux}, fragments: [never]", 2, ["a last version that is not before the first"]),
            (
                "source: {tree: ../linux}, defconfig: nix_defconfig", 2,
                [
                    "kernel.defconfig: Linux 6.12.9 has no arch/arm64/configs/nix_defconfig",
                    "expected: one of defconfig",
                ]
            ),
            ("source: {tree: ../recipes}", 1, ["../recipes: this is no source of a Linux kernel"]),
            ("source: {tarball: ../linux.tar.gz, sha256: \(zeros)}", 1, ["linux.tar.gz", "expected", zeros]),
            ("source: {tarball: ../none.tar.gz, sha256: \(zeros)}", 1, ["none.tar.gz"]),
            (
                "source: {tarball: https://mirror.invalid/l.tar.gz, sha256: \(zeros)}", 1,
                ["--offline: the source l.tar.gz is not in the store"]
            ),
            ("source: {git: ../linux, commit: \(zeros.prefix(40))}", 1, ["git ended with status"]),
            (
                "source: {tree: ../linux}, patches: [{file: ./bad.patch, sha256: \(zeros)}]", 1,
                ["./bad.patch: the patch is not the one that the recipe names", "found:    sha256:\(patch)"]
            ),
            (
                "source: {tree: ../linux}, patches: [{file: ./bad.patch, sha256: \(patch)}]", 1,
                ["./bad.patch: the patch does not apply", "found:    init/main.c: Hunk #1 FAILED at 1"]
            ),
            ("package: linux-image-arm64", 2, ["the recipe's kernel is a package, which brings its configuration"]),
        ]
        for row in table {
            try bench.write(row.kernel)
            let outcome = try bench.run()
            #expect(outcome.status == row.status, "\(row.kernel): \(outcome.errors)")
            for message in row.messages {
                #expect(outcome.errors.contains(message), "\(row.kernel): \(outcome.errors)")
            }
            #expect(!exists(bench.generated))
        }
        #expect(files(below: bench.root.pushing("cache/work")) == [])
    }

    /// A missing program and a small disk, in name spaces of their own.
    @Test(arguments: [
        (
            "mount --bind /dev/null /usr/bin/flex && mount --bind /dev/null /usr/bin/bison", "cache",
            [
                "piforge: flex: the program is not installed; it is needed to build the kernel's Kconfig\n"
                    + "  next:     make setup (or: sudo apt-get install flex)\n", "piforge: bison: ",
            ]
        ),
        (
            "mount -t tmpfs -o size=64m none /mnt", "/mnt/cache",
            ["piforge: /mnt/cache: there is not enough room for a kernel's source\n", "expected: 1073.7 MB free"]
        ),
    ])
    func whatTheMachineLacksIsNamed(prepare: String, cache: String, messages: [String]) throws {
        let bench = try Bench()
        _ = try Program.run(["tar", "-czf", "linux.tar.gz", "linux"], directory: bench.root)
        try bench.write(
            "source: {tarball: ../linux.tar.gz, sha256: \(try bench.digest("linux.tar.gz"))}, fragments: [a]")
        let outcome = try Program.run(
            [
                "unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
                "\(prepare) && exec \"$0\" kernel config recipes/small.yaml --cache \(cache)", Program.path.string,
            ], directory: bench.root)
        #expect(outcome.status == 1)
        for message in messages { #expect(outcome.errors.contains(message), "\(outcome.errors)") }
        #expect(!exists(bench.generated))
    }
}
