import Diagnostics
import Digests
import Disk
import Layers
import Pack
import Steps
import Storage
import SystemPackage
import Tools

/// The disk of an image: its file systems, written and judged, and where they lie.
struct AssembledDisk {
    var image: DiskImage
    var rootUUID: String
    var bootVolumeID: UInt32
    /// What of it the file systems use, in bytes.
    var used: [Range<UInt64>]
}

extension ImageBuilder {
    /// Writes both file systems from the tree, has them judged by the programs that know them best, and lays them out.
    func disk(_ tree: Tree, _ overlays: [OverlayStep], work: FilePath) async throws -> AssembledDisk {
        let step = "file systems"
        progress.report(.started(step: step, detail: "root"))
        let rootTree = tree.emptying(BootStep.mountPoint)
        guard let bootTree = tree.subtree(BootStep.mountPoint) else {
            throw Failure(at: step, "the tree has no \(BootStep.mountPoint)")
        }
        try checkBootFiles(bootTree, overlays)
        let needed = Ext4.minimumSize(of: rootTree, freeBytes: recipe.disk.freeSpace.bytes)
        let size = recipe.disk.rootSize?.bytes ?? needed
        guard size >= needed else {
            throw Failure(
                .usage, at: "disk.root_size", "the root file system is too small",
                expected: "at least \(needed >> 20)M, \(recipe.disk.freeSpace.bytes >> 20)M of it free",
                found: "\(size >> 20)M", next: "raise disk.root_size, or set it to auto")
        }
        let rootPath = work.appending("root.ext4")
        let bootPath = work.appending("boot.fat")
        let options = Ext4Options(
            size: size, label: FileSystemTableStep.rootLabel, uuid: identity("root file system").uuid,
            hashSeed: identity("directory hash").uuid, epoch: recipe.epoch, sizeKey: "disk.root_size")
        let usage = try await Ext4.write(rootTree, to: rootPath, options, tools: tools)
        let volumeID = identity32("boot file system")
        try await FAT.write(
            bootTree, to: bootPath, size: recipe.disk.bootSize.bytes, label: FileSystemTableStep.bootLabel,
            volumeID: volumeID, epoch: recipe.epoch, sizeKey: "disk.boot_size", tools: tools)
        progress.report(.started(step: step, detail: "e2fsck, fsck.fat"))
        try await tools.run(.e2fsck, ["-fn", rootPath.string], place: "root file system")
        try await tools.run(.fsckFAT, ["-n", bootPath.string], place: "boot file system")
        try await firmwareContract(bootPath)
        let table = try PartitionTable.laidOut(
            signature: identity32("disk"), [(.fat32, recipe.disk.bootSize.bytes), (.linux, size)])
        let image = try DiskImage(table, contents: [FileSource(bootPath), FileSource(rootPath)])
        progress.report(
            .finished(
                step: step, detail: "root \(megabytes(usage.size)), \(megabytes(usage.free)) free; both judged clean",
                cached: false))
        let parts = [try FATReader(bootPath).usedRanges(), try Ext4Reader(rootPath).usedRanges()]
        let used = zip(table.partitions, parts).flatMap { partition, ranges in
            ranges.map { $0.lowerBound + partition.offset..<$0.upperBound + partition.offset }
        }
        return AssembledDisk(image: image, rootUUID: options.uuid, bootVolumeID: volumeID, used: used)
    }

    /// A digest that names one thing of this image: from the recipe's seed, never from a clock or a random source.
    func identity(_ purpose: String) -> SHA256Digest {
        let hasher = KeyHasher(purpose: "identity of the \(purpose)")
        hasher.add(recipe.seed)
        return hasher.finalize()
    }

    private func identity32(_ purpose: String) -> UInt32 {
        identity(purpose).bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// The root's partition as the kernel itself knows it: the disk's signature, and the second of the table (Linux,
    /// block/early-lookup.c).
    var rootPartition: String {
        "PARTUUID=\(PartitionTable.partitionUUID(2, signature: identity32("disk")))"
    }
}
