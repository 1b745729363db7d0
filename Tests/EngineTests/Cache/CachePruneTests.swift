import Diagnostics
import Digests
import Engine
import Foundation
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing

/// A cache of files whose time of use the test sets.
@Suite struct CachePruneTests {
    let folder: TemporaryFolder
    let root: FilePath
    private let now: Int64 = 1_700_000_000
    private let day: Int64 = 86_400

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-prune")
        root = folder.path.appending("cache")
    }

    /// Writes an entry that was last used so many days ago.
    @discardableResult
    private func entry(_ name: String, days: Int64, size: Int = 8192) throws -> FilePath {
        let path = root.pushing(FilePath(name))
        try writeAtomically(to: path, bytes: testBytes(size, seed: 3))
        setUse(path, Int(now - days * day))
        return path
    }

    private func fill() throws {
        try entry("layers/a.layer", days: 1)
        try entry("layers/b.layer", days: 20)
        try entry("blocks/c.xzblock", days: 3)
        try entry("store/sha256/ab/abcd", days: 40)
        try entry("apt/0123/lists/index", days: 50)
        try entry("python/kconfiglib/bin/python", days: 60)
        setUse(root.appending("python/kconfiglib"), Int(now - 60 * day))
        setUse(root.appending("apt"), Int(now - 50 * day))
    }

    private var left: [String] {
        ["layers/a.layer", "layers/b.layer", "blocks/c.xzblock", "store/sha256/ab/abcd", "apt", "python/kconfiglib"]
            .filter { exists(root.pushing(FilePath($0))) }
    }

    private func prune(_ change: (inout CachePrune) -> Void) throws -> CachePrune.Report {
        var prune = CachePrune()
        change(&prune)
        return try prune.run(root, now: now)
    }

    @Test func inventoryCountsWhatIsKeptAndWhenItWasUsed() throws {
        try fill()
        // Gates, partial files and work folders are no entries.
        try entry("layers/.gate", days: 0)
        try entry("layers/.x.layer.0.partial", days: 0)
        try entry("python/venv.0.work/file", days: 0)
        let usage = CacheInventory(root).usage
        let names = "store apt layers blocks digests plans kernels kernel-work ccache proofs python"
        #expect(usage.map(\.part) == names.split(separator: " ").map(String.init))
        #expect(usage.map(\.entries) == [1, 1, 2, 1, 0, 0, 0, 0, 0, 0, 1])
        let layers = try #require(usage.first { $0.part == "layers" })
        #expect(layers.bytes == 16384)
        #expect(layers.lastUsed == now - day)
        #expect(usage.first { $0.part == "plans" }?.lastUsed == nil)
        let judged = Process()
        let output = Pipe()
        judged.executableURL = URL(fileURLWithPath: "/usr/bin/du")
        judged.arguments = [
            "-k", "-c", "--exclude=*.partial", "--exclude=.gate", root.pushing("layers/a.layer").string,
            root.pushing("layers/b.layer").string,
        ]
        judged.standardOutput = output
        try judged.run()
        let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        #expect(text.split(separator: "\n").last?.hasPrefix("16\t") == true)
    }

    @Test func whatIsOldGoes() throws {
        try fill()
        let report = try prune { $0.olderThan = 30 * day }
        #expect(left == ["layers/a.layer", "layers/b.layer", "blocks/c.xzblock"])
        #expect(report.removed.map(\.part) == ["store", "apt", "python"])
        #expect(report.keptEntries == 3)
        #expect(report.sparedEntries == 0)
    }

    @Test func theLeastRecentlyUsedGoUntilTheSizeIsReached() throws {
        try fill()
        // Six entries of 8 KiB and the folders' own blocks: three files stay, the youngest.
        _ = try prune { $0.maxSize = 24 << 10 }
        #expect(left == ["layers/a.layer", "layers/b.layer", "blocks/c.xzblock"])
        _ = try prune { $0.maxSize = 8 << 10 }
        #expect(left == ["layers/a.layer"])
    }

    @Test func aDryRunRemovesNothing() throws {
        try fill()
        let report = try prune {
            $0.all = true
            $0.isDryRun = true
        }
        #expect(report.removedEntries == 6)
        #expect(left.count == 6)
        #expect(report.text.hasPrefix("would remove 6 entries, "))
        _ = try prune { $0.all = true }
        #expect(left.isEmpty)
        #expect(CacheInventory(root).total.bytes == 0)
    }

    @Test func anAbsentCacheIsNoError() throws {
        #expect(try prune { $0.all = true }.removedEntries == 0)
        #expect(!exists(root))
    }

    @Test func besideARunningCommandWhatItUsesStays() throws {
        let cache = try Cache(root: root)
        let used = SHA256Digest.of("used")
        let unused = SHA256Digest.of("unused")
        _ = try cache.layers.store(sampleLayer(1), as: used)
        _ = try cache.layers.store(sampleLayer(2), as: unused)
        for key in [used, unused] { setUse(cache.layers.path(of: key), Int(now - 50 * day)) }
        try fill()
        let layer = try #require(try cache.layers.layer(used, name: "used"))
        let report = try CachePrune.everything.run(root, now: now)
        #expect(exists(cache.layers.path(of: used)))
        #expect(!exists(cache.layers.path(of: unused)))
        #expect(try contents(of: layer) == contents(of: sampleLayer(1)))
        // What is read by other programs as a folder stays whole.
        #expect(left == ["apt", "python/kconfiglib"])
        #expect(report.sparedEntries == 3)
        withExtendedLifetime(cache) {}
    }

    @Test func afterTheCommandHasEndedItGoes() throws {
        do { _ = try Cache(root: root) }
        try fill()
        #expect(fileNames(in: root.appending("work")) == [])
        _ = try prune { $0.all = true }
        #expect(left.isEmpty)
    }

    @Test(
        arguments: [
            ("14d", 1_209_600), ("14", 1_209_600), ("12h", 43_200), ("30m", 1_800), ("2w", 1_209_600), ("0", 0),
            ("", nil), ("d", nil), ("-1d", nil), ("1y", nil), ("1.5d", nil), ("99999999999999999d", nil),
        ] as [(String, Int64?)])
    func agesAreParsed(_ text: String, _ seconds: Int64?) { #expect(CachePrune.age(text) == seconds) }
}

extension CachePrune {
    static var everything: CachePrune {
        var prune = CachePrune()
        prune.all = true
        return prune
    }
}
