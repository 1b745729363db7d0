import Progress
import ArgumentParser
import Diagnostics
import Digests
import Engine

#if canImport(Glibc)
    import Glibc
#endif

struct LockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lock", abstract: "Decide what a recipe's lock file pins.", subcommands: [LockAcceptCommand.self])
}

struct LockAcceptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accept", abstract: "Vouch for fetched files that nothing else vouches for.",
        discussion: """
            piforge lock accept recipes/mine.yaml --all
            piforge lock accept recipes/mine.yaml --all --json
            piforge lock accept recipes/mine.yaml --all --yes
            piforge lock accept recipes/mine.yaml some.img.xz 7adc…1479

            A build that needs such files fetches them, lists them and stops. Compare
            each sum with what the publisher shows, by a way other than the download;
            then this pins the files in the recipe's lock file. The manifest of every
            image that is made of them says "accepted by the user on first use".

            --all shows every file that is not accepted yet, with size, sum, URL and
            where its publisher shows a digest, and asks once. What no build has
            fetched yet is fetched now, unless there is --offline.
            """)

    @OptionGroup var arguments: BuildArguments

    @Argument(help: ArgumentHelp("The file, as the build named it.", valueName: "file"))
    var file: String?

    @Argument(help: ArgumentHelp("Its SHA-256, as the build showed it: 64 hex digits.", valueName: "sha256"))
    var sum: String?

    @Flag(name: .long, help: "All files that are not accepted yet, after showing them.")
    var all = false

    @Flag(name: .long, help: "With --all: do not ask. For scripts that have compared the sums.")
    var yes = false

    func validate() throws {
        if all, file != nil { throw ValidationError("--all takes no file: expected one of FILE SHA256 and --all") }
        if !all, sum == nil { throw ValidationError("expected FILE and SHA256, or --all") }
        if yes, !all { throw ValidationError("--yes belongs to --all") }
    }

    func run() async throws {
        let builder = try arguments.builder()
        if all { return try await acceptAll(builder) }
        let text = sum ?? ""
        guard let digest = SHA256Digest(hex: text.hasPrefix("sha256:") ? text.dropFirst("sha256:".count) : text[...])
        else {
            throw Failure(.usage, at: text, "not a SHA-256 digest", expected: "64 hex digits")
        }
        try printLine(builder.accept(file ?? "", digest))
    }

    private func acceptAll(_ builder: ImageBuilder) async throws {
        let files = try await interruptible { try await builder.filesToAccept() }
        if arguments.shared.json { try printLine(jsonLine(["files": files]), terminator: "") }
        guard !files.isEmpty else {
            if !arguments.shared.json {
                try printLine("\(arguments.recipe): every file is vouched for; there is nothing to accept")
            }
            return
        }
        if !arguments.shared.json { try printLine(files.map(\.text).joined(separator: "\n\n")) }
        if !yes {
            guard !arguments.shared.json else {
                throw Failure(
                    .usage, at: "--json", "the files are listed and nobody is asked; nothing was accepted",
                    next: "compare the sums, then add --yes")
            }
            guard isatty(STDIN_FILENO) == 1 else {
                throw Failure(
                    .usage, at: "lock accept", "there is no terminal to ask on; nothing was accepted",
                    next: "compare the sums, then say --yes, or piforge lock accept RECIPE FILE SHA256")
            }
            let question = files.count == 1 ? "Accept this file?" : "Accept these \(files.count) files?"
            try printLine("\n\(question) [y/N] ", terminator: "")
            fflush(nil)
            guard ["y", "yes"].contains((readLine() ?? "").lowercased()) else {
                throw Failure(
                    at: "lock accept", "nothing was accepted",
                    next: "a build fetches the files again, and lists what it gets")
            }
        }
        let lines = try builder.accept(files)
        if !arguments.shared.json { try printLine("\n" + lines.joined(separator: "\n")) }
    }
}
