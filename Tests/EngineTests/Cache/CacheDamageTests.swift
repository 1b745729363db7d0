import XZ
import Diagnostics
import Digests
import Disk
import Engine
import Fetch
import Foundation
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// A bit in any byte of a cache's files: what comes out is the same, and what was damaged is made again.
@Suite struct CacheDamageTests {
    let folder: TemporaryFolder
    let root: FilePath
    private let download = testBytes(3_000, seed: 77)

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-damage")
        root = folder.path.appending("cache")
    }

    /// What a build does with the cache: a download, layers, a tree, a disk, compressed blocks.
    private func build(_ events: Recording) async throws -> [UInt8] {
        let cache = try Cache(root: root).reporting(to: events)
        return try await cache.mending {
            let store = try DownloadStore(cache.store, note: cache.note)
            let file = try store.file(.of(download), size: 3_000, check: .digest) ?? store.add(download)
            var tree = Tree()
            for seed in 0..<2 as Range<UInt64> {
                let key = SHA256Digest.of("layer \(seed)")
                try tree.apply(
                    try cache.layers.layer(key, name: "\(seed)")
                        ?? cache.layers.store(sampleLayer(seed, size: 900), as: key))
            }
            var own = Layer(name: "own")
            own.entries.append(
                Entry(
                    "deb", plain,
                    .regular(Content(size: 3_000, digest: .of(download), source: .file(file.path, offset: 0)))))
            try tree.apply(own)
            let raw = folder.path.appending("raw.tar")
            removeTree(raw)
            try ArchiveWriter(.tar).write(tree, to: raw)
            let out = folder.path.appending("out.xz")
            let settings = try XZSettings(preset: 0, blockSize: 64 << 10)
            _ = try await XZWriter(
                settings: settings, workers: 1, cache: BlockCache(folder: cache.blocks, note: cache.note)
            )
            .write(FileSource(raw), to: out)
            return try readFile(out)
        }
    }

    private func entries() -> [FilePath] {
        ["store/sha256", "layers", "blocks"].flatMap { part -> [FilePath] in
            let folder = root.pushing(FilePath(part))
            return (FileManager.default.enumerator(atPath: folder.string)?.compactMap { $0 as? String } ?? []).sorted()
                .map { folder.pushing(FilePath($0)) }.filter { (try? fileKind($0)) == .regular(runs: false) }
        }.filter { $0.lastComponent?.string.hasPrefix(".") == false }
    }

    @Test func noDamageReachesWhatIsMade() async throws {
        let expected = try await build(Recording())
        let files = entries()
        #expect(files.count >= 4)
        var found = 0
        var tried = 0
        for path in files {
            let whole = try readFile(path)
            let step = max(1, whole.count / 23)
            var positions = Array(stride(from: 0, to: whole.count, by: step))
            // Footers and trailers byte by byte.
            positions += Array(max(0, whole.count - 60)..<whole.count)
            for (index, position) in positions.enumerated() {
                tried += 1
                if index % 4 == 3 {
                    try writeAtomically(to: path, bytes: Array(whole[..<position]))
                } else {
                    try OpenFile.updating(path).write(at: UInt64(position), [whole[position] ^ (1 << (position % 8))])
                }
                let events = Recording()
                let made = try await build(events)
                #expect(made == expected, "byte \(position) of \(path)")
                if !events.notes.isEmpty { found += 1 }
                let mended = try readFile(path)
                if events.notes.isEmpty {
                    // Only bytes that nobody reads may be passed over: the footer's padding.
                    #expect(
                        position >= whole.count - 7 && path.string.hasSuffix(".layer"), "byte \(position) of \(path)")
                    try writeAtomically(to: path, bytes: whole)
                } else {
                    #expect(mended == whole, "byte \(position) of \(path)")
                }
            }
        }
        #expect(found > tried * 9 / 10)
    }

    /// The .xz of a file system whose content stays in the layers.
    ///
    /// - Parameters:
    ///   - text: what is different from build to build.
    ///   - blocks: whether compressed blocks, and digests, are kept.
    private func disk(_ text: String, in root: FilePath, keeping blocks: Bool = true) async throws -> [UInt8] {
        let cache = try Cache(root: root)
        return try await cache.mending {
            var own = Layer(name: "own")
            own.addDirectory(.root, Attributes(mode: 0o755, mtime: Timestamp(seconds: 0)))
            var tree = try Tree([own])
            for seed in 0..<3 as Range<UInt64> {
                let key = SHA256Digest.of("layer \(seed)")
                try tree.apply(
                    try cache.layers.layer(key, name: "\(seed)")
                        ?? cache.layers.store(sampleLayer(seed, size: 90_000), as: key))
            }
            own.addFile("text", plain, text: text)
            try tree.apply(own)
            let path = folder.path.appending("root.ext4")
            removeTree(path)
            let uuid = "70696667-0000-4000-8000-677565737401"
            let source = try await Ext4.compose(
                tree, to: path,
                Ext4Options(size: 16 << 20, label: "x", uuid: uuid, hashSeed: uuid, epoch: 1_700_000_000),
                tools: ToolRunner()
            ).source
            let out = folder.path.appending("out.xz")
            let kept =
                blocks
                ? try BlockCache(folder: cache.blocks, index: DigestIndex(folder: cache.digests), note: cache.note)
                : nil
            _ = try await XZWriter(settings: XZSettings(preset: 0, blockSize: 64 << 10), workers: 2, cache: kept)
                .write(source, to: out, prove: { try source.proveContent(in: $0) })
            return try readFile(out)
        }
    }

    /// Layers, blocks and what is known of compositions: damage in any of them, while something else changes.
    @Test func noDamageReachesADiskOfReferences() async throws {
        let sound = folder.path.appending("sound")
        _ = try await disk("first", in: root)
        var numbers = SplitMix64(seed: 11)
        var parts: Set<String> = []
        for trial in 0..<120 {
            let part = ["layers", "blocks", "digests"][trial % 3]
            let names = fileNames(in: root.appending(part)).filter { !$0.hasPrefix(".") }
            let path = root.appending(part).appending(names[Int(numbers.next() % UInt64(names.count))])
            let file = try OpenFile.updating(path)
            let size = try file.size()
            let position = numbers.next() % size
            if trial % 4 == 0 {
                try file.truncate(to: position)
            } else {
                try file.write(at: position, [try file.bytes(at: position, count: 1)[0] ^ 0x20])
            }
            parts.insert(part)
            // Every other build is the one before once more.
            let text = "trial \(trial / 2)" + String(repeating: "x", count: trial / 2 % 7 * 2000)
            let made = try await disk(text, in: root)
            #expect(try await made == disk(text, in: sound, keeping: false), "\(trial): byte \(position) of \(path)")
        }
        #expect(parts == ["layers", "blocks", "digests"])
    }

    @Test func aLayerThatVanishesWhileItIsUsedIsMadeAgain() async throws {
        let cache = try Cache(root: root)
        var rounds = 0
        let found = try await cache.mending {
            rounds += 1
            let key = SHA256Digest.of("layer")
            let layer = try cache.layers.layer(key, name: "x") ?? cache.layers.store(sampleLayer(5), as: key)
            if rounds == 1 { removeTree(cache.layers.path(of: key)) }
            return try contents(of: layer)
        }
        #expect(rounds == 2)
        #expect(try found == contents(of: sampleLayer(5)))
    }

    @Test func damageThatStaysIsAnError() async throws {
        let cache = try Cache(root: root)
        let key = SHA256Digest.of("layer")
        let failure = await failure {
            _ = try await cache.mending {
                let layer = try cache.layers.layer(key, name: "x") ?? cache.layers.store(sampleLayer(5), as: key)
                try OpenFile.updating(cache.layers.path(of: key)).write(at: 10, [1, 2, 3, 4, 5])
                return try contents(of: layer)
            }
        }
        #expect(failure?.message == "what the file holds has changed")
        #expect(failure?.place == cache.layers.path(of: key).string)
    }

    /// A file of the user's that changes under a build is his affair: an error that names it.
    @Test func aFileOfTheHostThatChangesIsNamed() async throws {
        let cache = try Cache(root: root)
        let path = folder.path.appending("overlay-file")
        try writeAtomically(to: path, bytes: Array("after".utf8))
        let content = Content(size: 5, digest: .of("before"), source: .file(path, offset: 0))
        let failure = await failure {
            _ = try await cache.mending { try ContentReader().bytes(of: content) }
        }
        #expect(
            failure?.description == """
                \(path): what the file holds has changed
                  expected: SHA-256 \(SHA256Digest.of("before").hex)
                  found:    SHA-256 \(SHA256Digest.of("after").hex)
                """)
        #expect(exists(path))
    }

    @Test func aLayerFileThatPointsOutsideOfItselfIsNoLayer() throws {
        let store = try LayerStore(folder: folder.path.appending("layers"))
        let key = SHA256Digest.of("crafted")
        _ = try store.store(sampleLayer(1), as: key)
        // The same index and footer, and less content before them.
        let whole = try readFile(store.path(of: key))
        try writeAtomically(to: store.path(of: key), bytes: Array(whole.dropFirst(3_000)))
        let found = try store.layer(key, name: "crafted")
        #expect(found == nil)
        #expect(!exists(store.path(of: key)))
    }
}

/// What of a disk may leave the machine.
@Suite struct OwnContentTests {
    private let secrets = [
        "root:$y$j9T$secret-of-root$0123:1:0:99999:7:::\n", "psk=0123456789abcdef-of-the-wireless\n",
        String(repeating: "a long private file, line after line\n", count: 900),
    ]

    private func tree() throws -> (packages: Tree, all: Tree) {
        var packages = try Tree((0..<6).map { sampleLayer($0, size: 90_000) })
        var shadow = Layer(name: "shadow")
        shadow.entries.append(Entry("etc/shadow", plain, .regular(Content("root:*:::::::\n"))))
        try packages.apply(shadow)
        var own = Layer(name: "own")
        for (path, text) in zip(["etc/shadow", "etc/wifi.conf", "home/notes"], secrets) {
            own.addFile(try EntryPath(validating: path), plain, text: text)
        }
        // The same bytes as a package's are nobody's secret.
        own.entries.append(Entry("boot/copy", plain, .regular(Content(testBytes(90_000, seed: 0)))))
        var all = packages
        try all.apply(own)
        return (packages, all)
    }

    private func check(_ disk: FilePath) throws {
        let (packages, all) = try tree()
        let own = try OwnContent(of: all, above: packages)
        let bytes = try readFile(disk, limit: 256 << 20)
        let size = 64 << 10
        var shared = 0
        var kept = 0
        for start in stride(from: 0, to: bytes.count, by: size) {
            let block = Array(bytes[start..<min(start + size, bytes.count)])
            guard block.contains(where: { $0 != 0 }) else { continue }
            guard own.isAbsent(from: block) else {
                kept += 1
                continue
            }
            shared += 1
            let text = String(decoding: block, as: UTF8.self)
            for secret in ["secret-of-root", "of-the-wireless", "a long private file"] {
                #expect(!text.contains(secret), "at \(start)")
            }
        }
        #expect(kept > 0)
        #expect(kept <= 4, "\(kept) of \(kept + shared)")
        #expect(shared > 8)
    }

    @Test func noBlockOfAnExt4WithASecretIsPublic() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-own")
        let path = folder.path.appending("root.ext4")
        let uuid = "70696667-0000-4000-8000-677565737401"
        let all = try tree().all
        _ = try await Ext4.write(
            all, to: path,
            Ext4Options(
                size: Ext4.minimumSize(of: all, freeBytes: 4 << 20), label: "x", uuid: uuid, hashSeed: uuid,
                epoch: 1_700_000_000),
            tools: ToolRunner())
        try check(path)
    }

    @Test func noBlockOfAFATWithASecretIsPublic() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-own")
        let path = folder.path.appending("boot.fat")
        try await FAT.write(
            try tree().all, to: path, size: 64 << 20, label: "BOOT", volumeID: 1, epoch: 1_700_000_000,
            tools: ToolRunner())
        try check(path)
    }
}
