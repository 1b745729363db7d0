import Diagnostics
import Digests
import Foundation
import Storage
import TestSupport
import Testing

#if canImport(Glibc)
    import Glibc
#endif

/// One thing that is changed, and what has to run for it.
private struct Edit: Sendable, CustomTestStringConvertible {
    let name: String
    /// Besides what follows from them.
    let steps: Set<String>
    /// What the first of the steps says of it.
    let reason: String
    let apply: @Sendable (PlanBench) throws -> Void

    init(
        _ name: String, _ steps: Set<String>, _ reason: String, _ apply: @escaping @Sendable (PlanBench) throws -> Void
    ) {
        self.name = name
        self.steps = steps
        self.reason = reason
        self.apply = apply
    }

    var testDescription: String { name }

    /// In the plan's order.
    static let order = [
        "packages", "module index", "configure", "kernel", "runtimes", "apt", "first boot", "fstab", "system",
        "network", "ssh",
        "services", "network wait",
        "accounts", "secrets", "boot", "overlay 1 files", "docker", "file systems", "image",
    ]

    /// The steps with all that start from their results.
    static func following(_ steps: Set<String>) -> Set<String> {
        var all = steps
        for (step, next) in [
            ("packages", "module index"), ("module index", "configure"), ("configure", "kernel"),
        ] where all.contains(step) {
            all.insert(next)
        }
        if all.contains(where: { $0 != "image" }) { all.insert("file systems") }
        if !all.isEmpty { all.insert("image") }
        return all
    }

    static func recipe(_ steps: Set<String>, _ reason: String, _ old: String, _ new: String) -> Edit {
        Edit("recipe: \(old) → \(new)", steps, reason) { $0.replaced.append((old, new)) }
    }

    static func program(_ program: String, _ steps: Set<String>) -> Edit {
        Edit("another \(program)", steps, "\(program == "libarchive" ? "" : "tool ")\(program):") {
            $0.programs[program] = "99"
        }
    }

    static let files: [Edit] = [
        Edit("an overlay's file has another content", ["overlay 1 files"], "overlay") {
            try $0.write("overlays/files/etc/motd", "hello\n")
        },
        Edit("an overlay's file has another mode", ["overlay 1 files"], "overlay") {
            chmod($0.path("overlays/files/usr/local/bin/hello").string, 0o755)
        },
        Edit("an overlay has one more file", ["overlay 1 files"], "overlay") {
            try $0.write("overlays/files/etc/hello", "")
        },
        Edit("an overlay's link leads elsewhere", ["overlay 1 files"], "overlay") {
            removeTree($0.path("overlays/files/etc/issue"))
            symlink("hosts", $0.path("overlays/files/etc/issue").string)
        },
        Edit("another SSH key", ["accounts"], "accounts.pi password and keys: ") {
            try $0.write("pi.pub", PlanBench.key(1))
        },
        Edit("a fragment has one more line", ["kernel"], "kernel.fragments ./mine.config: ") {
            try $0.write("mine.config", "CONFIG_KVM=y\nCONFIG_VHOST_NET=m\n")
        },
        Edit("a runtime needs another symbol", ["kernel"], "mine.yaml kernel: CONFIG_TUN=y|m → CONFIG_TAP=y|m") {
            try $0.write("runtimes/mine.yaml", PlanBench.runtime(kernel: "CONFIG_TAP=y|m", path: "/usr/bin/mine"))
        },
    ]

    static let locks: [Edit] = [
        Edit("another version of a package", ["packages"], "docker.io: 26.1.5+dfsg1-9 arm64 ") {
            try $0.setPackages([("docker.io", "27.0.0", "docker"), ("sudo", "1.9.16", "sudo")])
        },
        Edit("other bytes of a package", ["packages"], "sudo: 1.9.16 arm64 ") {
            try $0.setPackages([("docker.io", "26.1.5+dfsg1-9", "docker"), ("sudo", "1.9.16", "other")])
        },
        Edit("one more package", ["packages", "apt"], "libc6: none → 2.41 arm64 ") {
            try $0.setPackages([
                ("docker.io", "26.1.5+dfsg1-9", "docker"), ("libc6", "2.41", "libc"), ("sudo", "1.9.16", "sudo"),
            ])
        },
    ]

    static let values: [Edit] = [
        recipe(["system"], "system.hostname: pi → kitchen", "hostname: pi", "hostname: kitchen"),
        recipe(["system"], "system.timezone: UTC → Europe/Oslo", "timezone: UTC", "timezone: Europe/Oslo"),
        recipe(["network"], "system.wifi.ssid: home → away", "ssid: home", "ssid: away"),
        recipe(["services"], "system.services.enable: fstrim.timer → none", "enable: [fstrim.timer]", "enable: []"),
        recipe(["docker"], "docker.log: 10m 3 → 10m 4", "max_file: 3", "max_file: 4"),
        recipe(["boot"], "memory.limit: 1024M → 2048M", "limit: 1G", "limit: 2G"),
        recipe(["accounts"], "accounts.pi: ", "sudo: nopasswd", "sudo: false"),
        recipe(["file systems"], "disk.free_space: 536870912 → 1073741824", "free_space: 512M", "free_space: 1G"),
        recipe(["file systems"], "seed: pi → other", "base: {", "seed: other\nbase: {"),
        recipe(["image"], "output.compression.preset: 6 → 3", "preset: 6", "preset: 3"),
        recipe(["image"], "output.compression.block_size: 8388608 → 4194304", "block_size: 8M", "block_size: 4M"),
        recipe(["image"], "recipe: ", "packages: {", "description: a board\npackages: {"),
        Edit("another secret of the environment", ["network"], "system.wifi.key: ") {
            $0.passphrase = "battery staple"
        },
        Edit("another mirror for the board", ["apt"], "apt sources: ") { $0.mirror = "http://127.0.0.1:2/debian" },
    ]

    static let programs: [Edit] = [
        program("openssl", ["configure"]), program("depmod", ["module index"]), program("libarchive", ["kernel"]),
        program("mke2fs", ["file systems"]), program("mkfs.fat", ["file systems"]),
    ]

    /// All steps that a time stands in.
    static let everywhere: [Edit] = [
        Edit.recipe(Set(order), "epoch: ", "epoch: 2026-11-01", "epoch: 2026-11-02"),
        Edit("another format", Set(order), "piforge's format changed") { $0.formatVersion += 1 },
    ]

    /// What no step may notice.
    static let harmless: [Edit] = [
        Edit("another number of jobs", [], "") { $0.jobs = 7 },
        Edit("a file's time", [], "") {
            let path = $0.path("overlays/files/etc/motd").string
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSince1970: 1)], ofItemAtPath: path)
        },
        recipe([], "", "docker: {", "# a remark\ndocker:  {"),
        Edit("a file beside the overlay", [], "") { try $0.write("overlays/other/etc/motd", "no\n") },
    ]

    static let all = files + locks + values + programs + everywhere + harmless
}

@Suite struct PlanPropertyTests {
    @Test func aPlanHasTheStepsThatAreEditedHere() async throws {
        let bench = try await PlanBench()
        #expect(try await bench.builder().planned().steps.map(\.name) == Edit.order)
        try await bench.remember()
        #expect(try await bench.running() == [:])
    }

    /// A look needs no passphrase and no network, writes nothing, and goes as far as results are there.
    @Test func aPlanNeedsNoSecretAndLeavesNothing() async throws {
        let bench = try await PlanBench()
        bench.passphrase = ""
        let before = try await bench.builder().plan().rows
        let kept = ["module index", "configure", "kernel"]
        #expect(before.map(\.action) == Edit.order.map { kept.contains($0) ? "after packages" : "run" })
        #expect(
            before.allSatisfy { row in
                row.reason
                    == (row.step == "network"
                        ? "not known: the environment variable WIFI is not set" : "never built here")
            })
        #expect(!exists(bench.path("out")))
        for name in ["store", "layers", "blocks", "plans", "work"] {
            let left = FileManager.default.enumerator(atPath: bench.path("cache/\(name)").string)?.allObjects ?? []
            let files = left.compactMap { $0 as? String }.filter { path in
                if case .regular? = try? fileKind(bench.path("cache/\(name)/\(path)")) { true } else { false }
            }
            #expect(files == [], "\(name)")
        }
        // The build itself needs it.
        let refused = await failure { _ = try await bench.builder().build() }
        #expect(refused?.message == "the environment variable WIFI is not set")
    }

    /// A certificate is for the package that gathers them, a module for the kernel's index; neither concerns what comes with packages.
    @Test func whatFeedsOthersRunsWhatIsMadeOfIt() async throws {
        let bench = try await PlanBench()
        try await bench.remember()
        try bench.write("overlays/files/usr/local/share/ca-certificates/mine.crt", "one\n")
        let first = try await bench.running()
        #expect(Set(first.keys) == ["indexes", "overlay 1 files", "file systems", "image"])
        try await bench.remember()
        try bench.write("overlays/files/usr/local/share/ca-certificates/mine.crt", "another\n")
        #expect(try await Set(bench.running().keys) == Set(first.keys))
        try await bench.remember()
        try bench.write("overlays/files/usr/lib/modules/6.12.1-arm64/extra/mine.ko", "module\n")
        #expect(
            try await Set(bench.running().keys) == ["kernel", "overlay 1 files", "file systems", "image"])
    }

    /// Runtimes, fragments and overlays that come with piforge: a copy of the recipe in another folder gives the same image.
    @Test func aCopiedRecipeHasTheSamePlan() async throws {
        let bench = try await PlanBench()
        bench.replaced = [
            ("runtimes: [mine]", "runtimes: [ours]"), ("./mine.config", "mine"), ("{path: files}", "{path: motd}"),
        ]
        try bench.write("kernel-configs/mine.config", "CONFIG_KVM=y\n")
        try bench.write("overlays/motd/etc/motd", "welcome\n")
        try bench.write("overlays/ours/ours.toml", "debug = false\n")
        let program = "#!/bin/sh\n"
        try bench.write("recipes/runtimes/program", program)
        try bench.write(
            "recipes/runtimes/ours.yaml",
            """
            summary: ours
            packages: [crun]
            artefacts: [{urls: [./program], sha256: "\(SHA256Digest.of(program).hex)", to: /usr/local/bin/ours}]
            files: [{to: /etc/ours.toml, file: ../../overlays/ours/ours.toml}]
            kernel: [CONFIG_TUN=y|m]
            docker: [{name: ours, path: /usr/local/bin/ours}]

            """)
        for place in ["recipes", "somebody/elsewhere"] {
            try bench.write("\(place)/pi.pub", PlanBench.key(0))
            try bench.write(
                "\(place)/pi.lock", String(decoding: readFile(bench.path("pi.lock")), as: UTF8.self))
        }
        let plan = try await bench.builder(in: "recipes").planned()
        #expect(try await bench.builder(in: "somebody/elsewhere", share: bench.folder.path).planned() == plan)
        // No input of a step is a path of this machine.
        let inputs = plan.steps.flatMap(\.inputs)
        #expect(inputs.contains { $0.name.hasPrefix("ours.yaml ") })
        #expect(!inputs.contains { "\($0)".contains(bench.folder.path.string) })
    }

    @Test(arguments: Edit.all)
    fileprivate func anEditRunsItsStepsAndNoOther(edit: Edit) async throws {
        let bench = try await PlanBench()
        try await bench.remember()
        try edit.apply(bench)
        let running = try await bench.running()
        #expect(Set(running.keys) == Edit.following(edit.steps))
        let first = Edit.order.first { edit.steps.contains($0) }
        if let first { #expect(running[first]?.contains(edit.reason) == true, "\(running)") }
        try await bench.remember()
        #expect(try await bench.running() == [:])
    }

    /// Whatever is edited together: what runs is what each edit alone would run, and no step that one of them concerns is left
    /// out.
    @Test(arguments: 1...40 as ClosedRange<UInt64>)
    func editsTogetherRunWhatEachOfThemRuns(seed: UInt64) async throws {
        var numbers = SplitMix64(seed: seed)
        // Two edits of the same thing could undo each other.
        let pool = Edit.files + Edit.values + Edit.programs + Edit.harmless
        let edits = pool.shuffled(using: &numbers).prefix(Int.random(in: 2...5, using: &numbers))
        let bench = try await PlanBench()
        try await bench.remember()
        for edit in edits { try edit.apply(bench) }
        let running = try await bench.running()
        let wanted = edits.reduce(into: Set<String>()) { $0.formUnion(Edit.following($1.steps)) }
        #expect(Set(running.keys) == wanted, "\(edits.map(\.name))")
    }
}
