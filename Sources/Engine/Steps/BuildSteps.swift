import Debian
import Diagnostics
import Guest
import Kernel
import Layers
import Recipe
import Steps
import Storage
import SystemPackage

/// The steps of a build, each made once from what was resolved. `piforge plan` shows this list, and `piforge build` walks it.
struct BuildSteps {
    let context: BuildContext
    private let resolved: Resolved
    private let baseImage: BaseImageStep?
    private let packages: PackagesStep
    private let kernelPackage: KernelPackageStep?
    private let moduleIndex: ModuleIndexStep
    private let configure: ConfigureStep
    private let indexes: IndexesStep
    private let kernel: KernelStep
    private let layers: LayerSteps
    let fileSystems: FileSystemsStep
    let image: ImageStep
    /// All of them in their order, with their keys.
    let plan: Plan

    /// - Throws: `Failure` for a file or a secret that no step can use, or an engine that the runtimes cannot have.
    init(_ context: BuildContext, _ resolved: Resolved, _ secrets: Secrets) throws {
        self.context = context
        self.resolved = resolved
        let (overlays, programs) = (resolved.overlays, resolved.programs)
        try RuntimeContract(context.recipe).checkEngine(resolved.lock, base: nil)
        baseImage = BaseImageStep(context, resolved.base, resolved.knownLock)
        packages = PackagesStep(context, resolved.packages)
        kernelPackage = KernelPackageStep(context, resolved.kernel)
        moduleIndex = ModuleIndexStep(context, programs)
        configure = ConfigureStep(context, resolved.lock, programs)
        indexes = try IndexesStep(context, overlays, programs)
        kernel = try KernelStep(context, overlays, programs)
        layers = try LayerSteps(context, resolved, secrets)
        let computed = indexes.inputs.isEmpty ? [KernelStep.name] : [IndexesStep.name, KernelStep.name]
        fileSystems = FileSystemsStep(context, overlays, programs, below: computed + layers.all.map(\.name))
        image = ImageStep(context, resolved)
        let first: [(any BuildStep)?] = [
            baseImage, packages, kernelPackage, moduleIndex, configure, indexes.inputs.isEmpty ? nil : indexes, kernel,
        ]
        let small = layers.all.map { LayerStep(step: $0, epoch: context.recipe.epoch, onto: computed) }
        plan = Plan(
            first.compactMap(\.self) + (small as [any BuildStep]) + [fileSystems, image],
            formatVersion: context.options.formatVersion)
    }

    /// What packages make, with what is computed from the tree: all of it is kept in the store, and a look goes as far.
    ///
    /// - Throws: `Walk.Missing` in a look; what the steps throw.
    func packagedSystem(_ walk: inout Walk, work: FilePath) async throws -> PackagedSystem {
        packages.look(&walk)
        // None of these hangs on another: a look tells of each.
        let compiled: BuiltKernel?
        do { compiled = try await kernelPackage?.package(&walk) } catch is Walk.Missing { compiled = nil }
        if let compiled, !DebianPackage.isStored(compiled.package, in: context.cache.layers) {
            walk.note(KernelPackageStep.name, .made)
        }
        let base = try await baseImage?.system(&walk)
        try walk.require([PackagesStep.name, KernelPackageStep.name])
        let unpacked = try await packages.unpack(kernel: compiled, onto: base)
        let index = try await moduleIndex.index(of: unpacked, &walk, work: work)
        let configured = try await configure.configure(unpacked, index.layer, &walk, work: work)
        var packaged = configured.packaged
        var overlaid = try OverlaidTree(
            configured.tree, overlays: layers.overlays, epoch: context.recipe.epoch)
        let computed = try await indexes.indexes(of: overlaid, unpacked.release, &walk, work: work)
        context.note(try overlaid.apply(computed) { _ in "what packages compute" }, step: IndexesStep.name)
        let hasInitramfs = try await kernel.complete(
            &overlaid, &packaged, unpacked.release, first: index, &walk, work: work)
        return PackagedSystem(
            overlaid: overlaid, packaged: packaged, base: base, kernel: compiled, kernelConfig: unpacked.kernelConfig,
            secrets: configured.secrets, report: configured.report,
            facts: SystemFacts(
                release: unpacked.release.name, hasInitramfs: hasInitramfs, secrets: configured.secrets.left,
                stockBoot: base?.boot, stockPackages: base?.installedNames ?? []))
    }

    /// The whole tree: packages, their configuration, the kernel's files, and the recipe's own layers, merged.
    ///
    /// - Throws: what the steps throw.
    func systemTree(_ walk: inout Walk, work: FilePath) async throws -> SystemTree {
        try await RuntimeFiles(context, resolved).prepare()
        let system = try await packagedSystem(&walk, work: work)
        var overlaid = system.overlaid
        let name = "system"
        let progress = context.progress
        func say(_ step: any Step) {
            progress.report(.started(step: name, detail: "\(step.name): \(step.summary)"))
        }
        progress.report(.started(step: name, detail: context.recipe.system.hostname))
        for step in layers.below {
            say(step)
            context.note(try overlaid.apply(step, system.facts), step: name)
        }
        try overlaid.applyOverlays(say)
        for step in layers.above {
            say(step)
            context.note(try overlaid.apply(step, system.facts), step: name)
        }
        let tree = overlaid.tree
        progress.report(.finished(step: name, detail: "\(tree.names.count) files", cached: false))
        let isShared = context.cache.shared != nil
        return try SystemTree(
            tree, system, layers, replaced: Set(resolved.lock.removed + resolved.lock.packages.map(\.name)),
            isShared: isShared)
    }
}
