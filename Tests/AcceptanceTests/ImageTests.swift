import Records
import Digests
import Foundation
import Storage
import Synchronization
import SystemPackage
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// The small recipe, from Debian's archive to a booted board. The tests follow each other: each needs what the one
/// before it made.
@Suite(.serialized) final class ImageTests {
    /// Shared by the tests of this run, and removed with it.
    private static let folder = Mutex<TemporaryFolder?>(nil)
    private static let recipe = "recipes/debian-13-small.yaml"
    private static let name = "debian-13-small"

    private let root: FilePath

    init() throws {
        root = try Self.folder.withLock { folder in
            if let folder { return folder.path }
            let made = try TemporaryFolder(in: "/var/tmp", name: "piforge-acceptance")
            folder = made
            // What a static holds is not released when a process ends.
            atexit { ImageTests.folder.withLock { $0 = nil } }
            // The folder is entered by the user without privileges, too.
            chmod(made.path.string, 0o755)
            return made.path
        }
    }

    private var recipePath: String { root.pushing(FilePath(Self.recipe)).string }
    private var image: FilePath { root.appending("out").appending("\(Self.name).img.xz") }

    private func lock(in folder: FilePath) -> FilePath { folder.pushing(FilePath("recipes/\(Self.name).lock")) }

    /// Downloads first; then, as a user with no capabilities and with no network at all, the build.
    @Test func firstImageNeedsNeitherRootNorNetwork() throws {
        // The clone may lie where the user without privileges may not look.
        try createFolder(root.appending("recipes"))
        try createFolder(root.appending("out"))
        for (file, place) in [
            (Program.path, FilePath("piforge")),
            (Program.repository.pushing(FilePath(Self.recipe)), FilePath(Self.recipe)),
            (lock(in: Program.repository), lock(in: "")),
        ] {
            try FileManager.default.copyItem(atPath: file.string, toPath: root.pushing(place).string)
        }
        let fetched = try Program.piforge(
            ["fetch", Self.recipe, "--cache", root.appending("cache").string, "-o", root.appending("out").string],
            directory: root)
        #expect(fetched.status == 0, "\(fetched.errors)")
        // Where the mirror no longer has a locked version, other packages were chosen and locked beside the image.
        let chosen = root.appending("out").appending("\(Self.name).lock")
        if exists(chosen) {
            _ = try Program.run(["mv", chosen.string, lock(in: root).string])
        }
        let isRoot = getuid() == 0
        if isRoot { _ = try Program.run(["chown", "-R", "65534:65534", root.string]) }
        let lowered =
            isRoot
            ? [
                "unshare", "--net", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all",
                "--bounding-set=-all", "--no-new-privs",
            ]
            : ["unshare", "--user", "--map-current-user", "--net", "setpriv", "--inh-caps=-all", "--no-new-privs"]
        let command =
            lowered + [
                root.appending("piforge").string, "build", Self.recipe, "--offline", "--locked", "--cache",
                root.appending("cache").string, "-o", root.appending("out").string,
            ]
        let built = try Program.run(command, environment: ["HOME": "/nonexistent"], directory: root)
        #expect(built.status == 0, "\(built.errors)")
        let names = files(below: root.appending("out"))
        #expect(
            names == [
                "\(Self.name).SHA256SUMS", "\(Self.name).cdx.json",
                "\(Self.name).configure.kernel.log", "\(Self.name).configure.log",
                "\(Self.name).credentials",
                "\(Self.name).img.bmap", "\(Self.name).img.xz", "\(Self.name).manifest.json",
                "\(Self.name).os_list.json",
                "\(Self.name).provenance.json", "\(Self.name).spdx.json",
            ])
        #expect(files(below: root.appending("cache").appending("work")) == [])
    }

    @Test func independentToolsFindNothingWrong() throws {
        let folder = image.removingLastComponent()
        let sums = try Program.run(["sha256sum", "--check", "--strict", "\(Self.name).SHA256SUMS"], directory: folder)
        #expect(sums.status == 0, "\(sums.output)")
        #expect(try Program.run(["xz", "--test", image.string]).status == 0)
        let raw = root.appending("raw.img")
        let unpacked = try Program.run(["sh", "-c", "xz -dc \(image) | dd of=\(raw) conv=sparse bs=1M status=none"])
        #expect(unpacked.status == 0)
        let manifest = try Manifest.read(folder.appending("\(Self.name).manifest.json"))
        let size = manifest.image.uncompressedSize
        #expect(try Program.run(["truncate", "-s", String(size), raw.string]).status == 0)
        let table = try Program.run(["sfdisk", "--verify", raw.string])
        #expect(table.status == 0)
        #expect(table.output.contains("No errors detected") || table.errors.contains("No errors detected"))
        for (partition, check) in zip(manifest.partitionTable.partitions, [["fsck.fat", "-n"], ["e2fsck", "-fn"]]) {
            let part = root.appending("part\(partition.number)")
            let cut = try Program.run([
                "dd", "if=\(raw)", "of=\(part)", "bs=1M", "iflag=skip_bytes,count_bytes", "conv=sparse", "status=none",
                "skip=\(partition.start)", "count=\(partition.size)",
            ])
            #expect(cut.status == 0)
            _ = try Program.run(["truncate", "-s", String(partition.size), part.string])
            let judged = try Program.run(check + [part.string], environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
            #expect(judged.status == 0, "\(judged.output)")
            removeTree(part)
        }
        let copied = root.appending("copied.img")
        let copy = try Program.run(["bmaptool", "copy", image.string, copied.string])
        #expect(copy.status == 0 && copy.errors.contains("discovered bmap file"), "\(copy.errors)")
        #expect(try Program.run(["cmp", copied.string, raw.string]).status == 0)
        removeTree(copied)
        removeTree(raw)
        #expect(manifest.packages.count > 100)
    }

    @Test func generatedPasswordIsTheOwnersAlone() throws {
        var status = stat()
        #expect(stat(root.appending("out").appending("\(Self.name).credentials").string, &status) == 0)
        #expect(status.st_mode & 0o777 == 0o600)
        let manifest = String(
            decoding: try readFile(root.appending("out").appending("\(Self.name).manifest.json")), as: UTF8.self)
        let line = String(
            decoding: try readFile(root.appending("out").appending("\(Self.name).credentials")), as: UTF8.self)
        let password = line.split(separator: ":").last.map { $0.trimmingCharacters(in: .newlines) } ?? ""
        #expect(password.count == 19)
        #expect(!manifest.contains(password))
    }

    /// Without packing anything: the image stays the file that it is.
    @Test func companionsThatAreMissingAreMadeAgain() throws {
        let out = root.appending("out")
        func inode() throws -> String { try Program.run(["stat", "-c", "%i", image.string]).output }
        let before = try inode()
        let names = ["img.bmap", "spdx.json", "SHA256SUMS"].map { "\(Self.name).\($0)" }
        let old = try names.map { try readFile(out.appending($0)) }
        removeTree(out.appending(names[0]))
        removeTree(out.appending(names[2]))
        try writeAtomically(to: out.appending(names[1]), bytes: Array("{}\n".utf8))
        let again = try Program.piforge([
            "build", recipePath, "--offline", "--cache", root.appending("cache").string, "-o", out.string,
        ])
        #expect(again.status == 0, "\(again.errors)")
        #expect(!again.errors.split(separator: "\n").contains { $0.hasPrefix("pack:") }, "\(again.errors)")
        #expect(try names.map { try readFile(out.appending($0)) } == old)
        #expect(try inode() == before)
    }

    @Test func nothingChangedMeansNothingRuns() throws {
        let again = try Program.piforge([
            "build", recipePath, "--offline", "--cache", root.appending("cache").string, "-o",
            root.appending("out").string,
        ])
        #expect(again.status == 0, "\(again.errors)")
        #expect(again.output.contains("(nothing has changed)"))
        let plan = try Program.piforge([
            "plan", recipePath, "--offline", "--cache", root.appending("cache").string, "-o",
            root.appending("out").string,
        ])
        #expect(plan.status == 0)
        #expect(!plan.output.contains("  run "), "\(plan.output)")
        let renamed = try Program.piforge([
            "plan", recipePath, "--offline", "--cache", root.appending("cache").string, "-o",
            root.appending("out").string, "--set", "system.hostname=other",
        ])
        #expect(renamed.output.contains("system.hostname: rpi4 → other"), "\(renamed.output)")
    }

    /// One thing that is changed before a plan and a build.
    struct Edit: Sendable, CustomTestStringConvertible {
        var testDescription: String
        /// Of both commands.
        var arguments: [String] = []
        /// What the reason of a row names; nil where the folder was never built into, or nothing but the store is different.
        var reason: String?
        /// Steps that the plan finds to be made, besides those that are kept nowhere.
        var made: Set<String> = []
        /// - Parameter root: the folder with the recipes, the cache and the outputs.
        var change: @Sendable (_ root: FilePath) throws -> Void = { _ in }

        static let overlay = ["--set", "overlays=[{path: ./mine}]"]

        static func write(_ path: String, _ text: String) -> @Sendable (FilePath) throws -> Void {
            { root in
                let file = root.pushing(FilePath(path))
                try createFolder(file.removingLastComponent())
                try writeAtomically(to: file, bytes: Array(text.utf8))
            }
        }
    }

    static let edits = [
        Edit(testDescription: "another output folder"),
        Edit(
            testDescription: "system", arguments: ["--set", "system.hostname=planned"], reason: "system.hostname: "),
        Edit(testDescription: "disk", arguments: ["--set", "disk.free_space=600M"], reason: "disk.free_space: "),
        Edit(testDescription: "memory", arguments: ["--set", "memory.limit=512M"], reason: "memory.limit: "),
        Edit(
            testDescription: "output", arguments: ["--set", "output.compression.preset=1"],
            reason: "output.compression.preset: "),
        Edit(testDescription: "seed, one job", arguments: ["--set", "seed=other", "--jobs", "1"], reason: "seed: "),
        Edit(
            // What is made for the kernel is the same: the line holds already.
            testDescription: "fragment", arguments: ["--set", "kernel.fragments=[./mine.config]"], reason: "recipe: ",
            change: Edit.write("recipes/mine.config", "CONFIG_KVM=y\n")),
        Edit(
            testDescription: "overlay", arguments: Edit.overlay, reason: "never built here",
            change: Edit.write("recipes/mine/etc/motd", "welcome\n")),
        Edit(testDescription: "overlay's file", arguments: Edit.overlay, reason: "overlay mine to /: ") {
            try Edit.write("recipes/mine/etc/motd", "hello\n")($0)
        },
        Edit(testDescription: "overlay's mode", arguments: Edit.overlay, reason: "overlay mine to /: ") {
            chmod($0.pushing("recipes/mine/etc/motd").string, 0o755)
        },
        Edit(
            testDescription: "overlay that feeds a package's script", arguments: Edit.overlay,
            reason: "overlay mine to /: ", made: ["indexes"],
            change: Edit.write("recipes/mine/etc/ld.so.conf.d/mine.conf", "/opt/mine\n")),
        Edit(testDescription: "secret", reason: "password and keys: ") { root in
            let file = root.pushing("planned/debian-13-small.credentials")
            let text = String(decoding: try readFile(file), as: UTF8.self)
            try writeAtomically(
                to: file, mode: 0o600, bytes: Array(text.replacing(/:.*/, with: ":battery-staple").utf8))
        },
        Edit(
            testDescription: "pruned store", arguments: ["--set", "system.hostname=pruned"],
            reason: "system.hostname: ", made: ["packages"]
        ) { root in
            let layers = root.pushing("cache/layers")
            for name in fileNames(in: layers) { removeTree(layers.appending(name)) }
        },
    ]

    /// What the plan says would run is what the build makes, and nothing else; where it says that a step decides, the build does.
    @Test(arguments: edits) func planRunsWhatTheBuildMakes(edit: Edit) throws {
        let out = root.appending("planned")
        try edit.change(root)
        let arguments =
            [recipePath, "--offline", "--cache", root.appending("cache").string, "-o", out.string, "--json"]
            + edit.arguments
        struct Row: Decodable {
            var step: String
            var action: String
            var reason: String?
        }
        struct Built: Decodable { var steps: [Row] }
        let plan = try Program.piforge(["plan"] + arguments)
        #expect(plan.status == 0, "\(plan.errors)")
        let rows = try plan.output.split(separator: "\n").map { line in
            try JSONDecoder().decode(Row.self, from: Data(line.utf8))
        }
        let built = try Program.piforge(["build"] + arguments)
        #expect(built.status == 0, "\(built.errors)")
        let last = try #require(built.output.split(separator: "\n").last)
        let made = try JSONDecoder().decode(Built.self, from: Data(last.utf8)).steps
        #expect(made.map(\.step) == rows.map(\.step))
        for (row, step) in zip(rows, made) {
            if row.action.hasPrefix("after ") {
                #expect(!edit.made.isEmpty, "\(row)")
            } else {
                #expect(row.action == step.action, "\(row)")
            }
        }
        let kept: Set = ["packages", "module index", "configure", "indexes", "kernel"]
        #expect(Set(rows.filter { $0.action == "run" }.map(\.step)).intersection(kept) == edit.made)
        #expect(rows.contains { $0.step == "accounts" && $0.action == "run" })
        if let reason = edit.reason { #expect(rows.contains { $0.reason?.contains(reason) == true }, "\(rows)") }
        let again = try Program.piforge(["plan"] + arguments)
        #expect(!again.output.contains("\"run\"") && !again.output.contains("\"after"), "\(again.output)")
        let graph = try Program.piforge(["plan", "--graph"] + arguments)
        #expect(graph.output.hasPrefix("digraph plan {\n") && graph.output.contains("\"configure\" -> \"kernel\";\n"))
    }

    /// Neither packages nor scripts run again, next to no block is compressed, and the images differ in the name alone.
    @Test func anotherHostNameRunsNoMoreThanItMust() throws {
        let renamed = root.appending("renamed")
        try createFolder(renamed)
        _ = try Program.run([
            "cp", root.appending("out").appending("\(Self.name).credentials").string, renamed.string,
        ])
        // Somebody's own, of a name that another recipe's build would give.
        let own = renamed.appending("\(Self.name).os_list.json")
        try writeAtomically(to: own, bytes: Array("mine\n".utf8))
        let built = try Program.piforge([
            "build", recipePath, "--offline", "--cache", root.appending("cache").string, "-o", renamed.string, "--set",
            "system.hostname=other", "--set", "output.companions=[bmap]",
        ])
        #expect(built.status == 0, "\(built.errors)")
        #expect(try readFile(own) == Array("mine\n".utf8))
        #expect(
            built.errors.contains("outputs: \(own) is not of this build; it stays as it is\n"), "\(built.errors)")
        let steps = Set(built.errors.split(separator: "\n").compactMap { $0.split(separator: ":").first })
        #expect(steps == ["unpack", "system", "file systems", "pack", "outputs"], "\(built.errors)")
        let packed = try #require(built.errors.firstMatch(of: /blocks: (\d+) new, (\d+) reused/))
        let (new, reused) = (Int(packed.1) ?? 0, Int(packed.2) ?? 0)
        #expect((1...3).contains(new) && reused > 40, "\(packed.0)")

        let other = renamed.appending("\(Self.name).img.xz")
        let compared = try Program.piforge(["diff", image.string, other.string, "--json"])
        #expect(compared.status == 1, "\(compared.errors)")
        let text = try Program.piforge(["diff", image.string, other.string, "--only", "files"])
        let names = text.output.split(separator: "\n").compactMap { $0.wholeMatch(of: /\s+! (.+?): .*/)?.1 }
        #expect(names == ["/etc/hostname", "/etc/hosts"], "\(text.output)")
        let same = try Program.piforge(["diff", image.string, image.string])
        #expect(same.status == 0, "\(same.output)")
        removeTree(renamed)
    }

    /// Each device has its image and all that lies beside one; the sums hold, and what publishes it names its own files.
    @Test func aListOfDevicesMakesAnImageOfEach() throws {
        let devices = root.appending("devices")
        let list = root.appending("devices.yaml")
        let text = ["north", "south"].map { "- {name: \($0), set: {system.hostname: \($0)}}\n" }.joined()
        try writeAtomically(to: list, bytes: Array(text.utf8))
        let built = try Program.piforge([
            "build", recipePath, "--offline", "--cache", root.appending("cache").string, "-o", devices.string,
            "--matrix", list.string,
        ])
        #expect(built.status == 0, "\(built.errors)")
        for device in ["north", "south"] {
            let name = "\(Self.name)-\(device)"
            let sums = try Program.run(["sha256sum", "--check", "--strict", "\(name).SHA256SUMS"], directory: devices)
            #expect(sums.status == 0 && sums.output.split(separator: "\n").count == 7, "\(sums.output)")
            let named = try Program.run(
                ["jq", "-r", ".os_list[0] | .name, .url, .bmap_url", "\(name).os_list.json"],
                directory: devices)
            #expect(named.output == "\(name)\n\(name).img.xz\n\(name).img.bmap\n", "\(named.errors)")
            let host = try Program.piforge([
                "cat", devices.appending("\(name).img.xz").string, "/etc/hostname",
            ])
            #expect(host.output == "\(device)\n")
        }
        removeTree(devices)
    }

    /// Another folder, user, umask, time zone, language and clock, folders listed backwards, one job, an empty cache but for the
    /// downloads; and then the warm cache.
    @Test func sameBytesWhateverMustNotMatter() throws {
        let outcome = try Program.run(
            [
                Program.repository.pushing("scripts/reproduce.sh").string, recipePath, "--first",
                root.appending("out").string, "--cache", root.appending("cache").string,
            ], environment: ["WORK": root.appending("reproduce").string, "PIFORGE": Program.path.string])
        #expect(outcome.status == 0, "\(outcome.output)\(outcome.errors)")
        let year = Date().addingTimeInterval(400 * 86_400).formatted(.iso8601.year())
        #expect(outcome.output.contains("the clock there says \(year)-"), "\(outcome.output)")
        for place in ["elsewhere", "warm cache"] {
            #expect(outcome.output.contains("\(place): 8 files are the same, byte for byte"), "\(outcome.output)")
        }
        removeTree(root.appending("reproduce"))
    }

    /// All of the disk written out and judged: the same image.
    @Test func aFullCheckMakesTheSameImage() throws {
        let before = try SHA256Digest.of(file: image)
        let trace = root.appending("trace.json")
        let built = try Program.piforge([
            "build", recipePath, "--offline", "--cache", root.appending("cache").string, "-o",
            root.appending("out").string, "--check", "full", "--trace", trace.string,
        ])
        #expect(built.status == 0, "\(built.errors)")
        #expect(!built.output.contains("nothing has changed"), "\(built.output)")
        #expect(try SHA256Digest.of(file: image) == before)
        #expect(built.output.contains(#/\n  [0-9.]+ s: /#), "\(built.output)")
        struct Trace: Decodable {
            struct Event: Decodable {
                var name: String
                var cat: String
                var dur: Int?
            }
            var traceEvents: [Event]
        }
        let events = try JSONDecoder().decode(Trace.self, from: Data(readFile(trace))).traceEvents
        #expect(
            Set(events.filter { $0.dur != nil }.map(\.cat)).isSuperset(of: ["unpack", "system", "file systems", "pack"])
        )
        #expect(events.contains { $0.name.hasPrefix("block ") } && events.contains { $0.name.hasPrefix("hash from ") })
    }

    /// The password that is kept is that of the image, whoever of two builds was faster.
    @Test func twoBuildsOfAnImageDoNotMix() async throws {
        let out = root.appending("twice")
        let arguments = [
            "build", recipePath, "--offline", "--cache", root.appending("cache").string, "-o", out.string, "--set",
        ]
        func build(_ name: String) -> Task<Outcome, any Error> {
            Task.detached { try Program.piforge(arguments + ["system.hostname=\(name)"]) }
        }
        let (first, second) = (build("one"), build("two"))
        let outcomes = try await [first.value, second.value]
        #expect(outcomes.allSatisfy { $0.status == 0 }, "\(outcomes.map(\.errors))")
        #expect(outcomes.filter { $0.output.contains("  password  ") }.count == 1)
        #expect(outcomes.filter { $0.errors.contains("outputs: another build makes ") }.count == 1)
        #expect(!files(below: out).contains { $0.hasPrefix(".") })
        let shadow = try Program.piforge(["cat", out.appending("\(Self.name).img.xz").string, "/etc/shadow"]).output
        let hash = try #require(shadow.firstMatch(of: /\npi:([^:]+):/)?.1)
        let credentials = String(
            decoding: try readFile(out.appending("\(Self.name).credentials")), as: UTF8.self)
        let password = try #require(credentials.firstMatch(of: /pi:(.*)/)?.1)
        // crypt(3) through perl, whose word we take.
        let made = try Program.run(["perl", "-e", "print crypt($ARGV[0], $ARGV[1])", String(password), String(hash)])
        #expect(made.output == hash)
        removeTree(out)
    }

    /// At each step: the program ends with 130, no process stays, and nothing is left but the cache.
    @Test(arguments: ["unpack", "configure", "system", "file systems", "pack"])
    func interruptLeavesNothingBehind(step: String) throws {
        let out = root.appending("interrupted")
        let cache = root.appending("interrupted-cache")
        try createFolder(cache)
        _ = try Program.run([
            "cp", "-a", root.appending("cache").appending("store").string, cache.appending("store").string,
        ])
        if step != "unpack", step != "configure" {
            _ = try Program.run([
                "cp", "-a", root.appending("cache").appending("layers").string, cache.appending("layers").string,
            ])
        }
        // Once: a second signal ends the program on the spot.
        let isSent = Atomic(false)
        let outcome = try Program.piforge([
            "build", recipePath, "--offline", "--cache", cache.string, "-o", out.string,
        ]) { line, process in
            if line.hasPrefix("\(step):"), !isSent.exchange(true, ordering: .relaxed) {
                kill(process.processIdentifier, SIGINT)
            }
        }
        #expect(outcome.status == 130, "\(outcome.errors)")
        #expect(outcome.errors.hasSuffix("piforge: interrupted; nothing unfinished was left behind\n"))
        #expect(files(below: cache.appending("work")) == [])
        #expect(files(below: out).allSatisfy { $0.hasSuffix(".log") }, "\(files(below: out))")
        #expect(!files(below: cache).contains { $0.hasSuffix(".partial") })
        let left = try Program.run(["pgrep", "-f", cache.string])
        #expect(left.status == 1, "\(left.output)")
        removeTree(out)
        removeTree(cache)
    }

    @Test(arguments: ["raspi4b", "virt"])
    func bootedImagePassesEveryCheck(machine: String) throws {
        let proof = try Program.piforge([
            "prove", image.string, "--machine", machine, "--cache", root.appending("cache").string, "--log",
            root.string,
        ])
        print(proof.output)
        #expect(proof.status == 0, "\(proof.output)")
        #expect(!proof.output.contains("FAILED"))
    }
}
