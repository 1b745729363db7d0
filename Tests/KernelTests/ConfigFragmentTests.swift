import Diagnostics
import Kernel
import Layers
import Storage
import SystemPackage
import TestSupport
import Testing

@Suite struct ConfigFragmentTests {
    private static func violations(_ fragment: String, _ config: String, _ version: String) throws -> [String] {
        let version = try #require(KernelVersion(version))
        return ConfigFragment.violations(
            of: try .parse(fragment, file: "f"), in: try KernelConfig(Array(config.utf8), at: "c"), version: version
        ).map(\.description)
    }

    @Test func violationsSayWhatWasAskedAndWhatIsThere() throws {
        let fragment = """
            # Why.
            CONFIG_KVM=y
            CONFIG_VHOST_NET=y|m
            # CONFIG_XEN is not set
            CONFIG_CMDLINE="a|b # c"|""

            """
        #expect(
            try Self.violations(fragment, "CONFIG_KVM=y\nCONFIG_VHOST_NET=m\nCONFIG_CMDLINE=\"a|b # c\"", "6.1").isEmpty
        )
        #expect(
            try Self.violations(fragment, "CONFIG_KVM=m\nCONFIG_XEN=y\nCONFIG_CMDLINE=\"x\"", "6.1") == [
                "f:2: CONFIG_KVM=y, but it is m", "f:3: CONFIG_VHOST_NET=y|m, but it is not set",
                "f:4: # CONFIG_XEN is not set, but it is y", "f:5: CONFIG_CMDLINE=\"a|b # c\"|\"\", but it is \"x\"",
            ])
    }

    @Test(
        arguments: [
            ("4.15", []), ("5.1.21", ["CONFIG_B"]), ("5.2", []), ("5.6.99", []), ("5.7", ["CONFIG_A"]),
            ("6.12.48+deb13-arm64", ["CONFIG_A", "CONFIG_C"]), ("6.12.47", ["CONFIG_A"]),
        ] as [(String, [String])])
    func linesAreLimitedToVersions(version: String, options: [String]) throws {
        let fragment = try ConfigFragment.parse(
            """
            CONFIG_A=y # since 5.7
            CONFIG_B=y # since 5.0 until 5.1
            # CONFIG_C is not set # since 6.12.48
            """, file: "f")
        #expect(fragment.lines(for: try #require(KernelVersion(version))).map(\.option) == options)
    }

    @Test func textIsWhatParsesToTheSameLine() throws {
        let fragment = try ConfigFragment.parse(
            "CONFIG_A=y|m # since 5.7\n# CONFIG_B is not set # until 5.1\nCONFIG_C=\"a\\\"|\\\\\"", file: "f")
        let texts = fragment.lines.map(\.text)
        #expect(texts == ["CONFIG_A=y|m", "# CONFIG_B is not set", "CONFIG_C=\"a\\\"|\\\\\""])
        let again = try ConfigFragment.parse(texts.joined(separator: "\n"), file: "f")
        #expect(again.lines.map(\.values) == fragment.lines.map(\.values))
    }

    private static func malformed(_ line: Int, _ expected: String, _ found: String, next: String? = nil) -> String {
        "f:\(line): this is not a line of a kernel configuration fragment\n  expected: \(expected)\n  found:    \(found)"
            + (next.map { "\n  next:     \($0)" } ?? "")
    }
    private static let setting = "CONFIG_X=VALUE, CONFIG_X=y|m or # CONFIG_X is not set"
    private static let versions = "# since VERSION, # until VERSION, or # since VERSION until VERSION"

    @Test(arguments: [
        ("kvm=y", malformed(1, setting, "kvm=y")), ("CONFIG_A=y|", malformed(1, setting, "CONFIG_A=y|")),
        ("CONFIG_A=y m", malformed(1, setting, "CONFIG_A=y m")),
        ("CONFIG_A=y|y", malformed(1, "every alternative once", "CONFIG_A=y|y")),
        (
            "\nCONFIG_A=y # for guests",
            malformed(2, versions, "CONFIG_A=y # for guests", next: "put a comment on a line of its own")
        ),
        ("CONFIG_A=y # since 5", malformed(1, versions, "CONFIG_A=y # since 5")),
        ("CONFIG_A=y # since 5.7.x", malformed(1, versions, "CONFIG_A=y # since 5.7.x")),
        ("CONFIG_A=y # until 5.7 since 5.1", malformed(1, versions, "CONFIG_A=y # until 5.7 since 5.1")),
        (
            "CONFIG_A=y # since 5.7 until 5.6",
            malformed(1, "a last version that is not before the first", "CONFIG_A=y # since 5.7 until 5.6")
        ),
        (
            "CONFIG_A=y\nCONFIG_A=y",
            "f:2: CONFIG_A is asked for twice\n  expected: one line for an option\n  found:    another at f:1"
        ),
        (
            "CONFIG_A=y # until 5.7\nCONFIG_A=m # since 5.7",
            """
            f:2: the line contradicts another for the same option
              expected: CONFIG_A=y, as at f:1
              found:    CONFIG_A=m
            """
        ),
        ("A=y\nCONFIG_B=", malformed(1, setting, "A=y") + "\n" + malformed(2, setting, "CONFIG_B=")),
    ])
    func badFragmentIsRefused(text: String, message: String) {
        let failures = #expect(throws: FailureList.self) { try ConfigFragment.parse(text, file: "f") }
        #expect(failures?.description == message)
        #expect(failures?.exitCode == 2)
    }

    @Test(arguments: [
        ("CONFIG_A = y", "CONFIG_A=y"), (" CONFIG_A=y", "CONFIG_A=y"), ("CONFIG_A=m ", "CONFIG_A=m"),
        ("CONFIG_A=Y", "CONFIG_A=y"), ("CONFIG_A=yes|M", "CONFIG_A=y|m"), ("config_a=y", "CONFIG_A=y"),
        ("KVM=y", "CONFIG_KVM=y"), ("CONFIG_A=y# since 5.7", "CONFIG_A=y # since 5.7"),
        ("CONFIG_A=y\t# why", "CONFIG_A=y"), ("CONFIG_LOCALVERSION=-ours", "CONFIG_LOCALVERSION=\"-ours\""),
    ])
    func nearMissIsAnsweredWithTheRightSpelling(written: String, meant: String) throws {
        let failures = #expect(throws: FailureList.self) { try ConfigFragment.parse(written, file: "f") }
        #expect(failures?.description == Self.malformed(1, meant, written))
        #expect(try ConfigFragment.parse(meant, file: "f").lines.count == 1)
    }

    @Test(arguments: [
        ("#CONFIG_A is not set", "# CONFIG_A is not set"), ("#  CONFIG_A is not set", "# CONFIG_A is not set"),
        ("## CONFIG_A  is not set", "# CONFIG_A is not set"), ("#\tCONFIG_A is not set", "# CONFIG_A is not set"),
        ("# CONFIG_A is not set ", "# CONFIG_A is not set"), ("# config_a is not set", "# CONFIG_A is not set"),
        ("# CONFIG_A is Not Set", "# CONFIG_A is not set"), ("# CONFIG_A not set", "# CONFIG_A is not set"),
        (" # CONFIG_A is not set", "# CONFIG_A is not set"), ("\t#CONFIG_A is not set", "# CONFIG_A is not set"),
        ("# MEMCG is not set", "# CONFIG_MEMCG is not set"),
        ("#CONFIG_A is not set # since 5.7", "# CONFIG_A is not set # since 5.7"),
    ])
    func commentThatReadsLikeASettingIsRefused(written: String, meant: String) throws {
        let failures = #expect(throws: FailureList.self) { try ConfigFragment.parse("\n" + written, file: "f") }
        #expect(
            failures?.description == """
                f:2: the line reads like a setting, but is a comment to Kconfig
                  expected: \(meant)
                  found:    \(written)
                  next:     write it so, or put the comment in other words
                """)
        #expect(try ConfigFragment.parse(meant, file: "f").lines.map(\.values) == [[.notSet]])
    }

    @Test(arguments: [
        "# CONFIG_A=y", "#CONFIG_A=y", "# CONFIG_A is not set by default", "# it is not set", "# A is not set",
        "# not set", "#",
        "# CONFIG_A is set", "  # indented, for guests", "\t#", "  # a # b",
    ])
    func anyOtherCommentIsOne(text: String) throws {
        #expect(try ConfigFragment.parse(text, file: "f").lines.isEmpty)
    }

    @Test func sameOptionForOtherVersionsIsNoContradiction() throws {
        let fragment = try ConfigFragment.parse("CONFIG_A=y # until 5.6\nCONFIG_A=m # since 5.7", file: "f")
        #expect(fragment.lines.count == 2)
    }

    @Test func fragmentsThatContradictEachOtherAreRefused() throws {
        let a = try ConfigFragment.parse("CONFIG_A=y", file: "a.config")
        let b = try ConfigFragment.parse("# CONFIG_A is not set", file: "b.config")
        let failures = #expect(throws: FailureList.self) { try ConfigFragment.joined([a, b]) }
        #expect(
            failures?.description == """
                b.config:1: the line contradicts another for the same option
                  expected: CONFIG_A=y, as at a.config:1
                  found:    # CONFIG_A is not set
                """)
    }

    private static let folder = repository.pushing("kernel-configs")
        .lexicallyNormalized()

    /// Debian's own kernel, as it is packaged, has all that the fragments ask for.
    @Test func debiansKernelFollowsTheFragments() async throws {
        let tree = try await DebianKernel.tree()
        let kernel = try KernelRelease.find(in: tree)
        let path = try #require(kernel.config)
        let content = try #require(tree.content(path))
        let config = try KernelConfig(ContentReader().bytes(of: content), at: "\(path)")
        let fragments = try ["kvm", "virtio", "gic", "docker", "unikernel"].map {
            try ConfigFragment.named($0, in: Self.folder)
        }
        let version = try #require(KernelVersion(kernel.name))
        let all = try ConfigFragment.joined(fragments)
        #expect(ConfigFragment.violations(of: all, in: config, version: version) == [])
        #expect(config.count > 1000)
    }

    @Test func namesAreThoseOfFilesInTheFolder() throws {
        let folder = Self.folder
        let fragments = try ["kvm", "virtio", "gic", "docker"].map { try ConfigFragment.named($0, in: folder) }
        let all = try ConfigFragment.joined(fragments)
        #expect(all.lines.contains { $0.text == "CONFIG_KVM=y" })
        #expect(fragments[2].lines.map(\.text) == ["", "_V2M", "_V3", "_V3_ITS"].map { "CONFIG_ARM_GIC\($0)=y" })
        for (name, message) in [
            ("xen", "there is no kernel configuration fragment 'xen'"), ("../kvm", "not a fragment's name"),
        ] {
            let failure = failure { try ConfigFragment.named(name, in: folder) }
            #expect(failure?.message == message)
            #expect(failure?.kind == .usage)
        }
    }
}
