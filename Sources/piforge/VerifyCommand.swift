import Progress
import ArgumentParser
import Diagnostics
import Engine
import Fetch
import Foundation
import Recipe
import SystemPackage
import Verify

struct VerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Check images: sums, signature, xz, partitions, file systems, contents.",
        usage: "piforge verify [<options>] <files> ...",
        discussion: """
            piforge verify out/debian-13.img.xz
            piforge verify out/debian-13.SHA256SUMS --keyring me.gpg --key FINGERPRINT
            piforge verify stock.img.xz --recipe recipes/ubuntu-18.04.3.yaml

            Reads what lies beside the image: NAME.SHA256SUMS or SHA256SUMS, its signature \
            (.gpg, .sig, .asc), and NAME.manifest.json. The fingerprint of an SSH key \
            (SHA256:...) asks for an SSH signature. Prints one row for each check, names \
            the first wrong byte and what it belongs to, and ends with 1 when a check \
            fails. Changes nothing.
            """)

    @Argument(help: "NAME.img.xz, NAME.img, NAME.SHA256SUMS or NAME.manifest.json.")
    var files: [String]

    @Option(name: .long, help: ArgumentHelp("The list of sums. The one beside the image else.", valueName: "file"))
    var sums: String?

    @Option(name: .long, help: ArgumentHelp("The list's signature. The one beside the list else.", valueName: "file"))
    var signature: String?

    @Option(name: .long, help: ArgumentHelp("The publisher's public keys, OpenPGP's or SSH's.", valueName: "file"))
    var keyring: String?

    @Option(
        name: .long,
        help: ArgumentHelp("A key of the keyring that is trusted; may be given again.", valueName: "fingerprint"))
    var key: [String] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A recipe on a stock image: its publisher's keys, in place of --keyring and --key.", valueName: "recipe"))
    var recipe: String?

    @Option(name: [.short, .long], help: "How many blocks are unpacked at a time.")
    var jobs = ProcessInfo.processInfo.activeProcessorCount

    @OptionGroup var shared: SharedOptions

    func validate() throws {
        guard (1...1024).contains(jobs) else { throw ValidationError("--jobs: expected 1 to 1024, found \(jobs)") }
        if recipe != nil, keyring != nil || !key.isEmpty {
            throw ValidationError("--recipe and --keyring or --key contradict each other")
        }
    }

    func run() async throws {
        let cache = try shared.openCache()
        defer { withExtendedLifetime(cache) {} }
        var options = VerifyOptions(files: files.map { FilePath($0) }, work: cache.work, workers: jobs)
        options.sums = sums.map { FilePath($0) }
        options.signature = signature.map { FilePath($0) }
        options.keyring = keyring.map { FilePath($0) }
        options.sshKeys = key.compactMap { SSHKeyFingerprint($0) }
        options.keys = try key.filter { SSHKeyFingerprint($0) == nil }
            .map { try KeyFingerprint(parsing: $0, at: "--key") }
        if let recipe {
            let publisher = try await shared.builder(recipe: recipe).publisher()
            options.keyring = publisher.keyring
            options.keys = try publisher.keys.map { try KeyFingerprint(parsing: $0, at: recipe) }
        }
        let progress = shared.progress
        let chosen = options
        let shared = shared
        let passed = try await interruptible {
            try await Verifier.run(chosen, progress: progress) { report in
                try printLine(shared.json ? jsonLine(report.rendered) : shared.text(of: Report(report)), terminator: "")
            }
        }
        if !passed { throw ExitCode(1) }
    }
}

extension SharedOptions {
    /// The builder of a recipe that is only asked, not built.
    fileprivate func builder(recipe: String) throws -> ImageBuilder {
        ImageBuilder(
            recipe: try Recipe.load(path: FilePath(recipe), home: homeFolder, share: shareFolder),
            options: BuildOptions(
                recipePath: absolute(recipe), output: absolute("out"),
                jobs: ProcessInfo.processInfo.activeProcessorCount,
                environment: ProcessInfo.processInfo.environment,
                givenCache: cache),
            cache: try openCache(), progress: progress)
    }
}
