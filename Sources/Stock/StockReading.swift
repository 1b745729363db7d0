import Diagnostics
import Digests
import Disk
import Layers
import Storage
import SystemPackage
import Tools

/// Finds the root and the boot file system among an image's partitions, and reads them.
struct StockReading {
    /// Where the boot partition is mounted when /etc/fstab does not say: as Debian and Ubuntu have it.
    private static let usualMountPoint = "/boot/firmware"
    /// The labels that root file systems of images for the Pi have; of several with an fstab, such a one is taken.
    private static let usualRootLabels = ["writable", "rootfs"]

    private let image: String
    private let rootFile: FilePath
    private let bootFile: FilePath
    private let check: FileSystemCheck
    private let progress: any ProgressReporter
    let facts: StockFacts

    /// - Parameter files: the partitions' files, by number.
    /// - Throws: `Failure` as ``StockImage/read(_:digest:store:work:workers:limit:tools:progress:freeSpace:)``.
    init(
        image: String, digest: SHA256Digest, disk: StockDisk, files: [Int: FilePath], tools: ToolRunner,
        progress: any ProgressReporter
    ) async throws {
        self.image = image
        self.progress = progress
        check = FileSystemCheck(tools: tools)
        var partitions = disk.partitions
        var finder = RootFinder(image: image)
        // Why partitions of FAT's types are none.
        var unreadable: [Failure] = []
        for index in partitions.indices {
            guard let file = files[partitions[index].number] else { continue }
            let place = "\(image): partition \(partitions[index].number)"
            if partitions[index].isLinux {
                do { try finder.look(at: &partitions[index], file, place: place) } catch let failure as Failure {
                    // What e2fsck says of it tells more.
                    if partitions[index].fileSystem != nil { try await check.checkExt4(file, place: place) }
                    throw failure
                }
            } else {
                do {
                    let reader = try FATReader(FileSource(file), place: place)
                    partitions[index].fileSystem = "vfat"
                    partitions[index].uuid = reader.uuid
                    partitions[index].label = try reader.volumeLabel()
                } catch let failure as Failure { unreadable.append(failure) }
            }
        }
        let (root, table) = try finder.root(in: partitions, usualLabels: Self.usualRootLabels)
        let (boot, mountPoint) = try Self.boot(in: partitions, table, disk.table, unreadable, image: image)
        guard let rootFile = files[root.number], let bootFile = files[boot.number] else {
            throw Failure(at: image, "the partitions were not unpacked")
        }
        self.rootFile = rootFile
        self.bootFile = bootFile
        facts = StockFacts(
            image: digest, diskSize: disk.size, diskSignature: disk.table.signature, partitions: partitions,
            rootPartition: root.number, bootPartition: boot.number, bootMountPoint: mountPoint)
    }

    /// The FAT that the fstab mounts, or the only one.
    private static func boot(
        in partitions: [StockPartition], _ table: FileSystemTable, _ disk: PartitionTable, _ unreadable: [Failure],
        image: String
    ) throws -> (StockPartition, String) {
        let all = partitions.filter { $0.isFAT && $0.fileSystem != nil }
        guard !all.isEmpty else {
            if let failure = unreadable.first { throw failure }
            throw Failure(
                at: image, "the image has no FAT partition, which a Pi boots from",
                found: partitions.map { "partition \($0.number) of type 0x\(String($0.type, radix: 16))" }
                    .joined(separator: ", "))
        }
        var mounted: [(StockPartition, String)] = []
        for partition in all {
            let names = FileSystemTable.Names(
                number: partition.number, label: partition.label, uuid: partition.uuid,
                partitionUUID: disk.partitionUUID(partition.number))
            if let line = table.line(mounting: names) {
                mounted.append((partition, line.mountPoint))
            }
        }
        let boot: (partition: StockPartition, mountPoint: String)
        if mounted.count == 1 {
            boot = mounted[0]
        } else if mounted.isEmpty, let line = table.firstFAT {
            throw Failure(
                at: "\(image): /etc/fstab", "it mounts a FAT file system that the image does not have",
                expected: all.map(\.names).joined(separator: " or "), found: "\(line.source) at \(line.mountPoint)")
        } else if mounted.isEmpty, all.count == 1 {
            boot = (all[0], usualMountPoint)
        } else {
            throw Failure(
                at: image, "the image has several FAT partitions, and it is not plain which one the Pi boots from",
                expected: "one that /etc/fstab mounts",
                found: all.map(\.description).joined(separator: ", "))
        }
        let path: EntryPath
        do { path = try EntryPath(validating: boot.mountPoint) } catch let failure as Failure {
            throw Failure(at: "\(image): /etc/fstab", failure.message, found: boot.mountPoint)
        }
        guard !path.isRoot else {
            throw Failure(at: "\(image): /etc/fstab", "it mounts the boot partition in place of the root file system")
        }
        return (boot.partition, path.description)
    }

    // MARK: Reading

    /// Checks both file systems and reads them: the root's files, then the boot partition's below its mount point.
    ///
    /// - Throws: `Failure` naming the partition; `CancellationError`.
    func read(into writer: LayerWriter) async throws {
        let step = "read the image"
        progress.report(.started(step: step, detail: "e2fsck, fsck.fat"))
        let bootPlace = "\(image): partition \(facts.bootPartition)"
        let rootPlace = "\(image): partition \(facts.rootPartition)"
        for word in try await check.checkFAT(bootFile, place: bootPlace) {
            progress.report(.note(step: step, text: "fsck.fat of partition \(facts.bootPartition): \(word)"))
        }
        // e2fsck reads the file system at the same time, and has the first word.
        async let verdict: Void = check.checkExt4(rootFile, place: rootPlace)
        do { try readFiles(into: writer, bootPlace: bootPlace, rootPlace: rootPlace) } catch {
            try await verdict
            throw error
        }
        try await verdict
        progress.report(.finished(step: step, detail: "", cached: false))
    }

    private func readFiles(into writer: LayerWriter, bootPlace: String, rootPlace: String) throws {
        let mountPoint = try EntryPath(validating: facts.bootMountPoint)
        let root = try Ext4Reader(rootFile, place: rootPlace)
        var hidden = 0
        try root.readLayer(into: writer) { entry in
            guard entry.path.isInside(mountPoint), entry.path != mountPoint else { return true }
            hidden += 1
            return false
        }
        if hidden > 0 {
            progress.report(
                .note(
                    step: "read the image",
                    text: "names of the root file system that lie hidden below \(mountPoint) are left out: \(hidden)"))
        }
        try addMountPoint(mountPoint, root, rootPlace, writer)
        try FATReader(FileSource(bootFile), place: bootPlace).readLayer(into: writer, below: mountPoint)
    }

    /// Makes sure that the mount point and the folders above it are folders.
    private func addMountPoint(
        _ mountPoint: EntryPath, _ root: Ext4Reader, _ place: String, _ writer: LayerWriter
    ) throws {
        var folder = EntryPath.root
        for component in mountPoint.components {
            folder = folder.appending(component)
            switch try root.entry(at: folder)?.kind {
            case .directory: continue
            case nil: try writer.add(Entry(folder, Attributes(mode: 0o755, mtime: Timestamp(seconds: 0)), .directory))
            default:
                throw Failure(
                    at: "\(place): \(folder)", "the boot partition's mount point is no folder", expected: "a folder")
            }
        }
    }
}

extension StockPartition {
    /// For errors: the ways an fstab may name it.
    var names: String {
        ([label.map { "LABEL=\($0)" }, uuid.map { "UUID=\($0)" }].compactMap { $0 } + ["/dev/mmcblk0p\(number)"])
            .joined(separator: ", ")
    }
}
