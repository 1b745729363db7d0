import Digests
import Layers
import Storage
import SystemPackage
import Testing

@Suite struct LayerStoreTests {
    @Test func storedLayerComesBackWhole() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-layers")
        let store = try LayerStore(folder: folder.path)
        let attributes = Attributes(
            mode: 0o4755, uid: 1, gid: 2, mtime: Timestamp(seconds: -5, nanoseconds: 7),
            xattrs: [ExtendedAttribute(name: "security.capability", value: [1, 2, 3])])
        let entries = [
            Entry("bin/ping", attributes, .regular(Content("elf"))),
            Entry("bin/ping6", attributes, .hardLink("bin/ping")),
            Entry("dev/null", attributes, .characterDevice(major: 1, minor: 3)),
            Entry("link", attributes, .symlink([0xff, 0x2f])), Entry("run", attributes, .fifo),
        ]
        let key = SHA256Digest.of("key")
        var made = 0
        for _ in 0..<2 {
            let layer = try store.layer(key, name: "x") { writer in
                made += 1
                for entry in entries { try writer.add(entry) }
                writer.addWhiteout("gone")
            }
            #expect(layer.entries == entries)
            #expect(layer.whiteouts == ["gone"])
            guard case .regular(let content) = layer.entries[0].kind else { return }
            #expect(try ContentReader().text(of: content) == "elf")
        }
        #expect(made == 1)
    }

    @Test func damagedLayerIsMadeAgain() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-layers")
        let store = try LayerStore(folder: folder.path)
        let key = SHA256Digest.of("key")
        func make() throws -> Layer {
            try store.layer(key, name: "x") {
                try $0.add(
                    Entry("a", Attributes(mode: 0o644, mtime: Timestamp(seconds: 0)), .regular(Content("content"))))
            }
        }
        let first = try make()
        let file = try OpenFile.updating(store.path(of: key))
        try file.write(at: 9, [0xff])
        #expect(try make().digest == first.digest)
    }

    @Test func failedLayerLeavesNothing() throws {
        struct Stop: Error {}
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-layers")
        let store = try LayerStore(folder: folder.path)
        #expect(throws: Stop.self) {
            try store.layer(.of("key"), name: "x") { _ in throw Stop() }
        }
        let stored = try store.layer(.of("key"), name: "x")
        #expect(stored?.entries == nil)
    }
}
