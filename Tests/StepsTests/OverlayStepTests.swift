import Diagnostics
import Layers
import Steps
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite struct OverlayStepTests {
    @Test func modesOfTheHostCountOnlyAsMayBeRun() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-overlay")
        try writeAtomically(to: folder.path.appending("etc").appending("b.conf"), mode: 0o600, bytes: [1])
        try writeAtomically(to: folder.path.appending("usr").appending("run.sh"), mode: 0o711, bytes: [2])
        let layer = try OverlayStep(folder: folder.path, target: .root).apply(to: Tree(), epoch: epoch)
        #expect(layer.entries.map(\.path) == ["etc", "etc/b.conf", "usr", "usr/run.sh"])
        #expect(layer.entries.map(\.attributes.mode) == [0o755, 0o644, 0o755, 0o755])
        #expect(layer.entries.allSatisfy { $0.attributes.uid == 0 && $0.attributes.mtime.seconds == epoch })
    }

    /// Decision 007: paths are bytes.
    @Test func namesNeedNotBeText() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-overlay")
        let latin: [UInt8] = Array("caf".utf8) + [0xe9]
        // The same letter in two forms, which are one string to Swift and two files on a disk.
        let (composed, decomposed) = (Array("\u{e9}".utf8), Array("e\u{301}".utf8))
        for name in [latin, composed, decomposed] {
            let place = folder.path.appending(name: name)
            #expect(place.withPlatformString { mkdir($0, 0o755) } == 0)
            let file = try FileDescriptor.open(
                place.appending(name: latin), .writeOnly, options: .create, permissions: [.ownerReadWrite])
            _ = try file.closeAfter { try file.writeAll([7]) }
        }
        let layer = try OverlayStep(folder: folder.path, target: "srv").apply(to: Tree(), epoch: epoch)
        let root: EntryPath = "srv"
        #expect(
            layer.entries.map(\.path)
                == [latin, composed, decomposed].sorted { $0.lexicographicallyPrecedes($1) }.flatMap {
                    [root.appending($0), root.appending($0).appending(latin)]
                })
        for entry in layer.entries {
            if case .regular(let content) = entry.kind { #expect(try ContentReader().bytes(of: content) == [7]) }
        }
    }

    @Test func missingFolderIsNamed() {
        let error = failure { try OverlayStep(folder: "/nonexistent/overlay", target: .root) }
        #expect(
            error?.description
                == "/nonexistent/overlay: the overlay's folder cannot be read: no such file or directory")
        #expect(error?.exitCode == 2)
    }

    /// A tree with a merged /usr, /tmp, and a person with a home of mode 0700.
    private func tree() throws -> Tree {
        func folder(_ path: EntryPath, _ mode: UInt16, uid: UInt32 = 0) -> Entry {
            Entry(path, Attributes(mode: mode, uid: uid, gid: uid, mtime: Timestamp(seconds: 7)), .directory)
        }
        func file(_ path: EntryPath, _ text: String) -> Entry {
            Entry(path, Attributes(mode: 0o644, mtime: Timestamp(seconds: 7)), .regular(Content(text)))
        }
        return try Tree([
            Layer(
                name: "tree",
                entries: [
                    file("etc/passwd", "root:x:0:0::/root:/bin/sh\npi:x:1000:1000::/home/pi:/bin/sh\n"),
                    folder("home/pi", 0o700, uid: 1000), folder("tmp", 0o1777), folder("usr/lib", 0o755),
                    file("usr/lib/libc.so", "elf"), folder("etc/ssh", 0o755), file("etc/ssh/sshd_config", "x"),
                    file("etc/hostname", "pi"),
                    Entry(
                        "lib", Attributes(mode: 0o777, mtime: Timestamp(seconds: 7)), .symlink(Array("usr/lib".utf8))),
                ])
        ])
    }

    private func overlay(
        _ files: [String], links: [String: String] = [:], modes: [EntryPath: UInt16] = [:], replaced: [EntryPath] = []
    ) throws -> (folder: TemporaryFolder, step: OverlayStep) {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-overlay")
        for name in files {
            let path = folder.path.pushing(FilePath(name))
            if name.hasSuffix("/") {
                try createFolder(path)
            } else {
                try createFolder(path.removingLastComponent())
                try writeAtomically(to: path, bytes: [1])
            }
        }
        for (name, target) in links {
            try #require(symlink(target, folder.path.pushing(FilePath(name)).string) == 0)
        }
        return (folder, try OverlayStep(folder: folder.path, target: .root, modes: modes, replaced: replaced))
    }

    @Test func foldersThatAreThereKeepWhatTheyHave() throws {
        let tree = try tree()
        let (folder, step) = try overlay(["home/pi/x", "tmp/x", "etc/ssh/more.conf", "lib/udev/x"])
        defer { withExtendedLifetime(folder) {} }
        let result = try tree.with(step.apply(to: tree, epoch: epoch))
        for path in ["home/pi", "tmp", "etc/ssh", "usr/lib", "lib"] as [EntryPath] {
            #expect(result[path]?.attributes == tree[path]?.attributes, "\(path)")
        }
        #expect(result["home/pi/x"]?.attributes.uid == 0)
        // Through the link, as the packages' own files go.
        #expect(result["usr/lib/udev/x"] != nil)
        #expect(result["lib"]?.kind == .symlink(Array("usr/lib".utf8)))
    }

    @Test func newFoldersInAHomeBelongToItsOwnerAndModesSayOtherwise() throws {
        let tree = try tree()
        let (folder, step) = try overlay(
            ["home/pi/.config/app/x", "srv/new/x"], modes: ["home/pi": 0o750, "home/pi/.config": 0o700])
        defer { withExtendedLifetime(folder) {} }
        let result = try tree.with(step.apply(to: tree, epoch: epoch))
        #expect(result["home/pi"]?.attributes.mode == 0o750)
        #expect(result["home/pi"]?.attributes.uid == 1000)
        for (path, mode) in [("home/pi/.config", 0o700), ("home/pi/.config/app", 0o755)] as [(EntryPath, UInt16)] {
            #expect(result[path]?.attributes.uid == 1000 && result[path]?.attributes.gid == 1000)
            #expect(result[path]?.attributes.mode == mode)
        }
        #expect(result["srv/new"]?.attributes.uid == 0)
    }

    @Test func aFolderOfTheImageIsNotReplacedUnasked() throws {
        let tree = try tree()
        func refused(_ files: [String], links: [String: String] = [:]) throws -> String {
            let (folder, step) = try overlay(files, links: links)
            defer { withExtendedLifetime(folder) {} }
            let error = failure { try step.apply(to: tree, epoch: epoch) }
            let name = folder.path.lastComponent?.string ?? ""
            return error?.description.replacing("\(name)/", with: "") ?? ""
        }
        #expect(
            try refused(["etc/ssh"]) == """
                etc/ssh: the overlay would put a file or a link in place of the folder /etc/ssh
                  expected: what is there, or the overlay's word that it is to go
                  found:    a folder with 1 files and folders: /etc/ssh/sshd_config
                  next:     take it out of the overlay, or add replace: [etc/ssh]
                """)
        let link = try refused([], links: ["lib": "opt/lib"])
        #expect(link.contains("in place of the folder /lib"), "\(link)")
        #expect(link.contains("a link to the folder /usr/lib with 1 files and folders: /usr/lib/libc.so"), "\(link)")
        #expect(
            try refused(["etc/hostname/x"]) == """
                etc/hostname: the overlay would put a folder in place of the file /etc/hostname
                  expected: what is there, or the overlay's word that it is to go
                  found:    a file of the tree
                  next:     take it out of the overlay, or add replace: [etc/hostname]
                """)
        // The same link is no change, and a file may take a file's place.
        let (same, step) = try overlay(["etc/hostname"], links: ["lib": "usr/lib"])
        defer { withExtendedLifetime(same) {} }
        #expect(try tree.with(step.apply(to: tree, epoch: epoch))["usr/lib/libc.so"] != nil)
    }

    @Test func whatTheRecipeSaysIsToGoGoes() throws {
        let tree = try tree()
        let (folder, step) = try overlay(["etc/ssh"], replaced: ["etc/ssh"])
        defer { withExtendedLifetime(folder) {} }
        let result = try tree.with(step.apply(to: tree, epoch: epoch))
        #expect(result["etc/ssh/sshd_config"] == nil)
        #expect(try result.text("etc/ssh") == "\u{1}")
        let error = failure { _ = try overlay(["etc/x"], replaced: ["etc/ssh"]) }
        #expect(error?.message == "the overlay has no /etc/ssh, which is to replace something")
        // What it replaces is an input of its own.
        let (other, plain) = try overlay(["etc/ssh"])
        defer { withExtendedLifetime(other) {} }
        #expect(step.inputs.count == 2 && plain.inputs.count == 1)
    }
}

#if canImport(Glibc)
    import Glibc
#endif
