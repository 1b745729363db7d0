import Progress
import ArgumentParser
import Diagnostics
import Engine

struct KernelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernel", abstract: "Configure and compile a recipe's kernel from source.",
        subcommands: [KernelConfigCommand.self, KernelBuildCommand.self])
}

struct KernelConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config",
        abstract: "Make the kernel's configuration from its defconfig and the recipe's fragments.",
        discussion: """
            piforge kernel config recipes/debian-13-custom-kernel.yaml
            piforge kernel config recipes/debian-13-custom-kernel.yaml --check
            piforge kernel config my-kernel.yaml --check --why VHOST_VSOCK --why KVM

            Writes kernel-configs/generated/NAME.config and prints what changed in it. If a \
            line of a fragment did not take effect, it says why and writes nothing.
            """)

    @OptionGroup var arguments: BuildArguments

    @Flag(name: .long, help: "Write nothing; fail when the committed configuration is not what comes out.")
    var check = false

    @Option(
        name: .long, parsing: .unconditionalSingleValue,
        help: ArgumentHelp("Tell why a symbol has the value it has. Repeatable.", valueName: "symbol"))
    var why: [String] = []

    func run() async throws {
        let builder = try arguments.builder()
        let (check, why) = (check, why)
        let report = try await interruptible { try await builder.configureKernel(check: check, why: why) }
        try printLine(arguments.shared.json ? jsonLine(report) : report.text, terminator: "")
        if !report.failures.isEmpty { throw FailureList(report.failures) }
    }
}

struct KernelBuildCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "build",
        abstract: "Compile a recipe's kernel from source to a Debian package.",
        discussion: """
            piforge kernel build recipes/debian-13-custom-kernel.yaml
            piforge kernel build my-kernel.yaml -o /tmp/kernel --jobs 8

            Configures the kernel, compiles it, and writes NAME.kernel to the output \
            folder: the .deb, Image, config, System.map, the Pi's device trees and \
            SHA256SUMS. The next run continues an interrupted one. What was compiled before \
            comes from the cache.
            """)

    @OptionGroup var arguments: BuildArguments

    func run() async throws {
        let builder = try arguments.builder()
        let report = try await interruptible { try await builder.buildKernel() }
        try printLine(arguments.shared.json ? jsonLine(report) : report.text, terminator: "")
    }
}
