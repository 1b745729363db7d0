import Records
import XZ
import ArgumentParser
import Diagnostics
import Disk
import Engine
import Foundation
import Storage

/// Compresses a disk as `build` does; for measuring, and for disks from elsewhere.
struct PackCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pack", abstract: "Compress a raw disk image as build does.",
        discussion: "piforge pack disk.img disk.img.xz --preset 6 --block-size 8", shouldDisplay: false)

    @Argument(help: "The raw disk.")
    var raw: String

    @Argument(help: "The .xz file to write.")
    var packed: String

    @Option(name: .long, help: "xz's preset, 0 to 9.")
    var preset = 6

    @Option(name: .long, help: "Uncompressed MiB in a block.")
    var blockSize = 8

    @Option(name: .long, help: "Before compression: none, or arm64 (needs xz 5.4 to unpack).")
    var filter = "none"

    @Option(name: .long, help: ArgumentHelp("Write a block map of the disk, too.", valueName: "file"))
    var bmap: String?

    @Option(name: [.short, .long], help: "How many blocks are compressed at a time.")
    var jobs = ProcessInfo.processInfo.activeProcessorCount

    @OptionGroup var shared: SharedOptions

    func validate() throws {
        guard (1...64).contains(blockSize) else {
            throw ValidationError("--block-size: expected 1 to 64, found \(blockSize)")
        }
        guard XZSettings.Filter(rawValue: filter) != nil else {
            throw ValidationError("--filter: expected none or arm64, found \(filter)")
        }
    }

    func run() async throws {
        let settings = try XZSettings(
            preset: preset, blockSize: blockSize << 20, filter: XZSettings.Filter(rawValue: filter) ?? .none)
        let disk = absolute(raw)
        try ImagePacking.check(disk)
        let source = try FileSource(disk)
        let target = absolute(packed)
        let progress = shared.progress
        let jobs = jobs
        let summary = try await interruptible {
            progress.report(.started(step: "pack", detail: target.string))
            return try await XZWriter(settings: settings, workers: jobs).write(source, to: target, progress: progress)
        }
        if let bmap {
            let map = try BlockMap(of: source, used: try UsedSpace.ranges(of: disk), stretch: blockSize << 20)
            try writeAtomically(to: absolute(bmap), bytes: map.bytes)
        }
        try printLine("\(summary.digest)  \(target)")
    }
}
