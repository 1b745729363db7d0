import Debian
import Diagnostics
import Layers
import TestSupport
import Testing

/// A package as `DebianPackage` would hand it out, without a file.
private func package(
    _ name: String, _ fields: [String: String] = [:], version: String = "1.0", files: [Entry] = []
) throws -> UnpackedPackage {
    let control = ControlParagraph(
        fields: [.init("Package", name), .init("Version", version)]
            + fields.sorted { $0.key < $1.key }.map { .init($0.key, $0.value) })
    return try unpackedPackage(
        name, version: version, control: control,
        controlFiles: Layer(name: name), data: Layer(name: name, entries: files))
}

private let plain = Attributes(mode: 0o644, mtime: Timestamp(seconds: 1))

private func file(_ path: EntryPath, _ text: String = "") -> Entry { Entry(path, plain, .regular(Content(text))) }

private func folder(_ path: EntryPath, mode: UInt16 = 0o755) -> Entry {
    Entry(path, Attributes(mode: mode, mtime: Timestamp(seconds: 1)), .directory)
}

@Suite struct InstallOrderTests {
    private func names(_ packages: [UnpackedPackage]) throws -> [String] { try InstallOrder.sort(packages).map(\.name) }

    @Test func baseFilesThenEssentialThenTheRest() throws {
        let set = [
            try package("a", ["Depends": "z"]), try package("z"), try package("libc6"),
            try package("dash", ["Essential": "yes", "Pre-Depends": "libc6 (>= 0.5)"]),
            try package("base-files", ["Essential": "yes", "Pre-Depends": "awk"]),
            try package("mawk", ["Provides": "awk"]),
        ]
        let expected = ["base-files", "libc6", "dash", "z", "a", "mawk"]
        #expect(try names(set) == expected)
        #expect(try names(set.reversed()) == expected)
    }

    @Test func alternativesAndProvidersCount() throws {
        let set = [
            try package("a", ["Depends": "gone | b (>= 2) | y"]), try package("b"), try package("y"),
            try package("c", ["Depends": "mta"]), try package("x-mta", ["Provides": "mta"]),
        ]
        #expect(try names(set) == ["y", "a", "b", "x-mta", "c"])
    }

    /// Depth first from x would put y first.
    @Test func preDependsHoldInACircle() throws {
        let set = [try package("x", ["Depends": "y"]), try package("y", ["Pre-Depends": "x"])]
        #expect(try names(set) == ["x", "y"])
        #expect(try names(set.reversed()) == ["x", "y"])
    }

    @Test func twoOwnersOfAPathAreAnError() throws {
        let set = [try package("a", files: [file("etc/x")]), try package("b", files: [file("etc/x")])]
        let error = failure { try FileOwnership.settle(set) }
        #expect(
            error?.description
                == "b 1.0: /etc/x: a 1.0 ships the same path, and neither replaces the other\n  next:     leave one of the two packages out"
        )
    }

    @Test func pathsThroughALinkedFolderAreTheSame() throws {
        let set = [
            try package(
                "base-files", files: [folder("usr/lib"), Entry("lib", plain, .symlink(Array("usr/lib".utf8)))]),
            try package("a", files: [file("usr/lib/x")]), try package("b", files: [folder("lib"), file("lib/x")]),
        ]
        #expect(
            failure { try FileOwnership.settle(set) }?.description == """
                b 1.0: /lib/x: a 1.0 ships the same path, and neither replaces the other
                  next:     leave one of the two packages out
                """)
    }

    @Test(arguments: [true, false])
    func theReplacingPackageOwnsTheFileWhicheverComesFirst(replacerFirst: Bool) throws {
        let old = try package("old", version: "2.0-1", files: [folder("etc"), file("etc/x", "old"), file("etc/y")])
        let new = try package("new", ["Replaces": "old (<< 2.0-2)"], files: [folder("etc"), file("etc/x", "new")])
        let placed = try FileOwnership.settle(replacerFirst ? [new, old] : [old, new])
        #expect(placed.first { $0.package.name == "old" }?.paths == ["etc", "etc/y"])
        #expect(placed.first { $0.package.name == "new" }?.paths == ["etc", "etc/x"])
        #expect(try Tree(placed.map(\.layer)).content("etc/x") == Content("new"))
    }

    @Test func replacesOfAnotherVersionDoesNotCount() throws {
        let set = [
            try package("old", version: "2.0-2", files: [file("etc/x")]),
            try package("new", ["Replaces": "old (<< 2.0-2)"], files: [file("etc/x")]),
        ]
        #expect(
            failure { try FileOwnership.settle(set) }?.description == """
                new 1.0: /etc/x: old 2.0-2 ships the same path, and neither replaces the other
                  next:     leave one of the two packages out
                """)
    }

    @Test func hardLinksOutliveTheFileThatWasReplaced() throws {
        let links = [file("a", "text"), Entry("b", plain, .hardLink("a")), Entry("c", plain, .hardLink("a"))]
        let placed = try FileOwnership.settle([
            try package("old", files: links), try package("new", ["Replaces": "old"], files: [file("a", "new")]),
        ])
        let tree = try Tree(placed.map(\.layer))
        #expect(tree.content("a") == Content("new"))
        #expect(tree.content("c") == Content("text"))
        #expect(tree.names["b"] == tree.names["c"])
    }

    @Test func aFolderKeepsTheAttributesOfTheFirstPackage() throws {
        let placed = try FileOwnership.settle([
            try package("base-files", files: [folder("tmp", mode: 0o1777)]),
            try package("a", files: [folder("tmp"), file("tmp/x")]),
        ])
        #expect(try Tree(placed.map(\.layer))["tmp"]?.attributes.mode == 0o1777)
        #expect(placed[1].paths == ["tmp", "tmp/x"])
    }
}
