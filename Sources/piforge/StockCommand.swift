import ArgumentParser
import Diagnostics
import Digests
import Engine
import Foundation
import Layers
import Stock
import Storage
import Tools

/// Reads a stock image as `build` does; for measuring, and to see what an image holds.
struct StockCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stock", abstract: "Read a stock image into a layer as build does, without verifying it.",
        discussion: "piforge stock image.img.xz layers", shouldDisplay: false)

    @Argument(help: "The image: an .xz file, or a raw disk.")
    var image: String

    @Argument(help: "The folder of the layers.")
    var layers: String

    @Option(name: .long, help: "The most GiB that the disk may have.")
    var limit = 64

    @Option(name: [.short, .long], help: "How many blocks are decoded at a time.")
    var jobs = ProcessInfo.processInfo.activeProcessorCount

    @OptionGroup var shared: SharedOptions

    func validate() throws {
        guard (1...1024).contains(limit) else { throw ValidationError("--limit: expected 1 to 1024, found \(limit)") }
    }

    func run() async throws {
        let image = absolute(image)
        let folder = absolute(layers)
        let progress = shared.progress
        let (jobs, limit) = (jobs, UInt64(limit) << 30)
        let read = try await interruptible {
            // The layer's key stands for the file's path here: hashing the file is not part of what is measured.
            try await StockImage.read(
                image, digest: .of(image.string), store: LayerStore(folder: folder), work: folder.appending("work"),
                workers: jobs, limit: limit, tools: ToolRunner(), progress: progress)
        }
        for partition in read.facts.partitions {
            try printLine(
                "partition \(partition.number): type 0x\(String(partition.type, radix: 16)), \(partition.size) bytes, "
                    + "\(partition.fileSystem ?? "-"), label \(partition.label ?? "-"), UUID \(partition.uuid ?? "-")")
        }
        try printLine("boot files at \(read.bootMountPoint); \(read.layer.entries.count) entries in \(folder)")
    }
}
