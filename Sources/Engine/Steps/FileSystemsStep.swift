import Diagnostics
import Digests
import Disk
import Fetch
import Firmware
import Layers
import Recipe
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
    /// The root file system, where its content is read from the layers; nil where all of it was written out.
    var referenced: (source: ReferencedFileSystem, offset: UInt64)?

    /// Holds the content that lies in a range of the disk, in bytes, to its digests.
    ///
    /// - Throws: `DamagedContent`.
    func proveContent(in range: Range<UInt64>) throws {
        guard let (source, offset) = referenced, range.upperBound > offset else { return }
        try source.proveContent(in: max(range.lowerBound, offset) - offset..<range.upperBound - offset)
    }

    /// Holds content from outside the cache to its digests once more: somebody may have changed it while it was read.
    ///
    /// - Parameter root: the cache's folder.
    /// - Throws: `DamagedContent`.
    func proveForeignContent(root: FilePath) throws {
        try referenced?.source.proveAgain { content in
            if case .file(let path, _) = content { !path.starts(with: root) } else { false }
        }
    }
}

/// The root and the boot file system on their disk: `disk`, `seed`.
struct FileSystemsStep: BuildStep, Contextual {
    let context: BuildContext
    private let programs: [StepInput]
    private let overlays: [OverlayStep]
    let below: [String]

    /// - Parameter below: the steps whose layers the tree is made of.
    init(_ context: BuildContext, _ overlays: [OverlayStep], _ programs: HostPrograms, below: [String]) {
        self.context = context
        self.overlays = overlays
        self.programs = programs.fileSystems
        self.below = below
    }

    static let name = "file systems"
    var name: String { Self.name }
    let isKept = false
    let summary = "root and boot"
    var inputs: [StepInput] {
        [
            StepInput("piforge", Self.ownDigest), StepInput("name", recipe.name), StepInput("seed", recipe.seed),
            StepInput("epoch", String(recipe.epoch)),
            StepInput("disk.boot_size", String(recipe.disk.bootSize.bytes)),
            StepInput("disk.root_size", recipe.disk.rootSize.map { String($0.bytes) } ?? "auto"),
            StepInput("disk.free_space", String(recipe.disk.freeSpace.bytes)),
        ] + programs
    }

    /// The digest of the program itself: another piforge may make other bytes of the same inputs. It decides what runs
    /// again, and never reaches an image.
    private static let ownDigest: String = {
        let digest = try? SHA256Digest.of(file: "/proc/self/exe")
        return digest?.hex ?? piforgeVersion
    }()

    /// Writes both file systems from the tree, has them judged by the programs that know them best, and lays them out.
    ///
    /// - Throws: `Failure` for a tree that they cannot hold, or that a judge finds fault with.
    func assemble(_ tree: Tree, work: FilePath) async throws -> AssembledDisk {
        progress.report(.started(step: name, detail: "root"))
        let rootTree = tree.emptying(BootStep.mountPoint)
        guard let bootTree = tree.subtree(BootStep.mountPoint) else {
            throw Failure(at: name, "the tree has no \(BootStep.mountPoint)")
        }
        try OverlaidBootFiles(overlays, context).check(bootTree)
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
        let identity = DiskIdentity(seed: recipe.seed)
        let options = Ext4Options(
            size: size, label: FileSystemTableStep.rootLabel, uuid: identity.digest(of: "root file system").uuid,
            hashSeed: identity.digest(of: "directory hash").uuid, epoch: recipe.epoch, sizeKey: "disk.root_size")
        async let bootIsWhole: Void = writeBoot(bootTree, to: bootPath, identity)
        let (usage, referenced) = try await writeRoot(rootTree, to: rootPath, options)
        progress.report(.started(step: name, detail: "e2fsck, fsck.fat"))
        try await tools.run(.e2fsck, ["-fn", rootPath.string], place: "root file system")
        try await bootIsWhole
        let table = try PartitionTable.laidOut(
            signature: identity.signature, [(.fat32, recipe.disk.bootSize.bytes), (.linux, size)])
        let root: any ByteSource = if let referenced { referenced } else { try FileSource(rootPath) }
        let image = try DiskImage(table, contents: [FileSource(bootPath), root])
        progress.report(
            .finished(
                step: name, detail: "root \(megabytes(usage.size)), \(megabytes(usage.free)) free; both judged clean",
                cached: false))
        let parts = [try FATReader(bootPath).usedRanges(), try Ext4Reader(rootPath).usedRanges()]
        let used = zip(table.partitions, parts).flatMap { partition, ranges in
            ranges.map { $0.lowerBound + partition.offset..<$0.upperBound + partition.offset }
        }
        return AssembledDisk(
            image: image, rootUUID: options.uuid, bootVolumeID: identity.bootVolumeID, used: used,
            referenced: referenced.map { ($0, table.partitions[1].offset) })
    }

    /// Writes the boot file system, and has it judged by fsck.fat and by what the firmware asks.
    private func writeBoot(_ tree: Tree, to path: FilePath, _ identity: DiskIdentity) async throws {
        try await FAT.write(
            tree, to: path, size: recipe.disk.bootSize.bytes, label: FileSystemTableStep.bootLabel,
            volumeID: identity.bootVolumeID, epoch: recipe.epoch, sizeKey: "disk.boot_size", tools: tools)
        try await tools.run(.fsckFAT, ["-n", path.string], place: "boot file system")
        try await checkFirmware(path)
    }

    /// Writes the root file system: its metadata, or for a full check all of it. The bytes are the same.
    ///
    /// - Returns: what reads it where its content was not written; nil where the file holds all of it.
    private func writeRoot(
        _ tree: Tree, to path: FilePath, _ options: Ext4Options
    ) async throws -> (Ext4.Usage, ReferencedFileSystem?) {
        guard self.options.check == .metadata else {
            return (try await Ext4.write(tree, to: path, options, tools: tools), nil)
        }
        let composed = try await Ext4.compose(tree, to: path, options, tools: tools)
        return (composed.usage, composed.source)
    }

    /// Holds the boot partition, as it will lie on the card, to what `piforge verify` asks of it.
    ///
    /// - Parameter partition: the file of the boot file system.
    /// - Throws: as ``FirmwareContract/check(_:tools:)``.
    private func checkFirmware(_ partition: FilePath) async throws {
        let contract = FirmwareContract(
            ownLines: recipe.firmware.config, hasPublisher: recipe.stock != nil,
            memoryLimit: recipe.memory.limit.map { $0.bytes >> 20 })
        let files = try PartitionBootFiles(partition, offset: 0, place: "boot file system")
        context.note(try await contract.check(files, tools: tools), step: "firmware")
    }
}
