import ArgumentParser
import Diagnostics
import Engine
import Inspect
import SystemPackage

struct CatCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cat", abstract: "Print files of an image.",
        discussion: """
            piforge cat out/debian-13.img.xz /etc/os-release
            piforge cat out/debian-13.img.xz 1:/config.txt
            piforge cat out/debian-13.img.xz /boot/initrd.img > initrd.img

            Prints the bytes of each file, one file after the other. Follows links inside \
            the image. Unpacks only those blocks of an .xz file that it reads.
            """)

    @Argument(help: "NAME.img.xz or NAME.img.")
    var image: String

    @Argument(help: "Files; N:/path for one on partition N.")
    var paths: [String]

    @Option(name: .long, help: ArgumentHelp("Look at this partition alone.", valueName: "number"))
    var partition: Int?

    func run() async throws {
        let image = FilePath(image)
        let locations = try paths.map { try imageLocation($0, partition) }
        try await interruptible {
            let disk = try ImageDisk(image)
            for location in locations {
                try ImageFiles(disk, location).cat(location.path) { try writeOutput($0) }
            }
        }
    }
}
