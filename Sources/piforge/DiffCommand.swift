import ArgumentParser
import Diagnostics
import Engine
import Inspect
import SystemPackage

struct DiffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "Tell what differs between two images.",
        discussion: """
            piforge diff old.img.xz new.img.xz
            piforge diff old.img.xz new.img.xz --only packages --only kernel
            piforge diff a.img b.img.xz --json

            Compares disks, file systems, boot files, packages, kernel options and files. \
            If all of these are the same and bytes still differ, it names what the bytes \
            belong to. Writes nothing to the disk. Ends with 0 when the images are the \
            same, 1 when they differ, 2 when they cannot be compared.
            """)

    @Argument(help: "NAME.img.xz or NAME.img.")
    var a: String

    @Argument(help: "NAME.img.xz or NAME.img.")
    var b: String

    @Flag(inversion: .prefixedNo, help: "Show how texts differ, line by line.")
    var text = true

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A section that is looked at; may be given again. All of them else: "
                + ImageDifferences.Section.allCases.map(\.rawValue).joined(separator: ", ") + ".", valueName: "section")
    )
    var only: [ImageDifferences.Section] = []

    @Flag(name: .long, help: "Print the differences as JSON.")
    var json = false

    func run() async throws {
        let (a, b, json) = (FilePath(a), FilePath(b), json)
        let options = ImageComparison.Options(
            sections: only.isEmpty ? ImageDifferences.Section.allCases : only, text: text)
        let isSame: Bool
        do {
            isSame = try await interruptible {
                let differences = try ImageComparison(try ImageDisk(a), try ImageDisk(b), options).run()
                try writeOutput(json ? jsonText(differences) : differences.text)
                return differences.isEmpty
            }
        } catch var failure as Failure {
            // 1 says that images differ.
            failure.kind = .usage
            throw failure
        }
        if !isSame { throw ExitCode(1) }
    }
}

extension ImageDifferences.Section: ExpressibleByArgument {}
