import Diagnostics
import Foundation
import Guest
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// Real boots with real dpkg in the smallest tree it runs in.
@Suite struct MicroVMTests {
    static let epoch: Int64 = 1_700_000_000

    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "guest-tests") }

    var log: FilePath { folder.path.appending("configure.log") }

    private func request(_ packages: [SmallPackage]) async throws -> ConfigureRequest {
        let parts = try await SmallTree.shared.parts()
        var tree = parts.tree
        try tree.apply(SmallPackage.layer(of: packages))
        var request = ConfigureRequest(
            tree: tree, packages: packages.map(\.package), kernel: parts.kernel, busybox: parts.busybox,
            epoch: Self.epoch)
        request.freeSpace = 16 << 20
        return request
    }

    private func configure(_ request: ConfigureRequest, store: String = "store") async throws -> (
        layer: Layer, report: MicroVM.Report?
    ) {
        let result = try await MicroVM.configure(
            request, store: LayerStore(folder: folder.path.appending(store)), work: folder.path.appending("work"),
            log: log)
        return (result.layer, result.report)
    }

    /// What a package's failing script makes of the build.
    private func refused(_ package: SmallPackage, _ change: (inout ConfigureRequest) -> Void = { _ in }) async throws
        -> Failure?
    {
        var request = try await request([package])
        change(&request)
        let prepared = request
        let failure = await failure { try await configure(prepared) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path.appending("store").string) == [])
        try expectNothingLeft()
        return failure
    }

    private func expectNothingLeft() throws {
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path.appending("work").string) == [])
        #expect(try !EchoGuest.isRunning("\(folder.path)/"))
    }

    @Test func scriptsRunAsUnderDpkgAndTheirEffectComesBackAsALayer() async throws {
        let alpha = SmallPackage(
            name: "alpha",
            files: [
                "usr/share/alpha/data": "alpha's\n", "usr/share/alpha/old": "old\n", "usr/share/alpha/same": "same\n",
            ],
            control: [
                "preinst": """
                #!/bin/sh -e
                echo "$DPKG_MAINTSCRIPT_NAME $* $DPKG_MAINTSCRIPT_PACKAGE $DPKG_MAINTSCRIPT_ARCH" >/etc/alpha.preinst
                """,
                "postinst": """
                #!/bin/sh -e
                echo "$DPKG_MAINTSCRIPT_NAME $* $(date +%F) $DEBIAN_FRONTEND $INITRD $LC_ALL $TZ" >/etc/alpha.postinst
                rm /usr/share/alpha/old
                echo same >/usr/share/alpha/same
                mkdir -p /var/lib/alpha
                sed 1q /proc/sys/kernel/random/uuid >/etc/machine-id
                echo key >/etc/ssh/ssh_host_rsa_key
                echo text >/tmp/alpha; echo text >/run/alpha; echo text >/var/tmp/alpha
                date >/var/log/alpha.log
                update-initramfs -u; ssh-keygen -q
                /usr/sbin/policy-rc.d || echo "policy $?" >/etc/alpha.policy
                dpkg-trigger beta
                """,
            ])
        let beta = SmallPackage(
            name: "beta",
            control: ["triggers": "interest beta\n", "postinst": "#!/bin/sh -e\necho \"$*\" >>/etc/beta.calls\n"])
        let gamma = SmallPackage(
            name: "gamma", files: ["usr/share/alpha/data": "gamma's\n"],
            control: [
                "preinst": """
                #!/bin/sh -e
                dpkg-divert --package gamma --rename --divert /usr/share/alpha/data.real --add /usr/share/alpha/data
                """
            ])
        var request = try await request([alpha, beta])
        request.archives = [try await gamma.archive(in: folder.path.appending("debs"))]

        let (layer, report) = try await configure(request)
        let reader = ContentReader()
        var texts: [String: String] = [:]
        for entry in layer.entries where !entry.path.isInside("var/lib/dpkg") {
            #expect(entry.attributes.mtime.seconds == Self.epoch, "\(entry.path)")
            guard case .regular(let content) = entry.kind else { continue }
            texts["\(entry.path)"] = try reader.text(of: content)
        }
        // 1,700,000,000 is 2023-11-14; the clock shows the day after the next one.
        #expect(
            texts == [
                "/etc/alpha.preinst": "preinst install alpha all\n",
                "/etc/alpha.postinst": "postinst configure  2023-11-16 noninteractive No C.UTF-8 UTC\n",
                "/etc/alpha.policy": "policy 101\n",
                "/etc/beta.calls": "configure \ntriggered beta\n",
                "/etc/machine-id": "",
                "/usr/share/alpha/data": "gamma's\n",
                "/usr/share/alpha/data.real": "alpha's\n",
                "/var/log/alpha.log": "",
                "/var/log/dpkg.log": "",
            ])
        #expect(layer.whiteouts == ["usr/share/alpha/old"])
        #expect(layer.entries.contains { $0.path == "var/lib/alpha" && $0.kind == .directory })

        let timed = try #require(report).timings.map { "\($0.package) \($0.script)" }
        #expect(timed.starts(with: ["alpha preinst", "gamma unpack"]))
        #expect(Set(timed).isSuperset(of: ["alpha postinst", "beta postinst", "beta trigger", "gamma postinst"]))

        // The host's dpkg judges the database.
        var tree = request.tree
        try tree.apply(layer)
        let database = try #require(tree.subtree("var/lib/dpkg"))
        let copy = folder.path.appending("database")
        for path in database.paths {
            if case .regular(let content) = database[path]?.kind {
                try writeAtomically(to: copy.appending("\(path)"), bytes: reader.bytes(of: content))
            }
        }
        for name in ["updates", "alternatives"] { try createFolder(copy.appending(name)) }
        let audit = try await ToolRunner().run(Judge.dpkg, ["--admindir=\(copy)", "--audit"], place: "audit")
        #expect(audit.text == "")
        let states = try await ToolRunner().run(
            Judge.dpkgQuery, ["--admindir=\(copy)", "-W", "-f", "${Package} ${Status}\n"], place: "query")
        #expect(states.text == ["alpha", "beta", "gamma"].map { "\($0) install ok installed\n" }.joined())

        // A second run gives the same layer; a stored one is not made again.
        let again = try await configure(request, store: "store2")
        #expect(again.layer.digest == layer.digest)
        let stored = try await configure(request)
        #expect(stored.report == nil)
        #expect(stored.layer.digest == layer.digest)
        try expectNothingLeft()
    }

    /// What a stock image has: a package that is upgraded, one that goes, and one that stays.
    private func stock(prerm: String = "#!/bin/sh\necho \"prerm $*\" >>/etc/calls\n") -> [SmallPackage] {
        let note = "#!/bin/sh\necho \"old $DPKG_MAINTSCRIPT_NAME $*\" >>/etc/calls\n"
        return [
            SmallPackage(
                name: "tool", files: ["usr/share/tool/data": "1.0\n", "usr/share/tool/gone": "1.0\n"],
                control: ["prerm": note, "postrm": note], state: "install ok installed"),
            SmallPackage(
                name: "rival", files: ["usr/share/rival/data": "x\n"], control: ["prerm": prerm],
                state: "install ok installed"),
            SmallPackage(
                name: "watcher", control: ["postinst": "#!/bin/sh\necho \"watcher $*\" >>/etc/calls\n"],
                state: "install ok installed"),
        ]
    }

    @Test func aStockImagesPackagesAreUpgradedAndRemovedByDpkg() async throws {
        let fresh = SmallPackage(
            name: "fresh", files: ["usr/share/watched/fresh": "x\n"],
            control: ["postinst": "#!/bin/sh\necho \"fresh $*\" >>/etc/calls\n"])
        let newer = SmallPackage(
            name: "tool", version: "2.0", files: ["usr/share/tool/data": "2.0\n"],
            control: ["preinst": "#!/bin/sh\necho \"new preinst $*\" >>/etc/calls\n"])
        var request = try await request(stock() + [fresh])
        request.packages = [fresh.package]
        request.dpkgVersion = "1.22"
        request.removed = ["rival"]
        request.archives = [try await newer.archive(in: folder.path.appending("debs"))]
        // As `DpkgDatabase.layer(for:over:in:epoch:)` leaves an activation.
        var triggers = Layer(name: "triggers")
        let file = Attributes(mode: 0o644, mtime: Timestamp(seconds: 1))
        triggers.addFile("var/lib/dpkg/triggers/File", file, text: "/usr/share/watched watcher\n")
        triggers.addFile("var/lib/dpkg/triggers/Unincorp", file, text: "/usr/share/watched -\n")
        triggers.addFile("var/lib/dpkg/info/watcher.triggers", file, text: "interest /usr/share/watched\n")
        try request.tree.apply(triggers)

        let (layer, report) = try await configure(request)
        var tree = request.tree
        try tree.apply(layer)
        let reader = ContentReader()
        func text(_ path: EntryPath) throws -> String? { try tree.content(path).map { try reader.text(of: $0) } }
        let calls = try #require(try text("etc/calls")).split(separator: "\n").map(String.init)
        #expect(
            Array(calls.prefix(4)) == [
                "prerm remove", "old prerm upgrade 2.0", "new preinst upgrade 1.0 2.0", "old postrm upgrade 2.0",
            ])
        #expect(Set(calls.dropFirst(4)) == ["fresh configure ", "watcher triggered /usr/share/watched"])
        #expect(try text("usr/share/tool/data") == "2.0\n")
        #expect(tree["usr/share/tool/gone"] == nil && tree["usr/share/rival/data"] == nil)
        #expect(try text("var/lib/dpkg/triggers/Unincorp") == "")
        let states = try #require(try text("var/lib/dpkg/status")).split(separator: "\n")
            .filter { $0.hasPrefix("Package: ") || $0.hasPrefix("Status: ") }.joined(separator: " ")
        #expect(!states.contains("rival") && states.components(separatedBy: "install ok installed").count == 4)
        let timed = try #require(report).timings.map { "\($0.package) \($0.script)" }
        #expect(timed.starts(with: ["rival removal", "tool unpack"]), "\(timed)")
        try expectNothingLeft()
    }

    @Test func aPackageThatCannotBeRemovedIsNamed() async throws {
        var request = try await request(stock(prerm: "#!/bin/sh\necho I stay >&2\nexit 4\n"))
        request.packages = []
        request.dpkgVersion = "1.22"
        request.removed = ["rival"]
        let prepared = request
        let failure = await failure { try await configure(prepared) }
        #expect(failure?.place == "rival")
        #expect(failure?.message == "the removal script ended with status 4")
        #expect(failure?.found == "I stay")
    }

    @Test func aFailingPostinstIsNamedWithItsStatusAndLastLines() async throws {
        let package = SmallPackage(
            name: "delta", version: "2:1.5-3",
            control: ["postinst": "#!/bin/sh\necho setting delta up\necho 'cannot frobnicate' >&2\nexit 3\n"])
        let failure = try await refused(package)
        #expect(
            failure?.description == """
                delta 2:1.5-3: the postinst script (configure) ended with status 3
                  found:    setting delta up
                            cannot frobnicate
                  next:     read all that it printed: \(log)
                """)
        let text = String(decoding: try readFile(log), as: UTF8.self)
        #expect(text.contains("cannot frobnicate"))
    }

    @Test func aFailingPreinstIsNamedWithItsStatusAndLastLines() async throws {
        let failure = try await refused(
            SmallPackage(name: "delta", control: ["preinst": "#!/bin/sh\necho no >&2\nexit 7\n"]))
        #expect(
            failure?.description == """
                delta 1.0: the preinst script ended with status 7
                  found:    no
                  next:     read all that it printed: \(log)
                """)
    }

    @Test func aFullDiskIsSaid() async throws {
        let failure = try await refused(
            SmallPackage(
                name: "delta",
                control: ["postinst": "#!/bin/sh -e\ndd if=/dev/zero of=/big bs=1M count=4096\n"]))
        #expect(failure?.place == "delta 1.0")
        #expect(failure?.message == "the micro-VM's disk is full")
        #expect(failure?.expected == "room for the 16 MiB that maintainer scripts may write")
    }

    @Test func aPanicOfTheGuestsKernelIsSaid() async throws {
        let failure = try await refused(
            SmallPackage(
                name: "delta",
                control: ["postinst": "#!/bin/sh\necho 1 >/proc/sys/kernel/sysrq\necho c >/proc/sysrq-trigger\n"]))
        #expect(failure?.place == "delta 1.0")
        #expect(failure?.message == "the micro-VM's kernel panicked")
        #expect(failure?.found?.contains("sysrq triggered crash") == true)
    }

    @Test func aScriptThatHangsIsNamed() async throws {
        let failure = try await refused(
            SmallPackage(name: "delta", control: ["postinst": "#!/bin/sh\necho waiting\nsleep 100000\n"])
        ) { $0.limits.silence = .seconds(5) }
        #expect(
            failure?.description == """
                delta 1.0: the postinst script (configure) hangs
                  found:    nothing printed for 5 seconds
                            waiting
                  next:     read all that it printed: \(log)
                """)
    }

    @Test func cancellingEndsTheMachineAndLeavesNothing() async throws {
        let request = try await request([
            SmallPackage(name: "delta", control: ["postinst": "#!/bin/sh\nsleep 100000\n"])
        ])
        let recording = Recording()
        let task = Task {
            try await MicroVM.configure(
                request, store: LayerStore(folder: folder.path.appending("store")),
                work: folder.path.appending("work"), log: log, progress: recording)
        }
        for await event in recording.stream {
            if case .advanced(_, 1, 1, .count, "delta") = event { break }
        }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        try expectNothingLeft()
    }
}
