import Diagnostics
import Digests
import Engine
import Foundation
import Recipe
import Storage
import SystemPackage

/// A stand-in for a kernel: a source whose make configures, compiles two files slowly where it is told to, and packages, as a
/// kernel's does, but without a compiler.
struct KernelBench {
    let folder: TemporaryFolder
    var root: FilePath { folder.path }
    var source: FilePath { root.appending("linux") }
    var output: FilePath { root.appending("out") }
    var cache: FilePath { root.appending("cache") }

    /// `all` makes two objects where they are not there; each writes a line to compiled.txt beside the bench.
    private static let makefile = """
        VERSION = 6
        PATCHLEVEL = 12
        SUBLEVEL = 9
        O ?= .
        olddefconfig:
        \t@cat $(O)/.config >$(O)/.new && mv $(O)/.new $(O)/.config
        all: init/main.o init/slow.o
        \t@mkdir -p include/config && echo "6.12.9$(LOCALVERSION)" >include/config/kernel.release
        init/%.o: init/%.c
        \t@echo "  CC      $@"
        \t@sh $< && touch $@
        P = debian/p
        R = 6.12.9$(LOCALVERSION)
        bindeb-pkg:
        \t@rm -rf $(P); mkdir -p $(P)/DEBIAN $(P)/boot $(P)/lib/modules/$(R)
        \t@{ head -c 56 /dev/zero; printf 'ARM\\144'; head -c 100 /dev/zero; } >$(P)/boot/vmlinuz-$(R)
        \t@cp .config $(P)/boot/config-$(R); echo map >$(P)/boot/System.map-$(R); echo dep >$(P)/lib/modules/$(R)/modules.dep
        \t@printf 'Package: linux-image-$(R)\\nVersion: $(KDEB_PKGVERSION)\\nArchitecture: arm64\\nMaintainer: x\\nDescription: $(KBUILD_BUILD_TIMESTAMP)\\n' >$(P)/DEBIAN/control
        \t@date -R >$(P)/boot/date
        \t@dpkg-deb --root-owner-group -Znone --build $(P) ../linux-image-$(R)_$(KDEB_PKGVERSION)_arm64.deb >/dev/null

        """

    init(defconfig: String = "CONFIG_MODULES=y\n") throws {
        folder = try TemporaryFolder(in: "/var/tmp", name: "piforge-kernel-build")
        for (path, text) in [
            ("linux/Makefile", Self.makefile), ("linux/Kconfig", "config KVM\n\tbool \"KVM\"\n"),
            ("linux/arch/arm64/Kconfig", "config ARM64\n\tdef_bool y\n"),
            ("linux/arch/arm64/configs/defconfig", defconfig),
            ("linux/scripts/kconfig/Makefile", "\n"), ("linux/init/main.c", "echo main >>\(root)/compiled.txt\n"),
            ("linux/init/slow.c", "echo slow >>\(root)/compiled.txt\n"), ("kernel-configs/a.config", "CONFIG_KVM=y\n"),
        ] { try writeAtomically(to: root.pushing(FilePath(path)), bytes: Array(text.utf8)) }
        try write("source: {tree: ../linux}, fragments: [a]")
    }

    func write(_ kernel: String, epoch: String = "2026-01-01") throws {
        let text = """
            name: small
            epoch: \(epoch)
            base: {debian: trixie}
            packages: {install: [openssh-server, sudo]}
            kernel: {\(kernel)}

            """
        try writeAtomically(to: root.pushing("recipes/small.yaml"), bytes: Array(text.utf8))
    }

    func write(file: String, _ text: String) throws {
        try writeAtomically(to: root.pushing(FilePath(file)), bytes: Array(text.utf8))
    }

    /// The files that were compiled until now.
    var compiled: [String] {
        let bytes = (try? readFile(root.appending("compiled.txt"))) ?? []
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }

    func builder(cache: FilePath? = nil, output: FilePath? = nil, jobs: Int = 2) throws -> ImageBuilder {
        let file = root.pushing("recipes/small.yaml")
        return ImageBuilder(
            recipe: try Recipe.load(path: file),
            options: BuildOptions(
                recipePath: file, output: output ?? self.output, offline: true, jobs: jobs, environment: [:]),
            cache: try Cache(root: cache ?? self.cache), progress: SilentProgress())
    }

    func digest(_ path: String) throws -> String { SHA256Digest.of(try readFile(root.pushing(FilePath(path)))).hex }
}
