import Progress
import Digests
import Storage
import ArgumentParser
import Diagnostics
import Engine
import Fetch
import Foundation
import Prove

/// Which machines a proof runs on.
enum MachineChoice: String, ExpressibleByArgument, CaseIterable {
    case raspi4b, virt, both

    var machines: [ProofMachine] {
        switch self {
        case .raspi4b: [.raspi4b]
        case .virt: [.virt]
        case .both: ProofMachine.allCases
        }
    }
}

struct ProveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove", abstract: "Boot an image in emulated machines and check what runs.",
        usage: "piforge prove [<options>] <image>",
        discussion: """
            piforge prove out/debian-13.img.xz
            piforge prove out/debian-13.img.xz --machine virt --json
            piforge prove out/debian-13.img.xz --machine virt --thorough

            Boots exactly the bytes of the image, copy on write: as the SD card of a \
            Raspberry Pi 4, and on QEMU's virt machine with a network. Logs in with the \
            passwords in NAME.credentials beside the image. Prints one row for each check, \
            and ends with 1 when one fails. --thorough lets the booted system make its own \
            initramfs, and boots it again with that from a USB disk (docs/prove.md).
            """)

    @Argument(help: "The image: NAME.img.xz or NAME.img.")
    var image: String

    @Option(name: .long, help: "Where to boot it.")
    var machine: MachineChoice = .both

    @Option(
        name: .long,
        help: ArgumentHelp("Who to log in as: user:password lines. NAME.credentials else.", valueName: "file"))
    var credentials: String?

    @Option(
        name: .long,
        help: ArgumentHelp("A private key the image lets in. One is made for the proof else.", valueName: "file"))
    var sshKey: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A proof image of a runtime, where the cache lacks it; may be given several times.", valueName: "file"))
    var runtimeImage: [String] = []

    @Flag(name: .long, help: "Make the initramfs anew on virt and boot again with it: minutes more.")
    var thorough = false

    @Option(name: .long, help: ArgumentHelp("Where the serial logs go. The image's folder else.", valueName: "dir"))
    var log: String?

    @OptionGroup var shared: SharedOptions

    func validate() throws {
        guard !thorough || machine != .raspi4b else {
            throw ValidationError("--thorough is done on virt: leave --machine raspi4b out")
        }
    }

    func run() async throws {
        let path = absolute(image)
        let cache = try shared.openCache()
        defer { withExtendedLifetime(cache) {} }
        var options = ProofOptions(
            image: path, logs: log.map { absolute($0) } ?? path.removingLastComponent(), cache: cache.proofs)
        options.machines = machine.machines
        options.thorough = thorough
        options.givenCache = shared.cache
        options.credentials = credentials.map { absolute($0) }
        options.sshKey = sshKey.map { absolute($0) }
        let given = try runtimeImage.map { absolute($0) }.map { (try SHA256Digest.of(file: $0), $0) }
        options.runtimeImage = { digest in
            try given.first { $0.0 == digest }?.1 ?? cache.stored(digest)
        }
        let progress = shared.progress
        let chosen = options
        let report = try await interruptible { try await Prover.run(chosen, progress: progress) }
        if shared.json {
            try printLine(jsonLine(report.rendered), terminator: "")
        } else {
            try printLine(shared.text(of: Report(report)), terminator: "")
        }
        if !report.passed { throw ExitCode(1) }
    }
}
