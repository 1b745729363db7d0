import ArgumentParser
import Diagnostics
import Engine
import Inspect
import SystemPackage

struct ListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ls", abstract: "List files in an image.",
        usage: "piforge ls [<options>] <image> [<path>]",
        discussion: """
            piforge ls out/debian-13.img.xz /etc
            piforge ls out/debian-13.img.xz -lR /boot/firmware
            piforge ls out/debian-13.img.xz 1:/      the first partition alone

            Paths are those of the running system: the boot partition is where /etc/fstab \
            mounts it. Times are UTC, owners are numbers. Characters of names that cannot \
            be printed show as \\ooo. Unpacks only those blocks of an .xz file that it reads.
            """)

    @Argument(help: "NAME.img.xz or NAME.img.")
    var image: String

    @Argument(help: "A folder or a file; N:/path for partition N alone.")
    var path = "/"

    @Flag(name: .customShort("l"), help: "Show mode, links, owner, group, size, time, and a link's target.")
    var long = false

    @Flag(name: [.customShort("R"), .long], help: "List everything below, with whole paths.")
    var recursive = false

    @Option(name: .long, help: ArgumentHelp("Look at this partition alone.", valueName: "number"))
    var partition: Int?

    @Flag(name: .long, help: "Print one JSON object a line.")
    var json = false

    func run() async throws {
        let image = FilePath(image)
        let location = try imageLocation(path, partition)
        let (recursive, long, json) = (recursive, long, json)
        try await interruptible {
            let listing = try Listing(
                location, in: try ImageDisk(image), recursive: recursive, long: long || json)
            let lines = json ? listing.rows.map(jsonText) : (long ? listing.lines : listing.names).map { $0 + "\n" }
            try writeOutput(lines.joined())
        }
    }
}

/// A location, by its text and `--partition`.
func imageLocation(_ text: String, _ partition: Int?) throws -> ImageLocation {
    var location = ImageLocation(parsing: text)
    if let partition {
        guard location.partition == nil || location.partition == partition else {
            throw ValidationError("--partition \(partition) and \(text) contradict each other")
        }
        location.partition = partition
    }
    return location
}
