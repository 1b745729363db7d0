import Digests
import Engine
import Foundation
import Layers
import Storage
import SystemPackage
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// Real processes that write the same cache at once, and that are killed.
@Suite(.serialized) struct KilledProcessTests {
    let folder: TemporaryFolder
    let root: FilePath

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-killed")
        root = folder.path.appending("cache")
    }

    private var layers: FilePath { root.appending("layers") }

    private func writer(count: Int, size: Int) throws -> Child {
        try Child([Built.path("CacheWriter"), layers.string, String(count), String(size)])
    }

    /// Opens every layer under a final name and reads it whole.
    private func checkAll() throws -> Int {
        let store = try LayerStore(folder: layers)
        var found = 0
        for number in 0..<200 {
            guard exists(store.path(of: .of("layer \(number)"))) else { continue }
            found += 1
            let layer = try #require(try store.layer(.of("layer \(number)"), name: ""), "layer \(number) is not whole")
            let parts = try contents(of: layer)
            #expect(parts.count == 4)
            for (index, part) in parts.enumerated() {
                #expect(part.starts(with: Array("layer \(number) part \(index)\n".utf8)))
            }
        }
        return found
    }

    @Test func killedWritersLeaveNoHalfEntry() throws {
        do { _ = try Cache(root: root) }
        var total = 0
        for round in 0..<12 {
            let child = try writer(count: 200, size: 3 << 20)
            child.waitForOutput()
            usleep(UInt32(5_000 + round * 13_777))
            child.killed()
            let found = try checkAll()
            total += found
            // What it had half done is no entry, and goes with the next command.
            do { _ = try Cache(root: root) }
            #expect(fileNames(in: layers).allSatisfy { $0.hasSuffix(".layer") || $0 == ".gate" })
            if round % 4 == 3 { removeTree(layers) }
        }
        #expect(total > 0)
    }

    @Test func writersOfTheSameKeysDoNotHarmEachOther() throws {
        try createFolder(layers)
        let children = try (0..<3).map { _ in try writer(count: 40, size: 400_000) }
        // Commands that clear up beside them must leave what is under way.
        for _ in 0..<20 {
            removeAbandonedPartials(in: layers)
            usleep(10_000)
        }
        for child in children { #expect(child.end() == 0) }
        #expect(try checkAll() == 40)
        #expect(!fileNames(in: layers).contains { $0.hasSuffix(".partial") })
    }

    /// The command waits for a server that sends nothing; the kernel lets go of what it holds.
    @Test func aKilledCommandHoldsTheCacheNoLonger() async throws {
        let server = try await SharedServer { _, _ in .stall }
        let child = try Child([
            Built.path("piforge"), "get", "\(server.base)/file", "--cache", root.string,
        ])
        server.waitForRequest()
        let entry = root.appending("python").appending("x")
        try writeAtomically(to: entry.appending("file"), bytes: [1])
        #expect(try CachePrune.everything.run(root, now: 2_000_000_000).sparedEntries > 0)
        #expect(fileNames(in: root.appending("work")).count == 1)
        child.killed()
        #expect(try CachePrune.everything.run(root, now: 2_000_000_000).sparedEntries == 0)
        #expect(fileNames(in: root.appending("work")) == [])
        #expect(!exists(entry))
    }

    @Test func aWorkFolderInUseIsLeftAloneWhateverItsProcess() throws {
        let held = try TemporaryFolder(in: root, name: "held")
        // As a killed process leaves it, in a container where other processes bear its id.
        try createFolder(root.appending("dead.0123456789abcdef.work"))
        try createFolder(root.appending("kept"))
        TemporaryFolder.removeAbandoned(in: root)
        #expect(fileNames(in: root) == [held.path.lastComponent?.string, "kept"].compactMap(\.self).sorted())
    }
}
