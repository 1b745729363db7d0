import Diagnostics
import Digests
import Disk
import Layers
import Stock
import Storage
import SystemPackage
import TestSupport
import Tools

/// A small image with the layout of a stock image for the Pi: an MBR, a FAT, an ext4.
struct StockSample {
    let folder: TemporaryFolder
    var path: FilePath { folder.path }
    var boot: FilePath { path.appending("boot.fat") }
    var root: FilePath { path.appending("root.ext4") }
    var raw: FilePath { path.appending("stock.img") }
    var packed: FilePath { path.appending("stock.img.xz") }
    var work: FilePath { path.appending("work") }
    var layers: FilePath { path.appending("layers") }

    static let fstab = """
        # the image's own
        LABEL=writable\t/\text4\tdefaults\t0 0
        LABEL=system-boot       /boot/firmware  vfat    defaults        0       1

        """

    init() throws { folder = try TemporaryFolder(in: "/tmp", name: "piforge-stock") }

    /// Makes a root file system of 12 MiB.
    ///
    /// - Parameter fstab: nil for none.
    func makeRoot(
        fstab: String? = fstab, label: String = "writable", uuid: String = "11111111-2222-4333-8444-555555555555",
        to target: FilePath? = nil, noise: Int = 20_000
    ) async throws {
        try await Judge.shell("rm -rf tree; mkdir -p tree/etc tree/boot/firmware tree/usr/bin", in: path)
        let tree = path.appending("tree")
        if let fstab { try writeAtomically(to: tree.appending("etc").appending("fstab"), bytes: Array(fstab.utf8)) }
        var generator = SplitMix64(seed: 42)
        let bytes = generator.bytes(noise)
        try writeAtomically(to: tree.appending("usr").appending("bin").appending("program"), bytes: bytes)
        try writeAtomically(
            to: tree.appending("boot").appending("firmware").appending("hidden"), bytes: Array("hidden\n".utf8))
        let target = target ?? root
        try await Judge.runner.run(
            Tool.mke2fs,
            [
                "-q", "-F", "-O", "has_journal,ext_attr,extent,filetype,metadata_csum,64bit", "-b", "4096", "-I", "256",
                "-J", "size=4", "-L", label, "-U", uuid, "-E", "root_owner=0:0,hash_seed=\(uuid)", "-d",
                tree.string, target.string, "12M",
            ], place: "mke2fs")
    }

    /// Makes a FAT32 of 34 MiB.
    func makeBoot(label: String = "system-boot", volumeID: String = "c0ffee01", to target: FilePath? = nil)
        async throws
    {
        try await Judge.shell(
            """
            rm -f "$1"; mkfs.fat -F 32 -s 1 -n "$2" -i "$3" -C "$1" 34816 > log 2>&1
            printf 'kernel=kernel8.bin\\n' > config.txt; mcopy -i "$1" config.txt ::/
            mmd -i "$1" ::/overlays; printf overlay > pi.dtbo; mcopy -i "$1" pi.dtbo ::/overlays/
            """, [(target ?? boot).string, label, volumeID], in: path)
    }

    /// Lays file systems out on a disk, the first at 1 MiB, and packs it with `xz` as one block.
    func assemble(
        _ parts: [(type: UInt8, file: FilePath)]? = nil, signature: UInt32 = 0xc0ff_ee00, pack: String = "xz -T1 -1"
    ) async throws {
        let parts = parts ?? [(0x0c, boot), (0x83, root)]
        var start: UInt32 = 2048
        var partitions: [Partition] = []
        try writeAtomically(to: raw) { disk in
            for part in parts {
                let bytes = try readFile(part.file)
                let count = UInt32(bytes.count / 512)
                partitions.append(
                    Partition(type: part.type, isActive: partitions.isEmpty, start: start, count: count))
                try disk.truncate(to: UInt64(start + count) * 512)
                try bytes.withUnsafeBytes { try SparseFile(disk).write(at: UInt64(start) * 512, $0) }
                start += (count + 2047) / 2048 * 2048
            }
            try disk.write(at: 0, PartitionTable(signature: signature, partitions: partitions).encoded())
        }
        try await Judge.shell("\(pack) -kc stock.img > stock.img.xz", in: path)
    }

    /// All of it, with what is usual.
    func make() async throws {
        try await makeRoot()
        try await makeBoot()
        try await assemble()
    }

    func read(
        _ image: FilePath? = nil, digest: String = "digest", limit: UInt64 = 1 << 30, workers: Int = 2,
        progress: any ProgressReporter = SilentProgress(),
        freeSpace: @Sendable @escaping (FilePath) -> UInt64? = { _ in 1 << 40 }
    ) async throws -> StockImage {
        try await StockImage.read(
            image ?? packed, digest: .of(digest), store: LayerStore(folder: layers), work: work, workers: workers,
            limit: limit, tools: ToolRunner(), progress: progress, freeSpace: freeSpace)
    }

    /// The error of a read, without the folder's path; and what it left in the folders of work and layers.
    func refusal(_ image: FilePath? = nil, limit: UInt64 = 1 << 30) async throws -> String {
        do {
            _ = try await read(image, limit: limit)
            return "no error"
        } catch let failure as Failure {
            let left = try await Judge.shell("mkdir -p work layers; ls -A work layers", in: path)
            let text = failure.description.replacing("\(path.string)/", with: "")
            return left == "layers:\n\nwork:\n" ? text : "\(text)\nleft: \(left)"
        }
    }
}
