import ArgumentParser
import Diagnostics
import Digests
import Engine

struct LockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lock", abstract: "Decide what a recipe's lock file pins.", subcommands: [LockAcceptCommand.self])
}

struct LockAcceptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accept", abstract: "Vouch for a fetched file that nothing else vouches for.",
        discussion: """
            piforge lock accept recipes/mine.yaml some.img.xz 7adc…1479

            A build stops at such a file and shows its sum. Compare it with what the publisher says, by a way other than the
            download; then this pins it in the recipe's lock file. The manifest of every image that is made of it says
            "accepted by the user on first use".
            """)

    @OptionGroup var arguments: BuildArguments

    @Argument(help: ArgumentHelp("The file, as the build named it.", valueName: "file"))
    var file: String

    @Argument(help: ArgumentHelp("Its SHA-256, as the build showed it: 64 hex digits.", valueName: "sha256"))
    var sum: String

    func run() async throws {
        let hex = sum.hasPrefix("sha256:") ? sum.dropFirst("sha256:".count) : sum[...]
        guard let digest = SHA256Digest(hex: hex) else {
            throw Failure(.usage, at: sum, "this is no SHA-256", expected: "64 hex digits")
        }
        print(try arguments.builder().accept(file, digest))
    }
}
