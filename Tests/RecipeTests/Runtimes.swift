import Diagnostics
import Foundation
import Recipe
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite struct Runtimes {
    private func recipe(_ overrides: [String]) throws -> Recipe {
        try Recipe.parse(
            least, file: "x.yaml", folder: fixtures.appending("good"),
            overrides: ["docker.from=distribution"] + overrides)
    }

    @Test func `every key of a runtime file can be set`() throws {
        let runtime = try #require(try recipe(["runtimes=[mine]"]).containerRuntimes.first)
        #expect(runtime.name == "mine")
        #expect(runtime.file == "mine.yaml")
        #expect(runtime.packages == ["runsc"])
        let (one, archive) = (runtime.artefacts[0], runtime.artefacts[1])
        // Paths start at the runtime file's own folder.
        #expect(one.urls == ["https://example.org/v1.0/mine", fixtures.appending("keys/ada.pub").string])
        #expect([one, archive].map(\.name) == ["mine-1.0", "more.tar.zst"])
        #expect(one.to == "/usr/local/bin/mine")
        #expect(one.mode == 0o750)
        #expect(
            archive.members == [
                .init(from: "*/bin/more", to: "/opt/mine/more", mode: 0o555),
                .init(from: "share/", to: "/opt/mine/share/"),
            ])
        #expect(runtime.files.map(\.mode) == [0o600, 0o644])
        #expect(runtime.files[0].content == "debug = true\n")
        #expect(runtime.files[1].source?.path == fixtures.appending("keys/ada.pub"))
        #expect(
            runtime.docker.map(\.definition.inline) == [
                #"{"path": "/usr/local/bin/mine", "runtimeArgs": ["--root=/run/mine"]}"#,
                #"{"options": {"TypeUrl": "a.b", "Depth": 3, "Deep": {"on": true, "ratio": 0.5, "no": null}}, "runtimeType": "io.containerd.mine.v1"}"#,
            ])
        #expect(runtime.docker.map { $0.needed?.description } == ["20.10", "24"])
        #expect(
            runtime.kernel.map(\.text) == ["CONFIG_KVM=y", "CONFIG_VHOST_MENU=y # since 5.7", "# CONFIG_X is not set"])
        #expect(runtime.kernel.map(\.line) == [22, 23, 24])
        #expect(runtime.cmdline == ["mine.debug=1"])
        #expect(runtime.checks.map(\.expect) == ["hello: world"])
        #expect(runtime.checks[0].cleanup == ["docker rm -f hello", "false"])
        #expect(runtime.checks.map(\.user) == [.root])
        #expect(runtime.version == "1.0")
        var proof = ContainerRuntime.Proof()
        proof.isolation = .seccomp
        proof.refusal = "no such thing"
        proof.image = .archive(place: "https://example.org/hello.tar", written: "https://example.org/hello.tar")
        proof.sha256 = String(repeating: "7a", count: 32)
        proof.expect = "Hello"
        proof.arguments = ["say"]
        proof.status = 3
        proof.serve = ["run on"]
        proof.answers = .tcp(80)
        #expect(runtime.proof == proof)
    }

    @Test func `a recipe chooses a version, a folder of release files, and an image for the proof`() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-choice")
        for name in ["mine", "more.tar.zst"] {
            try writeAtomically(to: folder.path.appending(name), bytes: [])
        }
        let head = [UInt8](repeating: 0, count: 257) + Array("ustar".utf8)
        try writeAtomically(to: folder.path.appending("hello.tar"), bytes: head)
        let recipe = try recipe([
            "runtimes=[{mine: {version: 0.9, from: \(folder.path), proof: {image: \(folder.path)/hello.tar, expect: Hi}}}]"
        ])
        let runtime = try #require(recipe.containerRuntimes.first)
        #expect(runtime.version == "0.9")
        #expect(runtime.artefacts.map(\.name) == ["mine-0.9", "more.tar.zst"])
        #expect(runtime.artefacts.map(\.urls) == [["\(folder.path)/mine"], ["\(folder.path)/more.tar.zst"]])
        // What the runtime promises stays; the image is the recipe's, and so is all that is said of it.
        let proof = try #require(runtime.proof)
        #expect(proof.refusal == "no such thing")
        #expect(proof.isolation == .seccomp)
        #expect(proof.image == .archive(place: "\(folder.path)/hello.tar", written: "\(folder.path)/hello.tar"))
        #expect((proof.expect, proof.arguments) == ("Hi", []))
        #expect(proof.servingArguments == [])
        #expect(recipe.canonical.contains(#""version": "0.9""#))
    }

    @Test func `with nothing chosen a file's own version stands in names and URLs`() throws {
        let runtime = try #require(try recipe(["runtimes=[mine]"]).containerRuntimes.first)
        #expect(runtime.artefacts[0].name == "mine-1.0")
        #expect(runtime.artefacts[0].urls[0] == "https://example.org/v1.0/mine")
    }

    struct BadChoice: Sendable, CustomTestStringConvertible {
        var choice: String
        var said: String
        var testDescription: String { choice }
    }

    @Test(arguments: [
        BadChoice(
            choice: "{REPOSITORY/recipes/runtimes/crun.yaml: {version: 2}}",
            said: """
                .REPOSITORY/recipes/runtimes/crun.yaml: crun.yaml has no versions to choose from
                  next:     leave version out
                """),
        BadChoice(
            choice: "{mine: {from: /etc}}",
            said: """
                .mine: the folder '/etc' lacks the release file 'mine'
                  expected: mine, more.tar.zst?download=1
                  next:     put it there, or leave from out
                """),
        BadChoice(
            choice: "{mine: {from: /no/where}}",
            said: """
                .mine.from: there is no folder '/no/where'
                  expected: /no/where, seen from the recipe's folder
                """),
        BadChoice(
            choice: "{mine: {colour: red}}",
            said: """
                .mine.colour: unknown key 'colour'
                  expected: one of version, from, proof
                """),
        BadChoice(
            choice: "{mine: {proof: {expect: x}}}",
            said: """
                .mine.proof: it describes an image and names none
                  expected: image
                """),
        BadChoice(
            choice: "{mine: {proof: {image: a.tar, expect: x}}}",
            said: """
                .mine.proof.image: there is no file 'a.tar'
                  expected: a.tar, seen from the file that names it
                """),
        BadChoice(
            choice: "{mine: {proof: {image: release, expect: x}}}",
            said: ".mine.proof.image: 'release' cannot be read: is a directory"),
        BadChoice(
            choice: "{mine: {proof: {image: /dev/null, expect: x}}}",
            said: """
                .mine.proof.image: '/dev/null' is not an archive of an image
                  expected: a tar, as docker save writes it
                  next:     docker save IMAGE -o /dev/null
                """),
        BadChoice(
            choice: "{mine: {proof: {image: ./release/mine, expect: x}}}",
            said: """
                .mine.proof.image: './release/mine' is not an archive of an image
                  expected: a tar, as docker save writes it
                  next:     docker save IMAGE -o ./release/mine
                """),
        BadChoice(
            choice: "{mine: {proof: {image: 'https://x.test/a.tar'}}}",
            said: """
                .mine.proof: it names an image, and not what it prints
                  expected: expect
                """),
        BadChoice(
            choice: "{mine: {proof: {image: 'x@sha256:1', expect: x}}}",
            said: """
                .mine.proof.image: 'x@sha256:1' is not a reference of an image
                  expected: REGISTRY/NAME@sha256:HEX
                """),
        BadChoice(
            choice: "{mine: {proof: {isolation: kvm}}}",
            said: """
                .mine.proof.isolation: unknown key 'isolation'
                  expected: one of image, sha256, expect, arguments, status, serve, answers
                """),
        BadChoice(
            choice: "{minee: {version: 1.0}}",
            said: """
                .minee: unknown runtime 'minee'. Did you mean 'mine'?
                  expected: mine, or a path of a file with a slash in it
                  found:    no minee.yaml in runtimes, ../recipes/runtimes, recipes/runtimes, seen from the recipe's folder
                """),
    ]) func `a wrong choice is refused`(_ bad: BadChoice) {
        func inRepository(_ text: String) -> String { text.replacing("REPOSITORY", with: repository.string) }
        let override = "runtimes=[\(inRepository(bad.choice))]"
        #expect(
            refusal { try recipe([override]) } == "--set \(override): runtimes[0]\(inRepository(bad.said))")
    }

    @Test func `two runtimes in one entry are refused`() {
        let place = "--set runtimes=[{mine: {}, crun: {}}]: runtimes[0]"
        #expect(
            refusal { try recipe(["runtimes=[{mine: {}, crun: {}}]"]) } == """
                \(place).mine: unknown key 'mine'
                  expected: one of legacy-runnc
                \(place).crun: unknown key 'crun'
                  expected: one of legacy-runnc
                \(place): takes exactly one of its keys
                  expected: path of a file or {legacy-runnc: …} or {NAME: …}
                  found:    mine, crun
                """)
    }

    /// nabla and hvt, as they come with piforge.
    private func shared() throws -> [ContainerRuntime] {
        try Recipe.parse(
            least, file: "x.yaml", folder: repository,
            overrides: ["docker.from=distribution", "runtimes=[nabla, hvt]"]
        ).containerRuntimes
    }

    /// nabla and hvt share their release files: what is said of one must be said of the other.
    @Test func `runtimes that share files take them from one place, in one version`() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-shared")
        for artefact in try shared().flatMap(\.artefacts) {
            try writeAtomically(to: folder.path.appending(artefact.fileName), bytes: [])
        }
        func mistakes(_ nabla: String, _ hvt: String) -> String? {
            do {
                _ = try Recipe.parse(
                    least, file: "x.yaml", folder: repository,
                    overrides: ["docker.from=distribution", "runtimes=[\(nabla), \(hvt)]"])
                return nil
            } catch { return "\(error)" }
        }
        let from = "{hvt: {from: \(folder.path)}}"
        let seen = try #require(mistakes("nabla", from))
        #expect(
            seen.hasPrefix(
                """
                --set runtimes=[nabla, \(from)]: runtimes[1]: two runtimes have different files of the name 'urunc-0.8.0'
                  expected: the same URLs and sha256 in both, since the lock knows the file by its name
                  found:    nabla.yaml and hvt.yaml
                  next:     give nabla and hvt the same from and version
                """), "\(seen)")
        #expect(
            mistakes("nabla", "{hvt: {version: 0.7.0}}") == """
                --set runtimes=[nabla, {hvt: {version: 0.7.0}}]: runtimes[1]: \
                two runtimes bring different files to /opt/urunc/bin/urunc
                  expected: one version of both
                  found:    urunc-0.8.0 of nabla.yaml and urunc-0.7.0 of hvt.yaml
                  next:     give nabla and hvt the same version
                """)
        #expect(mistakes("{nabla: {version: 0.7.0}}", "{hvt: {version: 0.7.0}}") == nil)
        #expect(mistakes("{nabla: {from: \(folder.path)}}", from) == nil)
    }

    /// A board limited to 1 GB has some 900 MiB for itself and its guests.
    @Test func `a unikernel without a limit leaves room for others on a board limited to 1 GB`()
        throws
    {
        let texts = try ["nabla", "hvt"].map { name in
            let files = try shared().first { $0.name == name }?.files
            return try #require(files?.first { $0.to == "/etc/urunc/config.toml" }?.content)
        }
        #expect(texts[0] == texts[1])
        let sections = texts[0].split(separator: "[monitors.").dropFirst().map { section in
            (
                section.prefix { $0 != "]" },
                section.firstMatch(of: /\ndefault_memory_mb = (\d+)\n/).flatMap { Int($0.1) }
            )
        }
        #expect(sections.map(\.0) == ["hvt", "spt"])
        for (_, size) in sections { #expect((1...900 / 6).contains(try #require(size))) }
    }

    @Test(arguments: [">= 23", ">=24", ">= 24.0.2"])
    func `a type needs the engine that knows it, or a later one`(engine: String) throws {
        var entry = ContainerRuntime.Registration()
        entry.type = "io.containerd.x.v1"
        entry.engine = .init(parsing: String(engine.drop { !$0.isNumber }))
        #expect(entry.needed == (engine.contains("24.") ? .init(numbers: [24, 0, 2]) : .init(numbers: [24])))
        entry.engine = .init(numbers: [20, 10])
        #expect(entry.needed == .init(numbers: [24]))
    }

    @Test func `the archived runnc comes from the user's own build, where it expects itself`() throws {
        let sum = String(repeating: "7a", count: 32)
        let recipe = try recipe(["runtimes=[{legacy-runnc: {archive: ./runnc.tar.gz, sha256: '\(sum)'}}]"])
        let runtime = try #require(recipe.containerRuntimes.first)
        #expect(runtime.artefacts.map(\.urls) == [[fixtures.appending("good/runnc.tar.gz").string]])
        #expect(runtime.artefacts.map(\.sha256) == [sum])
        #expect(
            runtime.artefacts[0].members.map(\.to) == ["/usr/local/lib/runnc/runnc", "/opt/runnc/"])
        #expect(runtime.packages == ["genisoimage"])
        #expect(runtime.files.map(\.to) == ["/usr/local/bin/runnc"])
        #expect(runtime.docker.map(\.name) == ["runnc"])
        #expect(runtime.docker.map(\.path) == ["/usr/local/bin/runnc"])
        // Where the machine keeps the archive does not reach the manifest.
        #expect(recipe.canonical.contains("\"archive\": \"./runnc.tar.gz\""))
        #expect(!recipe.canonical.contains(fixtures.string))
    }

    @Test func `the project's runtimes are found from a recipe in any of its folders`() throws {
        for folder in ["recipes", ".", "mine"] {
            let recipe = try Recipe.parse(
                least, file: "x.yaml", folder: repository.pushing(FilePath(folder)).lexicallyNormalized(),
                overrides: ["docker.from=distribution", "runtimes=[nabla, hvt, gvisor, crun, qemu-kvm]"])
            #expect(recipe.containerRuntimes.map(\.name) == ["nabla", "hvt", "gvisor", "crun", "qemu-kvm"])
            #expect(recipe.containerRuntimes.allSatisfy { !$0.summary.isEmpty && !$0.checks.isEmpty })
        }
    }

    @Test func `what comes with piforge is found from a recipe anywhere, and nothing of its folder is kept`() throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-elsewhere")
        let names = [
            "docker.from=distribution", "runtimes=[{nabla: {version: 0.7.0}}, {hvt: {version: 0.7.0}}]",
            "kernel.fragments=[kvm]",
            "overlays=[{path: kvm-guest}]",
        ]
        func recipe(_ share: FilePath?) throws -> Recipe {
            try Recipe.parse(least, file: "x.yaml", folder: folder.path, overrides: names, share: share)
        }
        let found = try recipe(repository)
        #expect(found.containerRuntimes.map(\.name) == ["nabla", "hvt"])
        #expect(found.containerRuntimes[1].artefacts[0].name == "urunc-0.7.0")
        let inTree = try Recipe.parse(
            least, file: "x.yaml", folder: repository.appending("recipes"), overrides: names, share: repository)
        #expect(found.canonical == inTree.canonical)
        #expect(found.containerRuntimes.map(\.digest) == inTree.containerRuntimes.map(\.digest))
        #expect(!found.canonical.contains(repository.string))
        // What lies beside the recipe comes first.
        try createFolder(folder.path.appending("runtimes"))
        try writeAtomically(
            to: folder.path.pushing("runtimes/nabla.yaml"),
            bytes: Array("summary: mine\nversion: 0.7.0\npackages: [runsc]\n".utf8))
        #expect(try recipe(repository).containerRuntimes[0].summary == "mine")
        // Where it is not found the message says where it was looked for.
        let seen = refusal {
            _ = try Recipe.parse(
                least, file: "x.yaml", folder: folder.path,
                overrides: ["docker.from=distribution", "runtimes=[nablla]"], share: repository)
        }
        #expect(
            seen == """
                --set runtimes=[nablla]: runtimes[0]: unknown runtime 'nablla'. Did you mean 'nabla'?
                  expected: crun, gvisor, hvt, nabla, qemu-kvm, or a path of a file with a slash in it
                  found:    no nablla.yaml in runtimes, ../recipes/runtimes, recipes/runtimes, \
                \(repository)/recipes/runtimes, seen from the recipe's folder
                """)
        // Without them: as it was.
        let chosen = "runtimes=[{nabla: {version: 0.7.0}}, {hvt: {version: 0.7.0}}]"
        #expect(
            refusal { try recipe(nil) } == """
                --set \(chosen): runtimes[1].hvt: unknown runtime 'hvt'
                  expected: nabla, or a path of a file with a slash in it
                  found:    no hvt.yaml in runtimes, ../recipes/runtimes, recipes/runtimes, seen from the recipe's folder
                --set kernel.fragments=[kvm]: kernel.fragments[0]: there is no file 'kvm'
                  expected: ../kernel-configs/kvm.config or kernel-configs/kvm.config, seen from the recipe's folder
                --set overlays=[{path: kvm-guest}]: overlays[0].path: there is no folder 'kvm-guest'
                  expected: overlays/kvm-guest or ../overlays/kvm-guest, seen from the recipe's folder
                """)
    }

    @Test func `a file's mistake names the file as the command line would`() throws {
        let text = try contents(of: fixtures.appending("bad/runtimes-mistakes.yaml"))
        let seen = refusal {
            _ = try Recipe.parse(text, file: "some/x.yaml", folder: fixtures.appending("bad"))
        }
        let golden = try contents(of: fixtures.appending("bad/runtimes-mistakes.txt"))
        #expect(seen.map { "\($0)\n" } == golden.replacing("recipes/runtimes/", with: "some/runtimes/"))
    }
}
