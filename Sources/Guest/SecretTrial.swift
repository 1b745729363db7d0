import Diagnostics
import Layers
import Packages
import Storage
import SystemPackage

/// A secret that is not in the tree, and the packages that may make it.
struct SecretTrial {
    let path: String
    let makers: [PackageIdentity]

    /// Takes the secrets' makers at their word: boots the tree without the secrets, runs the packages' postinst scripts again, and looks whether
    /// the files come back. What the scripts do here is forgotten.
    ///
    /// - Returns: the secrets, each with the package that makes it, and how.
    /// - Throws: as ``MicroVM/configure(_:step:store:shared:work:log:progress:qemu:)``.
    static func run(
        _ found: [(secret: MadeSecret, makers: [PackageIdentity])], after layer: Layer,
        of request: ConfigureRequest, work: FilePath, log: FilePath, progress: any ProgressReporter, qemu: QEMU
    ) async throws -> [MadeSecret] {
        guard !found.isEmpty else { return [] }
        var trial = ConfigureRequest(
            tree: request.tree, packages: [], kernel: request.kernel, busybox: request.busybox, epoch: request.epoch)
        try trial.tree.apply(layer)
        trial.freeSpace = request.freeSpace
        trial.limits = request.limits
        // A path that a line of text cannot hold is tried by nobody.
        trial.trials = found.map { secret, makers in
            SecretTrial(path: secret.path, makers: secret.path.contains { $0.isNewline } ? [] : makers)
        }
        progress.report(
            .note(
                step: MicroVM.step,
                text: "made by scripts, and left out: \(found.map { "/\($0.secret.path)" }.joined(separator: ", ")); "
                    + "trying whether their packages make them again"))
        let disk = GuestDisk(path: work.appending("trial.ext4"), epoch: request.epoch)
        try await disk.write(trial.tree, freeSpace: trial.freeSpace)
        let trialLog = log.removingLastComponent().appending((log.stem ?? MicroVM.step) + ".secrets.log")
        let report = try await ConfigureRun(request: trial, log: trialLog, progress: progress)
            .run(on: disk.path, qemu: qemu, work: work)
        removeTree(disk.path)
        return found.enumerated().map { number, item in
            var secret = item.secret
            guard let made = report.made.first(where: { $0.number == number }),
                let maker = item.makers.first(where: { $0.name == made.package })
            else { return secret }
            secret.package = maker.name
            secret.version = maker.version
            secret.architecture = maker.architecture
            secret.qualified = SecretFinder.qualifiedName(of: maker, "postinst", in: trial.tree) ?? maker.name
            secret.means = made.means
            return secret
        }
    }
}
