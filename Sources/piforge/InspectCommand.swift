import ArgumentParser
import Diagnostics
import Engine
import Inspect
import SystemPackage

struct InspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Tell what an image is and what is on it, without unpacking it.",
        discussion: """
            piforge inspect out/debian-13.img.xz
            piforge inspect 2024-11-19-raspios-bookworm-arm64-lite.img.xz --json

            Reads any image that has an MBR with FAT and ext4 partitions, raw or in an .xz \
            file. Unpacks only those blocks of an .xz file that it reads; if the file has a \
            single block, it unpacks it from the start, a few times. Says what it cannot \
            read.
            """)

    @Argument(help: "NAME.img.xz or NAME.img.")
    var image: String

    @Flag(name: .long, help: "Print the report as JSON.")
    var json = false

    func run() async throws {
        let (path, json) = (FilePath(image), json)
        try await interruptible {
            let report = try ImageInspection(try ImageDisk(path)).report()
            try writeOutput(json ? jsonText(report) : report.text)
        }
    }
}
