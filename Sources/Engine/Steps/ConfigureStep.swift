import Debian
import Diagnostics
import Guest
import Kernel
import Layers
import Recipe
import Steps
import Storage
import SystemPackage

/// What packages' scripts make of a tree.
struct ConfiguredSystem {
    /// All that packages bring, and the secrets that the recipe keeps.
    var tree: Tree
    /// Without those secrets.
    var packaged: Tree
    var secrets: ScriptSecrets
    /// How the maintainer scripts ran; nil when they did not.
    var report: MicroVM.Report?
}

/// The maintainer scripts of all packages, in the micro-VM: `secrets`.
struct ConfigureStep: BuildStep, Contextual {
    let context: BuildContext
    private let programs: [StepInput]
    private let removed: [String]

    /// - Parameter lock: what a stock image's packages are removed by.
    init(_ context: BuildContext, _ lock: PackageLock, _ programs: HostPrograms) {
        self.context = context
        self.programs = programs.configure
        removed = lock.removed
    }

    static let name = "configure"
    var name: String { Self.name }
    let isKept = true
    let summary = "maintainer scripts in the micro-VM"
    var inputs: [StepInput] {
        [StepInput("epoch", String(recipe.epoch)), StepInput("micro-VM rules", ConfigureRequest.rulesDigest.hex)]
            + programs
    }
    var below: [String] { [PackagesStep.name, KernelPackageStep.name, ModuleIndexStep.name] }

    /// - Parameter index: of the kernel's modules.
    /// - Throws: `Walk.Missing` in a look; as `MicroVM.run`; `Failure` for secrets that nobody has decided on.
    func configure(
        _ system: UnpackedSystem, _ index: Layer, _ walk: inout Walk, work: FilePath
    ) async throws -> ConfiguredSystem {
        var tree = system.tree
        try tree.apply(index)
        let result = try await run(request(system, tree), &walk, work: work)
        try tree.apply(result.layer)
        var configured = ConfiguredSystem(
            tree: tree, packaged: tree,
            secrets: try ScriptSecrets(result.secrets, choices: recipe.secrets ?? [:]), report: result.report)
        let kept = configured.secrets.kept.flatMap { result.files(of: $0) }
        try configured.tree.apply(Layer(name: "secrets", entries: kept))
        context.note(configured.secrets.sentences, step: name)
        return configured
    }

    private func request(_ system: UnpackedSystem, _ tree: Tree) throws -> ConfigureRequest {
        var request = ConfigureRequest(
            tree: tree, packages: system.placed.map(\.package.identity),
            kernel: try GuestKernel(system.release, in: tree), busybox: try BootInitramfs.busybox(in: tree),
            epoch: recipe.epoch)
        request.freeSpace = max(1 << 30, recipe.disk.freeSpace.bytes)
        request.removed = removed
        request.programs = programs.map { "\($0.name) \($0.value)" }
        request.dpkgVersion = system.base?.installed.version(of: "dpkg")
        request.archives = system.byDpkg.map(\.file)
        return request
    }

    private func run(
        _ request: ConfigureRequest, _ walk: inout Walk, work: FilePath
    ) async throws -> MicroVM.Result {
        let log = context.outputs.log(of: name)
        let keeps = recipe.secrets?.values.contains(.keep) ?? false
        let stored = try MicroVM.stored(request, in: cache.layers, keepsSecrets: keeps)
        let result = try await walk.result(of: name, stored: stored) {
            try createFolder(options.output)
            return try await MicroVM.run(
                request, store: cache.layers, keepsSecrets: keeps, work: work, log: log, progress: progress)
        }
        if let report = result.report {
            let slowest = report.packages.prefix(10).map { "\($0.package) \(($0.seconds * 10).rounded() / 10) s" }
            context.note(["slowest: \(slowest.joined(separator: ", ")); console in \(log)"], step: name)
        }
        return result
    }
}

extension ScriptSecrets {
    /// What becomes of them, for a person.
    fileprivate var sentences: [String] {
        let kinds = [
            (left, "left out; each board makes its own at its first boot"),
            (kept, "kept by the recipe: the same on every board"),
            (unmade, "left out by the recipe; piforge does not know what makes them on the board"),
        ]
        return kinds.filter { !$0.0.isEmpty }.map { secrets, what in
            let names = secrets.map { secret in "/\(secret.path)" + (secret.package.map { " (\($0))" } ?? "") }
            return "secrets: \(names.joined(separator: ", ")): \(what)"
        }
    }
}
