import Diagnostics
import Disk
import Firmware
import Foundation
import Layers
import Storage
import SystemPackage

/// Gathers what `piforge inspect` tells. Belongs to one task.
package final class ImageInspection {
    private let disk: ImageDisk
    private var notRead: [String] = []

    package init(_ disk: ImageDisk) { self.disk = disk }

    /// Looks at the image.
    ///
    /// - Throws: `Failure` when the disk cannot be read; what cannot be read of what is on it is told in the report.
    ///   `CancellationError`.
    package func report() throws -> ImageReport {
        var report = ImageReport(
            file: disk.path.string, size: disk.size, signature: "0x" + disk.table.signature.hex(digits: 8),
            partitions: [], notRead: [])
        if let packed = disk.packed {
            report.packing = ImageReport.Packing(
                size: disk.fileSize, blocks: packed.file.blocks.count, streams: packed.file.streams,
                blockSize: packed.file.blocks.map(\.uncompressedSize).max() ?? 0)
        }
        report.manifest = manifest
        let files = try noting(disk.path.string) { try ImageFiles(disk) }
        if disk.packed?.isSequential == true, let files {
            _ = try noting("file names") { try disk.holdNames(of: files.root) }
        }
        if let files {
            try holdEverything(in: files)
            report.boot = try noting("boot files") { try boot(files) } ?? nil
            if files.root.ext4 != nil { report.system = try system(files) }
        }
        report.partitions = disk.volumes.map { facts(of: $0, files) }
        for partition in report.partitions {
            if let problem = partition.problem { notRead.append("partition \(partition.number): \(problem)") }
        }
        report.notRead = notRead
        report.blocksRead = disk.packed?.work.blocks
        return report
    }

    /// A value, or a note of why there is none.
    ///
    /// - Throws: what is no `Failure`.
    func noting<Value>(_ what: String, _ body: () throws -> Value) throws -> Value? {
        do { return try body() } catch let failure as Failure {
            notRead.append("\(what): \(failure.message)" + (failure.found.map { " (\($0))" } ?? ""))
            return nil
        }
    }

    private var manifest: String? {
        let name = disk.path.lastComponent?.string ?? ""
        guard let stem = ImageName(name)?.stem else { return nil }
        let path = disk.path.removingLastComponent().appending("\(stem).manifest.json")
        return (try? fileKind(path)) == nil ? nil : path.string
    }

    private func facts(of volume: Volume, _ files: ImageFiles?) -> ImageReport.PartitionFacts {
        let space = volume.space
        return ImageReport.PartitionFacts(
            number: volume.number, type: "0x" + volume.partition.type.hex(digits: 2),
            active: volume.partition.isActive, start: volume.partition.offset, size: volume.partition.size,
            partitionUUID: volume.partitionUUID, fileSystem: volume.fileSystem, label: volume.label,
            uuid: volume.uuid, used: space.map { $0.size - min($0.size, $0.free) }, free: space?.free,
            mountPoint: files?.mountPoint(of: volume)?.description, problem: volume.problem)
    }

    /// What is going to be read, in the disk's order, where order matters.
    private func holdEverything(in files: ImageFiles) throws {
        guard disk.packed?.isSequential == true else { return }
        let paths: [EntryPath] = SystemFiles.all + ["etc/fstab"]
        try disk.hold(paths.compactMap { files.regularFile(at: $0) })
    }

    // MARK: Boot files

    private func boot(_ files: ImageFiles) throws -> ImageReport.Boot? {
        // One that the fstab mounts, or the only one.
        let volumes = disk.volumes.filter { $0.fat != nil }
        guard let volume = volumes.first(where: { files.mountPoint(of: $0) != nil }) ?? volumes.first else {
            return nil
        }
        var boot = ImageReport.Boot(partition: volume.number, deviceTree: [])
        let tree = ImageFiles(disk, volume)
        func text(_ name: String) throws -> String? {
            try tree.bytes(at: try EntryPath(validating: name), limit: 1 << 20).map {
                String(decoding: $0, as: UTF8.self)
            }
        }
        guard try text("config.txt") != nil else {
            _ = try noting("boot files") { throw Failure(at: "", "partition \(volume.number) has no config.txt") }
            return boot
        }
        let config = try FirmwareConfig(contents: text)
        let prefix = config.settings["os_prefix"] ?? ""
        func exists(_ name: String) -> Bool { (try? tree.regularFile(at: EntryPath(validating: name))) ?? nil != nil }
        let kernel = config.settings["kernel"] ?? "kernel8.img"
        let used = exists(prefix + kernel) ? prefix : ""
        boot.kernel = used + kernel
        if let file = try tree.regularFile(at: EntryPath(validating: used + kernel)) {
            boot.kernelKind = try KernelImage(start(of: file, tree)).summary
        } else {
            notRead.append("boot files: config.txt makes \(used + kernel) the kernel, and there is no such file")
        }
        boot.initramfs =
            config.initramfs.map { used + $0.file }
            ?? config.settings["ramfsfile"].map { used + $0 }
            ?? (config.settings["auto_initramfs"] == "1" && exists(used + "initramfs8") ? used + "initramfs8" : nil)
        boot.commandLine = try text(used + (config.settings["cmdline"] ?? "cmdline.txt")).map {
            $0.split(whereSeparator: \.isNewline).joined(separator: " ")
        }
        boot.deviceTree = config.deviceTreeLines
        return boot
    }

    /// The first bytes of a file; no more of it is read than one piece.
    private func start(of file: ImageFile, _ tree: ImageFiles) throws -> [UInt8] {
        struct Enough: Error {}
        var bytes: [UInt8] = []
        do {
            try tree.forEachChunk(of: file) { chunk in
                bytes += chunk.prefix(64)
                if bytes.count >= 64 { throw Enough() }
            }
        } catch is Enough {}
        return bytes
    }
}
