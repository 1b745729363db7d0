import Debian
import Diagnostics
import Digests
import Engine
import Steps
import Storage
import Testing

/// Archives beside Debian's.
@Suite struct ExtraSourceTests {
    /// What the plan's apt step is made of, for extra sources in YAML.
    private func inputs(_ sources: String) async throws -> [String: String] {
        let bench = try await PlanBench()
        try writeAtomically(
            to: bench.path("keys.gpg"),
            bytes: try readFile("/usr/share/keyrings/debian-archive-keyring.gpg"))
        bench.replaced = [("packages: {", "packages: {extra_sources: [\(sources)], ")]
        // The request that a lock has to answer is what the refusal of another one names.
        let refusal = await #expect(throws: Failure.self) { _ = try await bench.builder().planned() }
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

    @Test func suiteOfDebiansNameIsPinnedByTheArchivesHost() async throws {
        let inputs = try await inputs(
            """
            {name: ours, uris: ["https://repo.example.org:8443/apt"], suites: [trixie], components: [stable], only: [ours],
              keyring: {file: keys.gpg}},
            {name: vendor, uris: ["https://vendor.example.org/"], suites: [stable], components: [main], only: [tool],
              keyring: {file: keys.gpg}}
            """)
        #expect(
            inputs["packages.preferences"]
                == Self.pins([("ours", "origin \"repo.example.org\""), ("tool", "release stable")]))
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
