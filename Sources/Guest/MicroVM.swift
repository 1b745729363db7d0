import Diagnostics
import Disk
import Layers
import Storage
import SystemPackage
import Tools

/// The one boot in which Debian's maintainer scripts run.
///
///     tree ──► ext4 ──► micro-VM: preinst scripts · dpkg --unpack · dpkg --configure ──► ext4 ──► change ──► layer
///
/// QEMU emulates an arm64 machine; it boots Debian's own kernel with an initramfs made for this one job. There is no
/// network, no service starts, and the clock stands where the epoch puts it.
public enum MicroVM {
    /// How long a run took, and where the time went.
    public struct Report: Sendable {
        /// Every script, in the order they ran.
        public let timings: [ScriptTiming]
        /// Seconds from QEMU's start to its end.
        public let wallSeconds: Double
        /// Seconds from QEMU's start until the tree was mounted.
        public let bootSeconds: Double
        /// QEMU's CPU time in seconds.
        public let cpuSeconds: Double

        /// Each package's scripts taken together, the longest first.
        public var packages: [(package: String, seconds: Double, cpuSeconds: Double)] {
            Dictionary(grouping: timings, by: \.package)
                .map { name, scripts in
                    (
                        package: name, seconds: scripts.reduce(0) { $0 + $1.seconds },
                        cpuSeconds: scripts.reduce(0) { $0 + $1.cpuSeconds }
                    )
                }
                .sorted { ($1.seconds, $0.package) < ($0.seconds, $1.package) }
        }
    }

    /// Runs the maintainer scripts and returns what they changed, as a layer on top of the request's tree.
    ///
    /// - Parameters:
    ///   - store: where the layer is kept, under the request's key; when it is there already nothing runs.
    ///   - work: a folder for the virtual disk; what is put there is removed again.
    ///   - log: a file that takes all that the scripts and the guest's kernel print.
    /// - Returns: the layer, and a report when the micro-VM ran.
    /// - Throws: `Failure` naming the package, script and exit code of a script that failed; or saying that the guest's
    ///   kernel panicked, that the guest hung, or that its disk was full. `CancellationError`; no process stays.
    public static func configure(
        _ request: ConfigureRequest, store: LayerStore, work: FilePath, log: FilePath,
        progress: any ProgressReporter = SilentProgress(), qemu: QEMU? = nil
    ) async throws -> (layer: Layer, report: Report?) {
        let key = request.key
        // Packages and their scripts alone are in it: the recipe's own files come later.
        if let stored = try store.layer(key, name: layerName, shared: true) { return (stored, nil) }
        let machine = if let qemu { qemu } else { try await QEMU.locate() }
        let folder = try TemporaryFolder(in: work, name: "configure")
        let disk = GuestDisk(path: folder.path.appending("tree.ext4"), epoch: request.epoch)
        progress.report(.started(step: step, detail: "\(request.packages.count + request.archives.count) packages"))
        try await disk.write(request.tree, freeSpace: request.freeSpace)
        try Task.checkCancellation()
        let report = try await ConfigureRun(request: request, log: log, progress: progress)
            .run(on: disk.path, qemu: machine, work: folder.path)
        let changes = try disk.changes(since: request.tree, work: folder.path)
        var layer = Normalisation(tree: request.tree, epoch: request.epoch).apply(to: changes)
        if request.standIns.contains(.updateCACertificates) {
            try await CertificateStore.add(to: &layer, over: request.tree, epoch: request.epoch, work: folder.path)
        }
        layer.name = layerName
        let stored = try store.store(layer, as: key, shared: true)
        withExtendedLifetime(folder) {}
        progress.report(.finished(step: step, detail: "\(stored.entries.count) changes", cached: false))
        return (stored, report)
    }

    static let step = "configure"
    private static let layerName = "maintainer scripts"
}

/// The virtual disk that carries the tree to the guest and its change back.
struct GuestDisk {
    let path: FilePath
    let epoch: Int64

    /// Any constant will do: nobody else sees this file system.
    private static let identifier = "70696667-0000-4000-8000-677565737400"

    /// Writes the tree as ext4.
    func write(_ tree: Tree, freeSpace: UInt64) async throws {
        let size = Ext4.minimumSize(of: tree, freeBytes: freeSpace, reservedPercent: 0)
        let options = Ext4Options(
            size: size, label: "piforge-guest", uuid: Self.identifier, hashSeed: Self.identifier, epoch: epoch,
            reservedPercent: 0)
        try await Ext4.write(tree, to: path, options, tools: ToolRunner())
    }

    /// What is different on the disk now. The layer's content lies in a store below `work`.
    func changes(since tree: Tree, work: FilePath) throws -> Layer {
        let store = try LayerStore(folder: work.appending("changes"))
        let reader = try Ext4Reader(path)
        return try store.layer(.of(Array("changes".utf8)), name: "changes") { writer in
            try reader.changes(since: tree, epoch: epoch, into: writer, include: { !NormalisationRule.isVolatile($0) })
        }
    }
}
