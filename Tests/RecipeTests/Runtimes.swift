import Diagnostics
import Foundation
import Recipe
import SystemPackage
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
        #expect(runtime.docker.map { $0.needed?.description } == ["20.10", "23"])
        #expect(
            runtime.kernel.map(\.text) == ["CONFIG_KVM=y", "CONFIG_VHOST_MENU=y # since 5.7", "# CONFIG_X is not set"])
        #expect(runtime.kernel.map(\.line) == [21, 22, 23])
        #expect(runtime.cmdline == ["mine.debug=1"])
        #expect(runtime.checks.map(\.expect) == ["hello: world"])
        #expect(runtime.checks[0].cleanup == ["docker rm -f hello", "false"])
    }

    @Test(arguments: [">= 23", ">=23", ">= 24.0.2"])
    func `a type needs the engine that knows it, or a later one`(engine: String) throws {
        var entry = ContainerRuntime.Registration()
        entry.type = "io.containerd.x.v1"
        entry.engine = .init(parsing: String(engine.drop { !$0.isNumber }))
        #expect(entry.needed == (engine.contains("24") ? .init(numbers: [24, 0, 2]) : .init(numbers: [23])))
        entry.engine = .init(numbers: [20, 10])
        #expect(entry.needed == .init(numbers: [23]))
    }

    @Test func `the archived runnc comes from the user's own build, where it expects itself`() throws {
        let sum = String(repeating: "7a", count: 32)
        let recipe = try recipe(["runtimes=[{legacy-runnc: {archive: ./runnc.tar.gz, sha256: '\(sum)'}}]"])
        let runtime = try #require(recipe.containerRuntimes.first)
        #expect(runtime.artefacts.map(\.urls) == [[fixtures.appending("good/runnc.tar.gz").string]])
        #expect(runtime.artefacts.map(\.sha256) == [sum])
        #expect(
            runtime.artefacts[0].members.map(\.to) == [
                "/usr/local/bin/runnc", "/opt/runnc/bin/nabla-run", "/opt/runnc/",
            ])
        #expect(runtime.docker.map(\.name) == ["runnc"])
        #expect(runtime.docker.map(\.path) == ["/usr/local/bin/runnc"])
        // Where the machine keeps the archive does not reach the manifest.
        #expect(recipe.canonical.contains("\"archive\": \"./runnc.tar.gz\""))
        #expect(!recipe.canonical.contains(fixtures.string))
    }

    @Test func `the project's runtimes are found from a recipe in any of its folders`() throws {
        for folder in ["recipes", ".", "mine"] {
            let recipe = try Recipe.parse(
                least, file: "x.yaml", folder: project.pushing(FilePath(folder)).lexicallyNormalized(),
                overrides: ["docker.from=distribution", "runtimes=[nabla, hvt, gvisor, crun, qemu-kvm]"])
            #expect(recipe.containerRuntimes.map(\.name) == ["nabla", "hvt", "gvisor", "crun", "qemu-kvm"])
            #expect(recipe.containerRuntimes.allSatisfy { !$0.summary.isEmpty && !$0.checks.isEmpty })
        }
    }

    @Test func `a file's mistake names the file as the command line would`() throws {
        let text = try contents(of: fixtures.appending("bad/runtimes-mistakes.yaml"))
        let seen = message {
            _ = try Recipe.parse(text, file: "some/x.yaml", folder: fixtures.appending("bad"))
        }
        #expect(seen?.contains("some/runtimes/wrong.yaml:2: colour: unknown key 'colour'") == true, "\(seen ?? "")")
    }
}
