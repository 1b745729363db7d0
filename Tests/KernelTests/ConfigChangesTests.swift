import Diagnostics
import Kernel
import Testing

/// What a configuration is made from, and how two of them differ.
@Suite struct ConfigChangesTests {
    private static let old = """
        CONFIG_KVM=y
        CONFIG_NET=y
        CONFIG_CMDLINE=""
        CONFIG_GONE=m

        """
    private static let new = """
        #
        # Automatically generated file; DO NOT EDIT.
        #
        CONFIG_TOP=y

        #
        # Device Drivers
        #

        #
        # Bus devices
        #
        # end of Bus devices

        CONFIG_NET=m
        # end of Device Drivers

        #
        # Virtualization
        #
        # CONFIG_KVM is not set
        CONFIG_CMDLINE="mem=1G"
        # end of Virtualization

        """

    @Test func changesAreGroupedByFragmentAndMenu() throws {
        let fragment = try ConfigFragment.parse("CONFIG_CMDLINE=\"mem=1G\"", file: "memory-1g.config")
        let changes = ConfigChanges(
            from: try KernelConfig(Array(Self.old.utf8), at: "old"),
            to: try KernelConfig(Array(Self.new.utf8), at: "new"),
            text: Self.new, fragment: fragment)
        #expect(changes.count == 5)
        #expect(
            changes.text(limit: 30) == """
                  fragment memory-1g.config: 1
                    CONFIG_CMDLINE: "" -> "mem=1G"
                  menu Linux: 1
                    CONFIG_TOP: n -> y
                  menu Device Drivers: 1
                    CONFIG_NET: y -> m
                  menu Virtualization: 1
                    CONFIG_KVM: y -> n
                  no longer offered: 1
                    CONFIG_GONE: m -> n

                """)
        #expect(changes.text(limit: 0).contains("  menu Linux: 1\n    and 1 more\n"))
    }

    @Test func fragmentsThatAgreeAreJoinedAndTheFirstValueIsSet() throws {
        let a = try ConfigFragment.parse("CONFIG_TUN=m|y\nCONFIG_X=y # until 4.19", file: "a.config")
        let b = try ConfigFragment.parse("CONFIG_TUN=y|m\nCONFIG_BRIDGE=m|y\nCONFIG_X=m # since 5.0", file: "b.config")
        let c = try ConfigFragment.parse("CONFIG_BRIDGE=y\n# CONFIG_ACPI is not set", file: "c.config")
        let all = try ConfigFragment.joined([a, b, c])
        let version = try #require(KernelVersion("6.12.9"))
        #expect(
            try all.settings(for: version).map(\.text) == [
                "CONFIG_TUN=m", "CONFIG_BRIDGE=y", "CONFIG_X=m", "# CONFIG_ACPI is not set",
            ])
        #expect(all.lines(for: version).count == 6)
    }

    @Test func valuesThatAgreeInPairsAndNotTogetherAreRefused() throws {
        let fragments = try ["CONFIG_A=1|2", "CONFIG_A=2|3", "CONFIG_A=1|3"].enumerated().map {
            try ConfigFragment.parse($1, file: "\($0).config")
        }
        let all = try ConfigFragment.joined(fragments)
        let version = try #require(KernelVersion("6.12"))
        let failures = #expect(throws: FailureList.self) { try all.settings(for: version) }
        #expect(failures?.failures.map(\.place) == ["2.config:1"])
        #expect(failures?.exitCode == 2)
    }

    @Test func toolchainIsReadFromTheConfiguration() throws {
        let text = "CONFIG_GCC_VERSION=120200\nCONFIG_LD_VERSION=24000\n"
        #expect(
            KernelConfigurator.toolchain(of: try KernelConfig(Array(text.utf8), at: "x")) == "gcc 12.2.0, binutils 2.40"
        )
        let old = "CONFIG_GCC_VERSION=80300\n"
        #expect(KernelConfigurator.toolchain(of: try KernelConfig(Array(old.utf8), at: "x")) == "gcc 8.3.0")
    }
}
