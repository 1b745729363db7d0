import Debian
import Digests
import Foundation
import Layers
import Packages
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// Three packages that a system has, and three that come to it. The scripts note their calls.
private let buildScript = """
    umask 022
    start() { rm -rf p; mkdir -p p/DEBIAN; printf '%s\\n' "Package: $1" "Version: $2" "Architecture: all" \\
      "Maintainer: T <t@example.org>" > p/DEBIAN/control; }
    script() { printf '#!/bin/sh\\necho "%s $*" >> "$DPKG_ROOT/log"\\n' $1 > p/DEBIAN/postinst; chmod 755 p/DEBIAN/postinst; }
    finish() { echo "Description: test" >> p/DEBIAN/control; find p -exec touch -hd @1700000000 {} +
      dpkg-deb -Znone --build p $1.deb >/dev/null; }

    start watcher 1.0; mkdir -p p/usr/share/watched p/etc; echo w > p/usr/share/watched/own; echo c > p/etc/watcher.conf
    echo /etc/watcher.conf > p/DEBIAN/conffiles; ln -s usr/share p/data
    printf 'interest-noawait /usr/share/watched\\ninterest refresh\\ninterest-noawait /data/linked\\n' > p/DEBIAN/triggers
    script watcher; finish watcher
    start asker 1.0; mkdir -p p/usr/share/doc/asker; echo a > p/usr/share/doc/asker/x
    printf 'interest /usr/share/asked\\ninterest quiet\\n' > p/DEBIAN/triggers; script asker; finish asker
    start gone 0.9; mkdir -p p/etc; echo g > p/etc/gone.conf; echo /etc/gone.conf > p/DEBIAN/conffiles; finish gone

    start fresh 1.0; mkdir -p p/usr/share/watched p/usr/share/asked p/usr/share/linked p/etc; echo f > p/usr/share/watched/f
    echo f > p/usr/share/asked/f; echo f > p/usr/share/linked/f; echo c > p/etc/fresh.conf
    echo /etc/fresh.conf > p/DEBIAN/conffiles; echo "Depends: other" >> p/DEBIAN/control
    printf 'activate refresh\\ninterest /usr/share/watched\\n' > p/DEBIAN/triggers; script fresh; finish fresh
    start other 2.0; mkdir -p p/usr/share/doc/other; echo o > p/usr/share/doc/other/x; script other; finish other
    start watcher 2.0; mkdir -p p/usr/share/watched; echo w > p/usr/share/watched/own; finish newer
    start gone 1.0; mkdir -p p/usr/share/doc/gone; echo g > p/usr/share/doc/gone/x; finish again
    """

private let dpkg =
    "dpkg --force-not-root --force-unsafe-io --force-script-chrootless --log=/dev/null --root=$PWD/"

@Suite struct DpkgStatusTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "piforge-stock-dpkg") }

    private func run(_ script: String) async throws -> String {
        try await ToolRunner().run(Judge.sh, ["-ec", script], directory: folder.path, place: "test").text
    }

    /// Packages are built and some of them installed in `stock`, by dpkg.
    private func installed() async throws -> Tree {
        _ = try await run(
            buildScript + """

                mkdir -p stock/var/lib/dpkg/info stock/var/lib/dpkg/updates; : > stock/var/lib/dpkg/status
                \(dpkg)stock -i watcher.deb asker.deb gone.deb
                \(dpkg)stock --remove gone
                : > stock/log; rm -f stock/var/lib/dpkg/*-old
                """)
        return try Tree([try Layer(reading: folder.path.appending("stock"))])
    }

    private func unpacked(_ names: [String]) async throws -> [UnpackedPackage] {
        var files: [PackageFile] = []
        for name in names {
            let path = folder.path.appending("\(name).deb")
            let words = try await run("dpkg-deb -f \(name).deb Package Version | sed 's/.*: //'").split(separator: "\n")
            files.append(
                try packageFile(
                    .init(name: String(words[0]), version: String(words[1]), architecture: "all"), at: path))
        }
        let store = try LayerStore(folder: folder.path.appending("store"))
        return try InstallOrder.sort(try await DebianPackage.unpackAll(files, store: store, workers: 2))
    }

    /// Which package's script was called for which trigger, and which packages were configured.
    private func calls(_ root: String) async throws -> Set<String> {
        Set(
            try await run("cat \(root)/log").split(separator: "\n").flatMap { line -> [String] in
                let words = line.split(separator: " ")
                return words.dropFirst(2).map { "\(words[0]) \(words[1]) \($0)" } + [
                    words.prefix(2).joined(separator: " ")
                ]
            })
    }

    @Test func dpkgGoesOnAsIfItHadUnpackedThemItself() async throws {
        var tree = try await installed()
        let base = try InstalledPackages(reading: tree)
        let fresh = try await unpacked(["fresh", "other"])
        for package in fresh { #expect(base.obstacle(to: package) == nil) }
        let placed = try FileOwnership.settle(fresh)
        let database = try DpkgDatabase.layer(for: placed, over: base, in: tree, epoch: Timestamp(seconds: 1))
        for package in placed { try tree.apply(package.layer) }
        try tree.apply(database)
        try tree.write(to: folder.path.appending("ours"))
        _ = try await run("cp -a stock real; \(dpkg)real --no-triggers --unpack other.deb fresh.deb")

        for command in [
            "dpkg-query --admindir=var/lib/dpkg -W -f '${Package} ${Version} ${Status} ${Conffiles}\n' | sed 's/ newconffile//; s/ [0-9a-f]\\{32\\}//'",
            "cat var/lib/dpkg/info/*.list; cd var/lib/dpkg/info; md5sum *", "cat var/lib/dpkg/triggers/File",
            "cat var/lib/dpkg/triggers/refresh var/lib/dpkg/triggers/quiet",
        ] {
            let ours = try await run("cd ours; \(command)")
            #expect(try await ours == run("cd real; \(command)"), "\(command)\n\(ours)")
        }
        // What dpkg has worked into the status file of `real` stands in Unincorp still.
        #expect(
            try await run("cat ours/var/lib/dpkg/triggers/Unincorp")
                == "/usr/share/watched -\n/usr/share/asked -\n")

        for root in ["real", "ours"] {
            _ = try await run("\(dpkg)\(root) --configure -a")
            let complaints = try await run("dpkg --root=$PWD/\(root) --audit; dpkg --root=$PWD/\(root) --verify")
            #expect(complaints.isEmpty, "\(root): \(complaints)")
        }
        let (ours, real) = (try await calls("ours"), try await calls("real"))
        #expect(ours == real)
        #expect(
            ours.contains("watcher triggered /usr/share/watched") && ours.contains("asker triggered /usr/share/asked"))
        let paragraphs = "sed 's/^$/@/' var/lib/dpkg/status | tr '\\n' '~' | tr '@' '\\n' | sort"
        #expect(try await run("cd ours; \(paragraphs)") == run("cd real; \(paragraphs)"))
        #expect(try await run("cat ours/var/lib/dpkg/triggers/Unincorp").isEmpty)
    }

    @Test func whatWasPurgedComesBackOnce() async throws {
        var tree = try await installed()
        let status = try ContentReader().text(of: try #require(tree.content("var/lib/dpkg/status")), limit: 1 << 20)
        // As dselect leaves a package that it has seen and that is not there.
        let changed = status.replacing("deinstall ok config-files", with: "purge ok not-installed")
        var layer = Layer(name: "purged", whiteouts: ["etc/gone.conf", "var/lib/dpkg/info/gone.list"])
        layer.addFile("var/lib/dpkg/status", Attributes(mode: 0o644, mtime: Timestamp(seconds: 1)), text: changed)
        try tree.apply(layer)
        let base = try InstalledPackages(reading: tree)
        #expect(base.names == ["asker", "watcher"] && base.count == 2)
        #expect(base.version(of: "gone") == nil)
        let placed = try FileOwnership.settle(try await unpacked(["again"]))
        #expect(base.obstacle(to: placed[0].package) == nil)
        let database = try DpkgDatabase.layer(for: placed, over: base, in: tree, epoch: Timestamp(seconds: 1))
        try tree.apply(placed[0].layer)
        try tree.apply(database)
        try tree.write(to: folder.path.appending("ours"))
        #expect(try await run("grep -c '^Package: gone$' ours/var/lib/dpkg/status") == "1\n")
        _ = try await run("\(dpkg)ours --configure -a")
        #expect(
            try await run("dpkg-query --admindir=ours/var/lib/dpkg -W -f '${Status} ${Version}\n' gone")
                == "install ok installed 1.0\n")
    }

    @Test func upgradesAndRemnantsAreDpkgsWork() async throws {
        let base = try InstalledPackages(reading: try await installed())
        #expect(base.version(of: "watcher") == "1.0")
        #expect(base.unfinished.isEmpty)
        #expect(
            base.list.map { "\($0.name) \($0.version) \($0.architecture)" } == ["asker 1.0 all", "watcher 1.0 all"])
        let packages = try await unpacked(["newer", "again"])
        let obstacles = Dictionary(uniqueKeysWithValues: packages.map { ($0.name, base.obstacle(to: $0)) })
        #expect(obstacles["watcher"] == "version 1.0 is installed")
        #expect(obstacles["gone"] == "its configuration files are still there")
    }
}
