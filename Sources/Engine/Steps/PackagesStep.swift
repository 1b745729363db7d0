import Debian
import Diagnostics
import Digests
import Guest
import Kernel
import Layers
import Steps
import Storage

/// What packages are before their scripts run.
struct UnpackedSystem {
    /// All files, with dpkg's database.
    var tree: Tree
    /// The packages whose files are copied in.
    var placed: [PlacedPackage]
    /// Those that dpkg unpacks in the micro-VM.
    var byDpkg: [UnpackedPackage]
    var release: KernelRelease
    /// The stock image, where the recipe starts from one.
    var base: BaseSystem?
    /// The kernel, where it was compiled.
    var kernel: BuiltKernel?
    /// The lines of kernel configuration that the kernel was held to.
    var kernelConfig: [String]
}

/// All packages of the lock, unpacked and put together: `packages`.
struct PackagesStep: BuildStep, Contextual {
    let context: BuildContext
    private let packages: ProvidedPackages

    init(_ context: BuildContext, _ packages: ProvidedPackages) {
        self.context = context
        self.packages = packages
    }

    static let name = "packages"
    var name: String { Self.name }
    let isKept = true
    var summary: String { "\(packages.lock.packages.count) packages" }
    var inputs: [StepInput] {
        packages.lock.packages.map {
            StepInput($0.name, "\($0.version) \($0.architecture) \($0.sha256.hex.prefix(16))")
        } + [
            StepInput("unpack format", String(DebianPackage.formatVersion)),
            StepInput("database format", String(DpkgDatabase.formatVersion)), StepInput("epoch", String(recipe.epoch)),
            StepInput("removed packages", packages.lock.removed.joined(separator: " ")),
        ]
    }
    var below: [String] { ["base image"] }

    /// Says what of the packages' files the store has unpacked.
    func look(_ walk: inout Walk) {
        walk.note(name, packages.files.allSatisfy { DebianPackage.isStored($0, in: cache.layers) } ? .stored : .made)
    }

    /// - Parameters:
    ///   - kernel: the recipe's own, compiled.
    ///   - base: the stock image.
    /// - Throws: `Failure` for packages that damage each other, or a kernel or an engine that is not what the recipe asks for.
    func unpack(kernel: BuiltKernel?, onto base: BaseSystem?) async throws -> UnpackedSystem {
        let unpacked = try await DebianPackage.unpackAll(
            packages.files + [kernel?.package].compactMap(\.self), store: cache.layers, workers: options.jobs,
            progress: progress)
        let ordered = try InstallOrder.sort(unpacked)
        try RuntimeContract(recipe).checkEngine(packages.lock, base: base)
        // What copying cannot express is unpacked by dpkg, in the micro-VM: a package whose preinst moves other packages'
        // files aside, and one that takes the place of something a stock image has.
        var (copied, byDpkg): ([UnpackedPackage], [UnpackedPackage]) = ([], [])
        for package in ordered {
            let diverts = try package.preinst().map(PreinstScript.divertsWithRename) ?? false
            if diverts || base?.installed.obstacle(to: package) != nil {
                byDpkg.append(package)
            } else {
                copied.append(package)
            }
        }
        let placed = try FileOwnership.settle(copied)
        var tree = base?.tree ?? Tree()
        if let base {
            context.note(
                [
                    "\(base.installed.count) are in the stock image; \(placed.count) are copied in, "
                        + "\(byDpkg.count) go through dpkg, \(packages.lock.removed.count) are removed"
                ], step: name)
        }
        for package in placed { try tree.apply(package.layer) }
        let database =
            try base.map { try DpkgDatabase.layer(for: placed, over: $0.installed, in: $0.tree, epoch: epochTime) }
            ?? DpkgDatabase.layer(for: placed, epoch: epochTime)
        try tree.apply(database)
        try Task.checkCancellation()
        let release = try KernelRelease.find(kernel?.release ?? Self.kernelName(in: placed), in: tree)
        var kernelConfig = try KernelContract(context).check(release, in: tree)
        kernelConfig += try RuntimeContract(recipe).checkKernel(release, in: tree).filter { !kernelConfig.contains($0) }
        return UnpackedSystem(
            tree: tree, placed: placed, byDpkg: byDpkg, release: release, base: base, kernel: kernel,
            kernelConfig: kernelConfig)
    }

    /// The newest kernel among the packages that came in, as `uname -r` prints it; nil when there is none: then the
    /// tree's newest counts.
    private static func kernelName(in placed: [PlacedPackage]) throws -> String? {
        let images = placed.flatMap(\.paths).filter { $0.parent == "boot" && $0.name.starts(with: "vmlinuz-".utf8) }
        guard !images.isEmpty else { return nil }
        let folder = Attributes(mode: 0o755, mtime: Timestamp(seconds: 0))
        var layer = Layer(name: "kernels")
        for image in images {
            layer.addFile(image, folder, text: "")
            let release = image.name.dropFirst("vmlinuz-".utf8.count)
            layer.addDirectory(EntryPath("lib/modules").appending(release), folder)
        }
        return KernelRelease.all(in: try Tree([layer])).last?.name
    }
}

extension UnpackedPackage {
    /// The preinst script's text; nil when the package has none.
    fileprivate func preinst() throws -> String? {
        try controlFile("preinst").map { try ContentReader().text(of: $0, limit: 4 << 20) }
    }
}
