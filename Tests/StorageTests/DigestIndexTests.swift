import Digests
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite struct DigestIndexTests {
    let folder: TemporaryFolder
    let index: DigestIndex

    init() throws {
        folder = try TemporaryFolder(in: "/tmp", name: "piforge-digests")
        index = try DigestIndex(folder: folder.path.appending("digests"))
    }

    private func entry(_ composition: SHA256Digest) -> FilePath { index.folder.appending("\(composition.hex).digest") }

    @Test func whatIsRememberedIsKnown() {
        #expect(index.digest(of: .of("a")) == nil)
        index.remember(.of("bytes"), of: .of("a"))
        index.remember(.of("others"), of: .of("b"))
        #expect(index.digest(of: .of("a")) == .of("bytes"))
        #expect(index.digest(of: .of("b")) == .of("others"))
        index.remember(.of("mended"), of: .of("a"))
        #expect(index.digest(of: .of("a")) == .of("mended"))
    }

    @Test func aDamagedEntryIsNone() throws {
        for position in 0..<64 {
            index.remember(.of("bytes"), of: .of("a"))
            let file = try OpenFile.updating(entry(.of("a")))
            try file.write(at: UInt64(position), [try file.bytes(at: UInt64(position), count: 1)[0] ^ 1])
            #expect(index.digest(of: .of("a")) == nil, "byte \(position)")
        }
        for size in [0, 32, 63] {
            index.remember(.of("bytes"), of: .of("a"))
            try OpenFile.updating(entry(.of("a"))).truncate(to: UInt64(size))
            #expect(index.digest(of: .of("a")) == nil)
        }
    }

    @Test func anEntryIsOfOneCompositionAlone() throws {
        index.remember(.of("bytes"), of: .of("a"))
        try writeAtomically(to: entry(.of("b")), bytes: readFile(entry(.of("a"))))
        #expect(index.digest(of: .of("b")) == nil)
    }

    @Test func aFolderThatCannotBeWrittenToIsNoError() throws {
        let index = try DigestIndex(folder: folder.path.appending("gone"))
        removeTree(index.folder)
        try writeAtomically(to: index.folder, bytes: [1])
        index.remember(.of("bytes"), of: .of("a"))
        #expect(index.digest(of: .of("a")) == nil)
    }
}

@Suite struct CompositionTests {
    private func composition(of size: UInt64 = 16384, _ parts: (Composition) -> Void) -> SHA256Digest {
        let composition = Composition(size: size)
        parts(composition)
        return composition.finalize()
    }

    private func add(_ bytes: [UInt8], at position: UInt64 = 0) -> (Composition) -> Void {
        { composition in bytes.withUnsafeBytes { composition.add($0, at: position) } }
    }

    @Test func writtenZerosAreAsHoles() {
        let block = [UInt8](repeating: 7, count: 4096)
        let zeros = [UInt8](repeating: 0, count: 4096)
        #expect(composition(add(zeros + block + zeros)) == composition(add(block, at: 4096)))
        #expect(composition(add(zeros)) == composition { _ in })
    }

    @Test func whatIsDifferentHasAnotherComposition() {
        let all = [
            composition { _ in }, composition(of: 4096) { _ in }, composition(add([1])), composition(add([1], at: 1)),
            composition(add([2])),
            composition { $0.add(content: .of("a"), from: 0, at: 0, count: 10) },
            composition { $0.add(content: .of("b"), from: 0, at: 0, count: 10) },
            composition { $0.add(content: .of("a"), from: 1, at: 0, count: 10) },
            composition { $0.add(content: .of("a"), from: 0, at: 1, count: 10) },
            composition { $0.add(content: .of("a"), from: 0, at: 0, count: 11) },
        ]
        #expect(Set(all).count == all.count)
    }
}
