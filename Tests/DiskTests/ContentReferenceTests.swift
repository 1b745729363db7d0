import Diagnostics
import Digests
import Disk
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

@Suite struct ContentReferenceTests {
    let folder: TemporaryFolder
    var written: FilePath { folder.path.appending("written.ext4") }
    var metadata: FilePath { folder.path.appending("metadata.ext4") }
    var host: FilePath { folder.path.appending("host.bin") }

    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "piforge-reference") }

    /// Every kind of inode; files of the host with holes at the beginning, in the middle and at the end, and zeros too short for one.
    private func tree() throws -> Tree {
        let block = compressibleBytes(4096, seed: 3)
        func zeros(_ blocks: Int) -> [UInt8] { [UInt8](repeating: 0, count: blocks * 4096) }
        let contents = [
            zeros(16) + block + zeros(15) + block + zeros(17) + block + [1, 2, 3], block + zeros(20) + [0, 0],
            zeros(15) + [9], zeros(40), compressibleBytes(3 << 20, seed: 4),
        ]
        var layer = Layer(name: "host")
        var all: [UInt8] = []
        for (number, bytes) in contents.enumerated() {
            // Nobody has looked for zeros in half of them.
            let known = Content(bytes)
            layer.entries.append(
                Entry(
                    try EntryPath(validating: "host-\(number)"), attributes(),
                    .regular(
                        Content(
                            size: known.size, digest: known.digest, source: .file(host, offset: UInt64(all.count)),
                            zeros: number % 2 == 0 ? known.zeros : nil))))
            all += bytes
        }
        try writeAtomically(to: host, bytes: all)
        var tree = try everyKindOfInode()
        try tree.apply(layer)
        return tree
    }

    @Test func theBytesAreThoseOfAFileSystemThatIsWritten() async throws {
        let tree = try tree()
        try await Ext4.write(tree, to: written, ext4Options(), tools: ToolRunner())
        let composed = try await Ext4.compose(tree, to: metadata, ext4Options(), tools: ToolRunner())
        let copy = folder.path.appending("copy.ext4")
        try composed.source.write(to: copy)
        #expect(try readFile(copy) == readFile(written))
        // Read in pieces that end nowhere in particular.
        var bytes: [UInt8] = []
        var position: UInt64 = 0
        while position < composed.source.size {
            var piece = [UInt8](repeating: 0xff, count: Int(min(70_001, composed.source.size - position)))
            try piece.withUnsafeMutableBytes { try composed.source.read(at: position, into: $0) }
            bytes += piece
            position += UInt64(piece.count)
        }
        #expect(try bytes == readFile(written))
        let check = try await Judge.print(Judge.e2fsck, ["-fn", metadata.string])
        #expect(check.status == 0, "\(check.text)")
        #expect(composed.source.references.count > 8)
    }

    @Test func noContentIsInTheFile() async throws {
        _ = try await Ext4.compose(try tree(), to: metadata, ext4Options(), tools: ToolRunner())
        let (text, file) = (compressibleBytes(3 << 20, seed: 4), try readFile(metadata))
        let piece = Array(text[4096..<8192])
        #expect(!stride(from: 0, to: file.count, by: 4096).contains { Array(file[$0..<$0 + 4096]) == piece })
    }

    @Test func contentThatChangedIsFound() async throws {
        let source = try await Ext4.compose(try tree(), to: metadata, ext4Options(), tools: ToolRunner()).source
        try source.proveContent(in: 0..<source.size)
        let file = try OpenFile.updating(host)
        try file.write(at: try file.size() - 5000, [0x55, 0x66])
        // What was proven is not read again.
        try source.proveContent(in: 0..<source.size)
        #expect(throws: DamagedContent.self) { try source.proveAgain { _ in true } }
        try source.proveAgain { if case .bytes = $0 { true } else { false } }
        let again = try await Ext4.compose(try treeOfHost(), to: metadata, ext4Options(), tools: ToolRunner()).source
        let reference = try #require(again.references.first)
        #expect(throws: DamagedContent.self) { try again.proveContent(in: reference.offset..<reference.offset + 1) }
        try again.proveContent(in: 0..<reference.offset)
    }

    /// One file whose host file is not what its digest says.
    private func treeOfHost() throws -> Tree {
        var layer = Layer(name: "host")
        layer.addDirectory(.root, attributes(0o755))
        layer.entries.append(
            Entry(
                "file", attributes(),
                .regular(
                    Content(
                        size: 100, digest: .of("other bytes"), source: .file(host, offset: 0), zeros: Content([1]).zeros
                    ))))
        return try Tree([layer])
    }

    @Test func aCompositionIsOfWhatLiesThere() async throws {
        let tree = try tree()
        let first = try await Ext4.compose(tree, to: metadata, ext4Options(), tools: ToolRunner()).source
        var changed = tree
        var layer = Layer(name: "changed")
        layer.addFile("hello", attributes(0o4755, uid: 1000, gid: 1001), text: "HELLO, world\n")
        try changed.apply(layer)
        let second = try await Ext4.compose(
            changed, to: folder.path.appending("second.ext4"), ext4Options(), tools: ToolRunner()
        ).source
        let step: UInt64 = 64 << 10
        for start in stride(from: 0, to: first.size, by: Int(step)) {
            let range = start..<start + step
            var (a, b) = ([UInt8](repeating: 0, count: Int(step)), [UInt8](repeating: 0, count: Int(step)))
            try a.withUnsafeMutableBytes { try first.read(at: start, into: $0) }
            try b.withUnsafeMutableBytes { try second.read(at: start, into: $0) }
            let isSame = try first.composition(of: range) == second.composition(of: range)
            #expect(isSame == (a == b), "byte \(start)")
        }
    }
}
