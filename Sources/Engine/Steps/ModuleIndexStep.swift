import Diagnostics
import Digests
import Kernel
import Layers
import Steps
import SystemPackage

/// depmod's indexes of the packages' kernel: for the micro-VM, whose modules have their dependencies in them.
struct ModuleIndexStep: BuildStep, Contextual {
    let context: BuildContext
    private let maker: ModuleIndex

    init(_ context: BuildContext, _ programs: HostPrograms) {
        self.context = context
        maker = ModuleIndex(context: context, programs: programs.moduleIndex)
    }

    static let name = "module index"
    var name: String { Self.name }
    let isKept = true
    let summary = "of the packages' kernel, for the micro-VM"
    var inputs: [StepInput] { maker.programs + [StepInput("epoch", String(recipe.epoch))] }
    var below: [String] { [PackagesStep.name, KernelPackageStep.name] }

    /// - Throws: `Walk.Missing` in a look; `Failure` when depmod refuses the modules.
    func index(of system: UnpackedSystem, _ walk: inout Walk, work: FilePath) async throws -> ModuleIndex.Made {
        try await maker.make(system.release, in: system.tree, isShared: true, step: name, &walk, work: work)
    }
}

/// Makes depmod's indexes, by the modules they index.
struct ModuleIndex: Contextual {
    let context: BuildContext
    /// Those of the host that shape it.
    let programs: [StepInput]

    struct Made {
        var key: SHA256Digest
        var layer: Layer
    }

    /// - Parameters:
    ///   - isShared: whether other machines may have it.
    ///   - step: the one of the plan that wants it.
    func make(
        _ release: KernelRelease, in tree: Tree, isShared: Bool, step: String, _ walk: inout Walk, work: FilePath
    ) async throws -> Made {
        let hasher = KeyHasher(purpose: "module index")
        hasher.add(options.formatVersion)
        for program in programs { hasher.add(program.value) }
        hasher.add(release.name)
        hasher.add(Depmod.inputsDigest(release, in: tree))
        let key = hasher.finalize()
        let stored = try cache.layers.layer(key, name: "module index", shared: isShared)
        let layer = try await walk.result(of: step, stored: stored) {
            progress.report(.started(step: "depmod", detail: release.name))
            let layer = try await Depmod.layer(release, in: tree, runner: tools, work: work, time: epochTime)
            let stored = try cache.layers.store(layer, as: key, shared: isShared)
            progress.report(.finished(step: "depmod", detail: release.name, cached: false))
            return stored
        }
        return Made(key: key, layer: layer)
    }
}
