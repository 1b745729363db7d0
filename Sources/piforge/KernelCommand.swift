import ArgumentParser
import Diagnostics
import Engine

struct KernelCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernel", abstract: "Configure a recipe's kernel from source.", subcommands: [KernelConfigCommand.self])
}

struct KernelConfigCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "Make the kernel's configuration from its defconfig and the recipe's fragments.",
        discussion: """
            piforge kernel config recipes/debian-13-custom-kernel.yaml
            piforge kernel config recipes/debian-13-custom-kernel.yaml --check
            piforge kernel config recipes/debian-13-custom-kernel.yaml --check --why VHOST_VSOCK --why KVM

            Writes kernel-configs/generated/NAME.config, and prints what changed in it. A line of a fragment that did not
            take is an error with its reason, and nothing is written then.
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
        print(arguments.shared.json ? jsonLine(report) : report.text, terminator: "")
        if !report.failures.isEmpty { throw FailureList(report.failures) }
    }
}
