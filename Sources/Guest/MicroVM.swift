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
package enum MicroVM {
    /// How long a run took, and where the time went.
    package struct Report: Sendable {
        /// Every script, in the order they ran.
        package let timings: [ScriptTiming]
        /// Seconds from QEMU's start to its end.
        package let wallSeconds: Double
        /// Seconds from QEMU's start until the tree was mounted.
        package let bootSeconds: Double
        /// QEMU's CPU time in seconds.
        package let cpuSeconds: Double
        /// Which secret was made by which package: for trials.
        var made: [(number: Int, package: String, means: MadeSecret.Means)] = []

        /// Each package's scripts taken together, the longest first.
        package var packages: [(package: String, seconds: Double, cpuSeconds: Double)] {
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

    /// What the scripts did.
    package struct Result: Sendable {
        /// What they changed, but for secrets.
        package var layer: Layer
        /// What they made that no two boards may share.
        package var secrets: [MadeSecret]
        /// How the run went; nil when nothing ran.
        package var report: Report?
        /// The secrets themselves with what belongs to them: for an image that is to have them all the same.
        let secretFiles: Layer

        /// The files of one secret.
        package func files(of secret: MadeSecret) -> [Entry] {
            let paths = Set([secret.path] + secret.companions)
            return secretFiles.entries.filter { paths.contains(SecretFinder.text($0.path)) }
        }
    }

    /// What is stored of a request; nil where it has to run.
    ///
    /// - Throws: `Failure` when what is stored is damaged.
    package static func stored(
        _ request: ConfigureRequest, in store: LayerStore, shared: Bool = true, keepsSecrets: Bool = false
    ) throws -> Result? {
        try ConfiguredShelf(store: store, key: request.key, isShared: shared, keepsSecrets: keepsSecrets).result()
    }

    /// What is stored of a request, or what a run gives.
    ///
    /// - Throws: as ``stored(_:in:shared:keepsSecrets:)`` and ``run(_:step:store:shared:keepsSecrets:work:log:progress:qemu:)``.
    package static func configure(
        _ request: ConfigureRequest, step: String = "configure", store: LayerStore, shared: Bool = true,
        keepsSecrets: Bool = false, work: FilePath, log: FilePath, progress: any ProgressReporter = SilentProgress(),
        qemu: QEMU? = nil
    ) async throws -> Result {
        if let stored = try stored(request, in: store, shared: shared, keepsSecrets: keepsSecrets) { return stored }
        return try await run(
            request, step: step, store: store, shared: shared, keepsSecrets: keepsSecrets, work: work, log: log,
            progress: progress, qemu: qemu)
    }

    /// Runs the maintainer scripts and returns what they changed, as a layer on top of the request's tree.
    ///
    /// Secrets that scripts make are no part of the layer; they are kept apart, in this machine's own store alone.
    ///
    /// - Parameters:
    ///   - step: what progress and errors call it.
    ///   - store: where the layer is kept, under the request's key.
    ///   - shared: whether the shared cache may have it: never with files of the recipe's own in the tree.
    ///   - keepsSecrets: whether the secrets that scripts make are asked for, and so kept in this machine's store.
    ///   - work: a folder for the virtual disk; what is put there is removed again.
    ///   - log: a file that takes all that the scripts and the guest's kernel print.
    /// - Returns: the layer, and the report.
    /// - Throws: `Failure` naming the package, script and exit code of a script that failed; or saying that the guest's
    ///   kernel panicked, that the guest hung, or that its disk was full. `CancellationError`; no process stays.
    package static func run(
        _ request: ConfigureRequest, step: String = "configure", store: LayerStore, shared: Bool = true,
        keepsSecrets: Bool = false, work: FilePath, log: FilePath, progress: any ProgressReporter = SilentProgress(),
        qemu: QEMU? = nil
    ) async throws -> Result {
        let shelf = ConfiguredShelf(
            store: store, key: request.key, isShared: shared, keepsSecrets: keepsSecrets)
        let machine = if let qemu { qemu } else { try await QEMU.locate() }
        let folder = try TemporaryFolder(in: work, name: "configure")
        let disk = GuestDisk(path: folder.path.appending("tree.ext4"), epoch: request.epoch)
        let count = request.allPackages.count
        let computed = request.work.triggers + request.work.programs
        progress.report(
            .started(step: step, detail: count > 0 ? "\(count) packages" : computed.joined(separator: ", ")))
        try await disk.write(request.tree, freeSpace: request.freeSpace)
        try Task.checkCancellation()
        let report = try await ConfigureRun(request: request, log: log, progress: progress, step: step)
            .run(on: disk.path, qemu: machine, work: folder.path)
        let changes = try disk.changes(since: request.tree, work: folder.path)
        let found = try SecretFinder(changes, over: request.tree, packages: request.allPackages).find()
        var layer = Normalisation(tree: request.tree, epoch: request.epoch).apply(to: changes)
        let secretFiles = layer.takeOut(found.map(\.secret))
        if request.standIns.contains(.updateCACertificates) {
            try await CertificateStore.add(to: &layer, over: request.tree, epoch: request.epoch, work: folder.path)
        }
        removeTree(disk.path)
        let secrets = try await SecretTrial.run(
            found, after: layer, of: request, work: folder.path, log: log, progress: progress, qemu: machine)
        let stored = try shelf.store(layer, secrets, files: secretFiles, report)
        withExtendedLifetime(folder) {}
        progress.report(.finished(step: step, detail: "\(stored.layer.entries.count) changes", cached: false))
        return stored
    }

    static let step = "configure"
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
