import Records
import Guest
import Kernel
import Layers
import Packages
import Steps

/// What packages make of a tree, before the recipe's own steps.
struct PackagedSystem {
    /// The tree with the overlays in sight.
    var overlaid: OverlaidTree
    /// What packages alone bring.
    var packaged: Tree
    /// The stock image, where the recipe starts from one.
    var base: BaseSystem?
    /// The kernel, where it was compiled.
    var kernel: BuiltKernel?
    /// The lines of kernel configuration that the kernel was held to.
    var kernelConfig: [String]
    /// The secrets that packages' scripts made, and what becomes of them.
    var secrets: ScriptSecrets
    /// How the maintainer scripts ran; nil when they did not.
    var report: MicroVM.Report?
    /// What the small steps may read besides the tree.
    var facts: SystemFacts
}

/// The whole tree of an image, and what is worth knowing of how it came about.
struct SystemTree {
    var tree: Tree
    /// As `uname -r` prints it.
    var release: String
    /// The seconds of the maintainer scripts, the slowest packages first; empty when they did not run.
    var slowest: [BuildResult.PackageSeconds]
    /// The lines of kernel configuration that the kernel was held to.
    var kernelConfig: [String]
    /// What a stock image brought and is still there as it was.
    var basePackages: [PackageIdentity]
    /// The kernel, where it was compiled.
    var kernel: BuiltKernel?
    /// What the recipe's own files, accounts and settings brought: it stays on this machine. Nil where nothing leaves it.
    var ownContent: OwnContent?
    /// The secrets that packages' scripts made, and what became of them.
    var secrets: [Manifest.Secret]
    /// What the system says it is.
    var distribution: Manifest.Distribution?
    /// The files that overlays brought, each overlay's as one.
    var brought: [BroughtFiles]

    /// - Parameters:
    ///   - steps: those that made it.
    ///   - replaced: the packages of a stock image that are no longer as it brought them.
    ///   - isShared: whether blocks of the image may leave this machine.
    init(
        _ tree: Tree, _ system: PackagedSystem, _ steps: LayerSteps, replaced: Set<String>, isShared: Bool
    ) throws {
        self.tree = tree
        brought = steps.all.flatMap(\.brought)
        release = system.facts.release
        slowest =
            system.report?.packages.prefix(10).map {
                BuildResult.PackageSeconds(name: $0.package, seconds: ($0.seconds * 10).rounded() / 10)
            } ?? []
        kernelConfig = system.kernelConfig
        basePackages =
            system.base?.installed.list.filter { !replaced.contains($0.name) } ?? []
        kernel = system.kernel
        ownContent = isShared ? try OwnContent(of: tree, above: system.packaged) : nil
        secrets = system.secrets.records
        distribution = try tree.content("usr/lib/os-release").flatMap {
            Manifest.Distribution(osRelease: try ContentReader().text(of: $0, limit: 1 << 16))
        }
    }
}
