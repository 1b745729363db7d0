import Diagnostics
import Foundation
import Kernel
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// The part of a source that Kconfig reads, out of archives and folders; and patches of it.
@Suite struct KconfigTreeTests {
    /// An archive of a small tree: `prepare` may change the folder `linux-6.12.9` before it is packed.
    private func extract(
        _ arguments: [String] = ["linux-6.12.9"], also: Set<EntryPath> = [],
        prepare: (FilePath) throws -> Void = { _ in }
    ) async throws -> Layer {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-tree")
        let root = folder.path.appending("linux-6.12.9")
        try SmallKernel.write(to: root)
        try prepare(root)
        let archive = folder.path.appending("linux.tar.xz")
        try await ToolRunner().run(
            Judge.tar, ["-cJf", archive.string] + arguments, directory: folder.path, place: "tar")
        let file = try OpenFile.reading(archive)
        let size = try file.size()
        let store = try LayerStore(folder: folder.path.appending("layers"))
        let layer = try store.layer(.of("x"), name: "x") { writer in
            try KconfigTree.extract(
                file, range: 0..<size, compression: .xz, also: also, strips: true, place: "linux.tar.xz", into: writer)
        }
        // Content at hand, since the folder goes.
        var whole = Layer(name: "x")
        whole.entries = try layer.entries.map { entry in
            guard case .regular(let content) = entry.kind else { return entry }
            return Entry(entry.path, entry.attributes, .regular(Content(try ContentReader().bytes(of: content))))
        }
        return whole
    }

    private static let part = [
        "Kbuild", "Kconfig", "Makefile", "arch/arm64/Kconfig", "arch/arm64/configs/defconfig", "arch/x86/Kconfig",
        "drivers/net/Kconfig.debug", "scripts/kconfig/Makefile",
    ]

    private func paths(_ layer: Layer) -> [String] {
        layer.entries.map { String($0.path.description.dropFirst()) }.sorted()
    }

    @Test func anArchivesPartIsWhatKconfigReads() async throws {
        #expect(paths(try await extract()) == Self.part)
        #expect(paths(try await extract(also: ["init/main.c"])) == (Self.part + ["init/main.c"]).sorted())
    }

    @Test func aFoldersPartIsTheSameAndTheFolderIsNotTouched() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-tree")
        try SmallKernel.write(to: folder.path)
        try FileManager.default.createSymbolicLink(
            atPath: folder.path.appending("scripts/link").string, withDestinationPath: "/etc/passwd")
        let before = try FileManager.default.subpathsOfDirectory(atPath: folder.path.string).sorted()
        let layer = try KconfigTree.copy(folder.path, also: [])
        #expect(paths(layer) == Self.part)
        let other = try TemporaryFolder(in: "/tmp", name: "piforge-tree")
        try KconfigTree.write(layer, to: other.path)
        let tree = try KconfigTree(root: other.path, place: "copy")
        #expect(tree.version == KernelVersion("6.12.9"))
        #expect(tree.defconfigs == ["defconfig"])
        let symbols = try tree.symbols()
        #expect(symbols.isSuperset(of: ["ARM64", "VHOST_VSOCK", "PAGES_64K"]))
        #expect(!symbols.contains("X86"))
        #expect(try FileManager.default.subpathsOfDirectory(atPath: folder.path.string).sorted() == before)
    }

    @Test func whatIsNoKernelIsRefused() async throws {
        let nothing = await failure { try await extract(["linux-6.12.9/init"]) }
        #expect(nothing?.message == "this is no source of a Linux kernel")
        let climbing = await failure {
            try await extract(["--transform", "s,/Kbuild,/../../Kbuild,", "linux-6.12.9"])
        }
        #expect(climbing?.message == "the path climbs out with '..'")
        let two = await failure {
            try await extract(["--transform", "s,^linux-6.12.9/scripts,other/scripts,", "linux-6.12.9"])
        }
        #expect(two?.message == "the archive's files do not all lie in one folder")
        for (left, message) in [
            ("Kconfig", "this is no source of a Linux kernel"), ("arch/arm64/Kconfig", "this kernel knows no arm64"),
        ] {
            let folder = try TemporaryFolder(in: "/tmp", name: "piforge-tree")
            try SmallKernel.write(to: folder.path, without: [left])
            let failure = failure { try KconfigTree(root: folder.path, place: "small") }
            #expect(failure?.message == message)
            #expect(failure?.place == "small")
        }
    }

    // MARK: Patches

    private static let patch = """
        --- a/Kbuild
        +++ b/Kbuild
        @@ -1 +1,2 @@
         obj-y += init/
        +obj-y += more/
        --- /dev/null
        +++ b/drivers/new/Kconfig
        @@ -0,0 +1 @@
        +config NEW

        """

    private func apply(_ text: String) async throws -> FilePath {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-patch")
        try SmallKernel.write(to: folder.path)
        try await KernelPatch(Array(text.utf8), name: "0001-x.patch").apply(to: folder.path)
        #expect(
            try String(decoding: readFile(folder.path.appending("Kbuild")), as: UTF8.self)
                == "obj-y += init/\nobj-y += more/\n")
        #expect(
            try String(decoding: readFile(folder.path.appending("drivers/new/Kconfig")), as: UTF8.self)
                == "config NEW\n")
        #expect(!exists(folder.path.appending("Kbuild.orig")))
        return folder.path
    }

    @Test func aPatchChangesTheFilesThatItNames() async throws {
        let patch = KernelPatch(Array(Self.patch.utf8), name: "x")
        #expect(try patch.files() == ["Kbuild", "drivers/new/Kconfig"])
        _ = try await apply(Self.patch)
    }

    @Test(arguments: [
        (
            patch.replacing(" obj-y += init/", with: " obj-y += other/"), "the patch does not apply",
            "Kbuild: Hunk #1 FAILED at 1"
        ),
        ("only words\n", "this is no patch: it changes no file", nil),
        (patch.replacing("b/Kbuild", with: "b/../../Kbuild"), "the path climbs out with '..'", nil),
    ])
    func aPatchThatDoesNotApplyNamesItsHunk(text: String, message: String, found: String?) async throws {
        let failure = await failure { _ = try await apply(text) }
        #expect(failure?.message == message)
        #expect(failure?.found == found)
    }
}
