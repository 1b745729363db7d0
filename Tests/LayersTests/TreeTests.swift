import Diagnostics
import Layers
import TestSupport
import Testing

private let plain = Attributes(mode: 0o644, mtime: Timestamp(seconds: 1))
private let folder = Attributes(mode: 0o755, mtime: Timestamp(seconds: 1))

private func layer(_ name: String, whiteouts: [EntryPath] = [], _ entries: [Entry]) -> Layer {
    Layer(name: name, entries: entries, whiteouts: whiteouts)
}

private func file(_ path: EntryPath, _ text: String) -> Entry { Entry(path, plain, .regular(Content(text))) }

@Suite struct TreeTests {
    @Test func lastLayerWins() throws {
        let tree = try Tree([layer("a", [file("etc/hostname", "one")]), layer("b", [file("etc/hostname", "two")])])
        #expect(tree["etc/hostname"]?.kind == .regular(Content("two")))
        #expect(tree["etc"]?.kind == .directory)
    }

    @Test func whiteoutTakesAwayEverythingBelow() throws {
        let tree = try Tree([
            layer("a", [file("var/log/x/y", "1"), file("var/keep", "2")]), layer("b", whiteouts: ["var/log"], []),
        ])
        #expect(tree.paths == [.root, "var", "var/keep"])
    }

    @Test func pathsGoThroughLinkedFolders() throws {
        let tree = try Tree([
            layer(
                "base-files",
                [Entry("usr/lib", folder, .directory), Entry("lib", folder, .symlink(Array("usr/lib".utf8)))]),
            layer("other", [Entry("lib", folder, .directory), file("lib/x.so", "elf")]),
        ])
        #expect(tree["usr/lib/x.so"] != nil)
        #expect(tree["lib"]?.kind == .symlink(Array("usr/lib".utf8)))
        #expect(tree.content("lib/x.so") == Content("elf"))
    }

    @Test func hardLinksShareANodeUntilOneIsReplaced() throws {
        var tree = try Tree([layer("a", [file("a", "same"), Entry("b", plain, .hardLink("a"))])])
        #expect(tree.names["a"] == tree.names["b"])
        #expect(tree["a"]?.linkCount == 2)
        try tree.apply(layer("b", [file("a", "new")]))
        #expect(tree["b"]?.kind == .regular(Content("same")))
        #expect(tree["b"]?.linkCount == 1)
    }

    @Test func hardLinkToNothingIsRefused() {
        let error = failure {
            try Tree([layer("evil.deb", [Entry("b", plain, .hardLink("gone"))])])
        }
        #expect(error?.description == "evil.deb: /b: the hard link's target /gone is not a file in the tree")
    }

    @Test func linksInACircleAreRefused() {
        let error = failure {
            try Tree([
                layer(
                    "loop",
                    [Entry("a", plain, .symlink(Array("b".utf8))), Entry("b", plain, .symlink(Array("a".utf8)))]),
                layer("x", [file("a/c", "")]),
            ])
        }
        #expect(error?.description == "x: /a/c: its folder is reached through links that go round in a circle")
    }

    @Test func canonicallyEqualNamesAreTwoNames() throws {
        let tree = try Tree([layer("a", [file("caf\u{e9}", "1"), file("cafe\u{301}", "2")])])
        #expect(tree.paths.count == 3)
    }

    @Test(arguments: [
        ("../x", "../x: the path climbs out with '..'"), ("a/../../b", "a/../../b: the path climbs out with '..'"),
    ])
    func climbingPathsAreRefused(path: String, message: String) {
        let error = failure { try EntryPath(validating: path) }
        #expect(error?.description == message)
    }

    @Test func digestIgnoresWhereContentLies() throws {
        let one = try Tree([layer("a", [file("x", "1"), file("y", "2")])])
        let two = try Tree([layer("b", [file("x", "1"), file("y", "2")])])
        let other = try Tree([layer("b", [file("x", "1"), file("y", "3")])])
        #expect(one.digest == two.digest)
        #expect(one.digest != other.digest)
    }

    @Test func subtreeAndItsMountPoint() throws {
        let tree = try Tree([layer("a", [file("boot/firmware/config.txt", "x"), file("etc/fstab", "y")])])
        #expect(tree.subtree("boot/firmware")?.paths == [.root, "config.txt"])
        #expect(tree.emptying("boot/firmware").paths == [.root, "boot", "boot/firmware", "etc", "etc/fstab"])
    }
}
