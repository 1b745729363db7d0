import Guest
import Layers
import Testing

@Suite struct FileTriggersTests {
    private let attributes = Attributes(mode: 0o644, mtime: Timestamp(seconds: 0))

    /// A tree whose packages watch folders, as dpkg notes it.
    private func tree(_ paths: [String: String] = [:]) throws -> Tree {
        var layer = Layer(name: "packages")
        layer.addDirectory("usr/lib", Attributes(mode: 0o755, mtime: Timestamp(seconds: 0)))
        layer.addSymlink("lib", to: "usr/lib", attributes)
        layer.addFile(
            "var/lib/dpkg/triggers/File", attributes,
            text: "/lib/udev/hwdb.d udev/noawait\n/usr/share/fonts fontconfig\n/usr/share/man man-db/noawait\n")
        layer.addFile("var/lib/dpkg/triggers/ldconfig", attributes, text: "libc-bin/noawait\n")
        layer.addFile("usr/sbin/update-ca-certificates", attributes, text: "#!/bin/sh\n")
        for (path, text) in paths { layer.addFile(try EntryPath(validating: path), attributes, text: text) }
        return try Tree([layer])
    }

    private func work(_ paths: [EntryPath], _ files: [String: String] = [:]) throws -> FileTriggers.Work {
        let tree = try tree(files)
        return try FileTriggers(in: tree).work(for: paths, in: tree)
    }

    @Test(
        arguments: [
            ("usr/share/fonts/mine/mine.ttf", ["/usr/share/fonts"]),
            // The package says /lib, which is a link.
            ("usr/lib/udev/hwdb.d/61-mine.hwdb", ["/lib/udev/hwdb.d"]),
            ("etc/udev/hwdb.d/61-mine.hwdb", ["/lib/udev/hwdb.d"]),
            ("usr/local/lib/libmine.so.1", ["ldconfig"]), ("usr/lib/aarch64-linux-gnu/libmine.so", ["ldconfig"]),
            ("etc/ld.so.conf.d/mine.conf", ["ldconfig"]),
            ("etc/motd", []), ("usr/share/fontsmine/x", []), ("usr/lib/mine/plugin.py", []),
            ("usr/share/man/man1/x.1", []),
        ] as [(EntryPath, [String])])
    func filesSetOffWhatPackagesWatch(path: EntryPath, triggers: [String]) throws {
        let work = try work([path])
        #expect(work.triggers == triggers && work.programs == [] && !work.certificates)
        #expect(work.files == (triggers.isEmpty ? [] : [path]))
        #expect(work.needsGuest == !triggers.isEmpty)
        #expect(triggers.isEmpty || FileTriggers.mayFeed(path))
    }

    @Test func certificatesAreMadeHereUnlessAHookIsThere() throws {
        let path: EntryPath = "usr/local/share/ca-certificates/mine.crt"
        let plain = try work([path])
        #expect(plain.certificates && !plain.needsGuest && plain.files == [path])
        let hooked = try work([path], ["etc/ca-certificates/update.d/jks-keystore": "#!/bin/sh\n"])
        #expect(!hooked.certificates && hooked.triggers == ["update-ca-certificates"])
    }

    @Test func aListOfLocalesRunsItsProgramWhereItIs() throws {
        #expect(try work(["etc/locale.gen"]).files == [])
        let there = try work(["etc/locale.gen"], ["usr/sbin/locale-gen": "#!/bin/sh\n"])
        #expect(there.programs == ["/usr/sbin/locale-gen"] && there.needsGuest)
    }

    @Test func aTreeWithoutDpkgAsksForNothing() throws {
        #expect(try FileTriggers(in: Tree()).work(for: ["usr/local/lib/libmine.so.1"], in: Tree()).files == [])
    }
}
