import Debian
import Diagnostics
import Digests
import Engine
import Steps
import Storage
import TestSupport
import Testing

/// Archives beside Debian's.
@Suite struct ExtraSourceTests {
    private func bench(_ sources: String) async throws -> PlanBench {
        let bench = try await PlanBench()
        try writeAtomically(
            to: bench.path("keys.gpg"),
            bytes: try readFile("/usr/share/keyrings/debian-archive-keyring.gpg"))
        bench.replaced = [("packages: {", "packages: {extra_sources: [\(sources)], ")]
        return bench
    }

    /// What the plan's apt step is made of, for extra sources in YAML.
    private func inputs(_ sources: String) async throws -> [String: String] {
        let bench = try await bench(sources)
        // The request that a lock has to answer is what the refusal of another one names.
        let refusal = await failure { _ = try await bench.builder().planned() }
        let request = try #require(
            SHA256Digest(hex: (refusal?.expected ?? "").dropFirst("request sha256:".count)))
        try PackageLock(request: request, packages: []).write(to: bench.path("pi.lock"))
        let plan = try await bench.builder().planned()
        let step = try #require(plan.steps.first { $0.name == "apt" })
        return Dictionary(
            step.inputs.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }

    private static let debian = """
        Types: deb
        URIs: http://127.0.0.1:1/debian
        Suites: trixie trixie-updates
        Components: main non-free-firmware
        Signed-By: /usr/share/keyrings/piforge-debian.gpg

        Types: deb
        URIs: http://127.0.0.1:1/security
        Suites: trixie-security
        Components: main non-free-firmware
        Signed-By: /usr/share/keyrings/piforge-debian.gpg

        """

    /// The board's archives: Debian's, and a flat one.
    private static func sources(adding name: String, at uri: String) -> String {
        StepInput(
            "apt sources",
            debian + """

                Types: deb
                URIs: \(uri)
                Suites: ./
                Signed-By: /usr/share/keyrings/piforge-\(name).gpg

                """
        ).value
    }

    /// For each source, what it may give, and nothing else.
    private static func pins(_ sources: [(packages: String, pin: String)]) -> String {
        let stanzas = sources.flatMap { source in
            [(source.packages, 990), ("*", -10)].map {
                "Package: \($0.0)\nPin: \(source.pin)\nPin-Priority: \($0.1)\n"
            }
        }
        return StepInput("packages.preferences", stanzas.joined(separator: "\n")).value
    }

    @Test func archiveIsAddedToDebians() async throws {
        let inputs = try await inputs(
            """
            {name: ours, uris: ["https://repo.example.org/apt"], suites: [./], only: [ours-*], keyring: {file: keys.gpg}}
            """)
        #expect(
            inputs["apt sources"]
                == Self.sources(adding: "ours", at: "https://repo.example.org/apt"))
        #expect(
            inputs["packages.preferences"]
                == Self.pins([("ours-*", "origin \"repo.example.org\"")]))
    }

    /// `stable` is the suite of Debian's own release, too, and trixie everybody's.
    @Test func sourcesArePinnedByTheirHosts() async throws {
        let inputs = try await inputs(
            """
            {name: ours, uris: ["https://repo.example.org:8443/apt"], suites: [trixie], components: [stable], only: [ours],
              keyring: {file: keys.gpg}},
            {name: vendor, uris: ["https://user@vendor.example.org/"], suites: [stable], components: [main], only: [tool],
              keyring: {file: keys.gpg}}
            """)
        #expect(
            inputs["packages.preferences"]
                == Self.pins([
                    ("ours", "origin \"repo.example.org\""), ("tool", "origin \"vendor.example.org\""),
                ]))
    }

    @Test func sourcesOfOneHostArePinnedByTheirSuites() async throws {
        let inputs = try await inputs(
            """
            {name: one, uris: ["https://repo.example.org/one"], suites: [first, first-updates], components: [main], only: [one],
              keyring: {file: keys.gpg}},
            {name: two, uris: ["https://repo.example.org/two"], suites: [second], components: [main], keyring: {file: keys.gpg}},
            {name: sid, uris: ["http://127.0.0.1/debian"], suites: [sid, "24.04"], components: [main], only: [linux-image-*]}
            """)
        #expect(
            inputs["packages.preferences"]
                == Self.pins([
                    ("one", "release first"), ("one", "release first-updates"), ("linux-image-*", "release sid"),
                    ("linux-image-*", "release a=24.04"), ("linux-image-*", "release n=24.04"),
                ]))
    }

    /// The board gets the first URI that is not a folder of the build's machine, and only the sources that are meant for it.
    @Test func boardsPinsAreOfTheBoardsSources() async throws {
        let inputs = try await inputs(
            """
            {name: both, uris: ["file:/srv/both", "https://repo.example.org/both"], suites: [./], only: [a], keyring: {file: keys.gpg}},
            {name: here, uris: ["https://here.example.org/"], suites: [./], only: [b], on_board: false, keyring: {file: keys.gpg}},
            {name: far, uris: ["https://far.example.org/"], suites: [./], only: [c], keyring: {file: keys.gpg}}
            """)
        #expect(
            inputs["packages.preferences"]
                == Self.pins([("a", "origin \"repo.example.org\""), ("c", "origin \"far.example.org\"")]))
    }

    @Test(arguments: [
        (
            "uris: [\"file:/srv/one\"], suites: [./]", "uris: [\"copy:/srv/two\"], suites: [./]",
            "apt cannot tell the source's packages from those of 'two'", "both are folders of this machine"
        ),
        (
            "uris: [\"http://example.org/one\"], suites: [s], components: [main]",
            "uris: [\"http://example.org:81/two\"], suites: [s], components: [main]",
            "apt cannot tell the source's packages from those of 'two'", "both come from example.org"
        ),
        (
            "uris: [\"http://Example.org/one\"], suites: [./]", "uris: [\"http://example.org/two\"], suites: [./]",
            "apt cannot tell the source's packages from those of 'two'", "both come from example.org"
        ),
        (
            "uris: [\"http://127.0.0.1/one\"], suites: [stable], components: [main]",
            "uris: [\"http://example.org/two\"], suites: [./]",
            "apt cannot tell the source's packages from those of 'debian'", "both come from 127.0.0.1"
        ),
        (
            "suites: [trixie], components: [contrib]", "uris: [\"http://example.org/two\"], suites: [./]",
            "apt cannot tell the source's packages from those of 'debian'", "trixie"
        ),
        (
            "uris: [\"file:/srv/one\", \"http://example.org/one\"], suites: [./]",
            "uris: [\"http://example.org/two\"], suites: [./]",
            "the board's apt cannot tell the source's packages from those of 'two'", "both come from example.org"
        ),
    ])
    func sourcesThatAptCannotTellApartAreRefused(one: String, two: String, problem: String, found: String) async throws
    {
        let bench = try await bench(
            "{name: one, \(one), only: [a], keyring: {file: keys.gpg}}, {name: two, \(two), keyring: {file: keys.gpg}}")
        let refused = await failure { _ = try await bench.builder().planned() }
        let refusal = try #require(refused)
        #expect(refusal.place == "only of the source 'one'")
        #expect(refusal.message == problem)
        #expect(refusal.found == found)
        let first =
            problem.hasPrefix("the board's") ? "write on_board: false, or take only out and" : "take only out, and"
        #expect(
            refusal.next
                == "\(first) write packages.preferences by what its Release file says: pin: \"release o=ORIGIN,l=LABEL\""
        )
    }

    @Test func folderOfThisMachineIsNotTheBoards() async throws {
        let inputs = try await inputs(
            """
            {name: local, uris: ["file:/srv/repo"], suites: [./], keyring: {file: keys.gpg}},
            {name: both, uris: ["copy:/srv/both", "https://repo.example.org/both"], suites: [./], keyring: {file: keys.gpg}}
            """)
        #expect(
            inputs["apt sources"]
                == Self.sources(adding: "both", at: "https://repo.example.org/both"))
    }
}
