import Debian
import Diagnostics
import Digests
import Foundation
import Layers
import Packages
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// Four packages that have between them what dpkg's database records, one in each compression.
private let buildScript = """
    umask 022
    arch=$(dpkg --print-architecture)
    start() { rm -rf p; mkdir -p p/DEBIAN; printf '%s\\n' "Package: $1" "Version: $2" "Architecture: $3" \\
      "Maintainer: T <t@example.org>" "Installed-Size: 20" "Section: misc" "Priority: optional" > p/DEBIAN/control; }
    field() { printf '%s\\n' "$@" >> p/DEBIAN/control; }
    finish() { field "Description: test" " Second line." " ." " Third."; find p -exec touch -hd @1700000000 {} +
      dpkg-deb -Z$2 --build p $1.deb >/dev/null; }

    start base-files 1:13.8+deb13u7 "$arch"; field "Essential: yes" "Protected: yes" "Homepage: https://example.org" "Important: yes"
    mkdir -p p/etc p/usr/bin p/usr/lib p/tmp; chmod 1777 p/tmp; ln -s usr/lib p/lib; echo one > p/etc/issue; echo 13 > p/etc/debian_version
    printf '/etc/issue\\n/etc/debian_version\\nremove-on-upgrade /etc/old\\n' > p/DEBIAN/conffiles
    printf 'interest-noawait /usr/lib/conf.d\\n# why\\ninterest refresh\\n' > p/DEBIAN/triggers; finish base none

    start libone 2.0-1 "$arch"; field "Multi-Arch: same" "Source: one (2.0)" "Depends: base-files(>=1:1) , libtwo | two" "Origin: t" "Bugs: debbugs://x"
    mkdir -p p/usr/lib/conf.d p/usr/share/doc/libone p/tmp; echo a > p/usr/lib/conf.d/one.conf; echo elf > p/usr/lib/libone.so.1
    ln -s libone.so.1 p/usr/lib/libone.so; ln p/usr/lib/libone.so.1 p/usr/lib/libone-hard.so; chmod 4755 p/usr/lib/libone.so.1
    echo 'libone 1 libone' > p/DEBIAN/shlibs; printf 'activate-noawait refresh\\ninterest-await /usr/share/fonts\\ninterest ldconfig\\n' > p/DEBIAN/triggers
    (cd p && md5sum usr/lib/conf.d/one.conf > DEBIAN/md5sums); finish one xz

    start libtwo 1.0 all; field "Pre-Depends: base-files" "Replaces: three (<< 2)" "Breaks: three (<< 1), four" "Enhances: x" "Built-Using: y (= 1)"
    mkdir -p p/usr/share/two p/etc/two; echo two > p/usr/share/two/shared; echo conf > p/etc/two/two.conf; echo /etc/two/two.conf > p/DEBIAN/conffiles
    printf 'Template: two/x\\nType: note\\n' > p/DEBIAN/templates; finish two gzip

    start three 1.5 all; field "Multi-Arch: foreign" "Provides: thing (= 1)" "Conflicts: nothing" "Suggests: a | b" "Recommends: c"
    mkdir -p p/usr/share/two "p/usr/share/with space"; echo three > p/usr/share/two/shared; echo x > "p/usr/share/with space/ü"
    echo 'interest-noawait refresh' > p/DEBIAN/triggers; finish three zstd
    """

@Suite struct DpkgDatabaseTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "piforge-dpkg") }

    private func run(_ script: String) async throws -> String {
        try await ToolRunner().run(Judge.sh, ["-ec", script], directory: folder.path, place: "test").text
    }

    private func build() async throws -> [PackageFile] {
        _ = try await run(buildScript)
        let fields = try await run(
            "for d in *.deb; do dpkg-deb -f $d Package Version Architecture > f; echo $d $(sed 's/.*: //' f); done")
        return try fields.split(separator: "\n").map { line in
            let words = line.split(separator: " ").map(String.init)
            let path = folder.path.appending(words[0])
            return try packageFile(.init(name: words[1], version: words[2], architecture: words[3]), at: path)
        }
    }

    private func tree(_ files: [PackageFile], store: LayerStore, workers: Int = 2) async throws -> Tree {
        let placed = try FileOwnership.settle(
            try InstallOrder.sort(try await DebianPackage.unpackAll(files, store: store, workers: workers)))
        return try Tree(placed.map(\.layer) + [DpkgDatabase.layer(for: placed, epoch: Timestamp(seconds: 1))])
    }

    /// Everything about a root but times, dpkg's backup and log, and the empty files that only one side has.
    private func describe(_ root: String) async throws -> String {
        try await run(
            """
            cd \(root); rm -f var/log/dpkg.log; cd var/lib/dpkg; rm -f *-old available diversions statoverride; cd ../../..
            find . -mindepth 1 ! -path './var/log' -printf '%P %m %n %y %l\n' | sort | sed -E '/ d /s/ [0-9]+ d/ d/'
            find . -type f -exec md5sum {} + | sort -k 2
            """)
    }

    @Test func dpkgGoesOnAsIfItHadUnpackedThePackages() async throws {
        let files = try await build()
        let tree = try await tree(files, store: try LayerStore(folder: folder.path.appending("store")))
        try tree.write(to: folder.path.appending("ours"))
        _ = try await run(
            """
            mkdir -p real/var/lib/dpkg/info real/var/lib/dpkg/updates real/var/lib/dpkg/alternatives real/var/lib/dpkg/parts
            : > real/var/lib/dpkg/status
            dpkg --root=$PWD/real --force-not-root --force-unsafe-io --log=/dev/null --force-depends --unpack base.deb two.deb one.deb three.deb
            """)
        let list =
            "cat var/lib/dpkg/info/*.list var/lib/dpkg/info/format; cd var/lib/dpkg/info; stat -c '%n %a' *; md5sum *"
        for command in [
            list, "grep -vE '^ /' var/lib/dpkg/status", "grep -E '^ /' var/lib/dpkg/status | sed 's/ [^ ]*//2'",
            "cat var/lib/dpkg/triggers/File var/lib/dpkg/triggers/refresh var/lib/dpkg/triggers/ldconfig var/lib/dpkg/triggers/Unincorp",
            "stat -c '%n %a' var/lib/dpkg/lock* var/lib/dpkg/triggers/*", "dpkg --root=$PWD --audit",
        ] {
            let ours = try await run("cd ours; \(command)")
            #expect(try await ours == run("cd real; \(command)"), "\(command)\n\(ours)")
        }
        #expect(
            try await run("grep -E '^ /' ours/var/lib/dpkg/status").contains(
                " /etc/issue 5bbf5a52328e7439ae6e719dfe712200\n"))

        // After configuration nothing tells the two apart, the conffiles' sums included.
        for root in ["real", "ours"] {
            _ = try await run(
                "dpkg --root=$PWD/\(root) --force-not-root --force-unsafe-io --log=/dev/null --configure -a")
            let complaints = try await run("dpkg --root=$PWD/\(root) --audit; dpkg --root=$PWD/\(root) --verify")
            #expect(complaints.isEmpty, "\(root)")
        }
        let (ours, real) = (try await describe("ours"), try await describe("real"))
        #expect(ours == real)
    }

    @Test func neitherOrderNorWorkersNorTheStoreChangeTheTree() async throws {
        let files = try await build()
        let store = try LayerStore(folder: folder.path.appending("store"))
        let first = try await tree(files, store: store)
        #expect(try await tree(files.reversed(), store: store, workers: 1).digest == first.digest)
        let other = try LayerStore(folder: folder.path.appending("other"))
        #expect(try await tree(files, store: other, workers: 3).digest == first.digest)

        // The second run needs no .deb file.
        for file in files { removeTree(file.path) }
        #expect(try await tree(files, store: store).digest == first.digest)
    }

    @Test func cancellationLeavesNothingBehind() async throws {
        let files = try await build()
        let store = try LayerStore(folder: folder.path.appending("store"))
        let task = Task {
            withUnsafeCurrentTask { $0?.cancel() }
            return try await DebianPackage.unpackAll(files, store: store, workers: 2)
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try FileManager.default.contentsOfDirectory(atPath: store.folder.string).isEmpty)
    }

    @Test(arguments: [
        ("triggers", "interested x\n", "evil 1.0-1: triggers:1: unknown directive 'interested'"),
        ("triggers", "\ninterest /a//b\n", "evil 1.0-1: triggers:2: '/a//b' is not a trigger's name"),
        (
            "triggers", "interest\n",
            "evil 1.0-1: triggers:1: the line is not a directive and a trigger\n  found:    interest"
        ),
        (
            "triggers", "interest x # why\n",
            "evil 1.0-1: triggers:1: the line is not a directive and a trigger\n  found:    interest x # why"
        ),
        ("conffiles", "/etc/gone\n", "evil 1.0-1: conffiles: /etc/gone is not a plain file of the package"),
        ("conffiles", "etc/x\n", "evil 1.0-1: conffiles: the line is not an absolute path\n  found:    etc/x"),
        ("conffiles", "/etc/../x\n", "/etc/../x: the path climbs out with '..'"),
    ])
    func controlFilesThatDpkgCouldNotUseAreRefused(file: String, text: String, message: String) throws {
        let package = try unpackEvil(
            DebBytes.package(extraControl: { $0.add("./\(file)", "0", text) }), keeping: folder)
        let error = failure {
            try DpkgDatabase.layer(for: try FileOwnership.settle([package]), epoch: Timestamp(seconds: 0))
        }
        #expect(error?.description == message)
    }
}
