import Debian
import Digests
import Fetch
import Guest
import Layers
import Pack
import Recipe
import Steps
import Stock
import SystemPackage

extension ImageBuilder {
    /// The plan of a build: pure, from the recipe's steps and the lock.
    func plan(_ inputs: Inputs, _ lock: PackageLock) throws -> Plan {
        var plan = Plan(formatVersion: options.formatVersion)
        if let base = inputs.base {
            plan.add(
                "base image", kept: true, summary: base.name,
                inputs: [
                    StepInput(base.name, base.sha256.hex),
                    StepInput("reading format", String(StockImage.formatVersion)),
                ])
        }
        plan.add(
            "packages", kept: true, summary: "\(lock.packages.count) packages",
            inputs: lock.packages.map {
                StepInput($0.name, "\($0.version) \($0.architecture) \($0.sha256.hex.prefix(16))")
            }
                + [
                    StepInput("unpack format", String(DebianPackage.formatVersion)),
                    StepInput("database format", String(DpkgDatabase.formatVersion)),
                    StepInput("epoch", String(recipe.epoch)),
                    StepInput("removed packages", lock.removed.joined(separator: " ")),
                ], below: inputs.base == nil ? [] : ["base image"])
        if !inputs.kernel.isEmpty {
            plan.add("kernel package", kept: true, summary: "compiled from source", inputs: inputs.kernel)
        }
        plan.add(
            "module index", kept: true, summary: "of the packages' kernel, for the micro-VM",
            inputs: inputs.programs.moduleIndex + [StepInput("epoch", String(recipe.epoch))],
            below: ["packages", "kernel package"])
        plan.add(
            "configure", kept: true, summary: "maintainer scripts in the micro-VM",
            inputs: configureInputs + inputs.programs.configure,
            below: ["packages", "kernel package", "module index"])
        let feeding = try overlayFeed(inputs) { FileTriggers.mayFeed($0) && !Self.isOfKernel($0) }
        if !feeding.isEmpty {
            plan.add(
                "indexes", kept: true, summary: "what packages compute from overlays' files", inputs: feeding,
                below: ["configure"])
        }
        plan.add(
            "kernel", kept: true, summary: "module index, initramfs",
            inputs: try kernelInputs + fragmentInputs + runtimeKernelInputs
                + inputs.programs.moduleIndex + inputs.programs.initramfs + overlayFeed(inputs, where: Self.isOfKernel),
            below: ["configure"])
        try engineContract(lock, base: nil)
        let computed = feeding.isEmpty ? ["kernel"] : ["indexes", "kernel"]
        var below = computed
        let (underneath, above) = try steps(
            inputs, lock, release: "RELEASE", hasInitramfs: recipe.kernel.initramfs == .yes, base: nil)
        for step in underneath + (inputs.overlaySteps as [any Step]) + above {
            plan.add(
                step.name, summary: step.summary, inputs: step.inputs + [StepInput("epoch", String(recipe.epoch))],
                onto: computed)
            below.append(step.name)
        }
        plan.add(
            "file systems", summary: "root and boot", inputs: diskInputs + inputs.programs.fileSystems, below: below)
        plan.add(
            "image", summary: imageName,
            inputs: [
                StepInput("output.compression.preset", String(recipe.output.compression.preset)),
                StepInput("output.compression.block_size", String(recipe.output.compression.blockSize.bytes)),
                StepInput("liblzma", liblzmaVersion()),
                StepInput("recipe", SHA256Digest.of(recipe.canonical).hex),
                StepInput("package lock", SHA256Digest.of(lock.text).hex),
            ] + runtimeFileInputs + proofImageInputs(inputs), below: ["file systems"])
        return plan
    }

    /// What of the overlays others are computed from.
    private func overlayFeed(_ inputs: Inputs, where isFeed: (EntryPath) -> Bool) throws -> [StepInput] {
        try inputs.overlaySteps.compactMap { step -> StepInput? in
            var layer = try step.apply(to: Tree(), epoch: recipe.epoch)
            layer.entries.removeAll { $0.kind == .directory || !isFeed($0.path) }
            return layer.entries.isEmpty ? nil : StepInput("\(step.name): what feeds others", layer.digest.hex)
        }
    }

    /// Whether the module index or the initramfs may be made of it.
    private static func isOfKernel(_ path: EntryPath) -> Bool {
        ["lib/modules", "usr/lib/modules"].contains { (folder: EntryPath) in path.isInside(folder) }
    }

    /// The steps that make small layers, in the order of their layers: those below the overlays, which see what overlays bring, and
    /// those above.
    ///
    /// - Parameters:
    ///   - release: the kernel's, as `uname -r` prints it.
    ///   - hasInitramfs: whether it boots with one. In a plan, which is made before the kernel is, `auto` counts as without.
    ///   - secrets: what the board makes at its first boot; in a plan, which is made before packages' scripts run, there is none.
    ///   - base: what the steps find in a stock image; nil in a plan, which is made before it is read.
    func steps(
        _ inputs: Inputs, _ lock: PackageLock, release: String, hasInitramfs: Bool, base: BaseSystem?,
        secrets: [MadeSecret] = []
    ) throws -> (below: [any Step], above: [any Step]) {
        let stock: [any Step] =
            inputs.base == nil ? [] : [StockStep(), CloudInitStep(isEnabled: recipe.accounts.stock == .kept)]
        // First what is large and stays; last what is added to a file that an overlay may bring.
        let brought: [(any Step)?] = [try runtimesStep(inputs), inputs.preload]
        let runtimes = brought.compactMap(\.self)
        let docker: [any Step] = [dockerStep(lock)].compactMap(\.self)
        let boot = recipe.bootStep(
            release: release, hasInitramfs: hasInitramfs, partition: rootPartition, stock: base?.boot)
        let made: [any Step] = secrets.isEmpty ? [] : [SecretsStep(secrets: secrets)]
        return (runtimes + [aptStep(inputs, lock, base)] + stock + inputs.systemSteps + made + [boot], docker)
    }

    private func aptStep(_ inputs: Inputs, _ lock: PackageLock, _ base: BaseSystem?) -> AptStep {
        let preferences = inputs.boardPreferences
        let wanted = Set(
            recipe.packages.installNames + recipe.ownPackages + recipe.dockerPackages + recipe.runtimePackages)
        func source(_ uri: String?, _ suites: [String]) -> AptStep.Source? {
            guard let uri, !suites.isEmpty else { return nil }
            // The package debian-archive-keyring puts it there, on the board as on the host.
            return AptStep.Source(
                uri: uri, suites: suites, components: recipe.packages.components,
                keyring: ArchiveSource.debianKeyring.string)
        }
        let isSecurity = { (suite: String) in suite.hasSuffix("-security") }
        let automatic = lock.packages.filter { !wanted.contains($0.name) }.map {
            ($0.name, inputs.request.architecture)
        }
        guard inputs.sources.isEmpty else {
            return AptStep(
                sources: inputs.sources.flatMap { boardSources($0, inputs) }, preferences: preferences,
                automatic: automatic, fileName: "piforge.sources", known: base?.installedNames ?? [])
        }
        return AptStep(
            sources: [
                source(inputs.mirrors.debian.first, recipe.packages.suites.filter { !isSecurity($0) }),
                source(inputs.mirrors.security.first, recipe.packages.suites.filter(isSecurity)),
            ].compactMap { $0 }, preferences: preferences,
            automatic: automatic)
    }

    /// A source of the recipe's for the board's own apt: its suites by the archive they are in.
    private func boardSources(_ opened: OpenedSource, _ inputs: Inputs) -> [AptStep.Source] {
        let source = opened.source
        guard source.onBoard else { return [] }
        var keyring = ArchiveSource.debianKeyring
        var keys: Content?
        if let opened = opened.keyring {
            keys = Content(
                size: opened.pin.size, digest: opened.pin.sha256, source: .file(opened.path, offset: 0))
            keyring = FilePath("/usr/share/keyrings/piforge-\(source.name).gpg")
        }
        let groups: [(String?, [String])] =
            source.uris.isEmpty
            ? [
                (inputs.mirrors.debian.first, source.suites.filter { !$0.hasSuffix("-security") }),
                (inputs.mirrors.security.first, source.suites.filter { $0.hasSuffix("-security") }),
            ] : [(source.boardURIs.first, source.suites)]
        return groups.compactMap { uri, suites in
            guard let uri, !suites.isEmpty else { return nil }
            return AptStep.Source(
                uri: uri, suites: suites, components: source.components, keyring: keyring.string, keys: keys)
        }
    }

    /// The digest of the program itself: another piforge may make other bytes of the same inputs. It decides what runs
    /// again, and never reaches an image.
    private static let ownDigest: String = {
        let digest = try? DownloadStore.digest(of: "/proc/self/exe")
        return digest?.hex ?? piforgeVersion
    }()

    private var diskInputs: [StepInput] {
        [
            StepInput("piforge", Self.ownDigest), StepInput("name", recipe.name), StepInput("seed", recipe.seed),
            StepInput("epoch", String(recipe.epoch)),
            StepInput("disk.boot_size", String(recipe.disk.bootSize.bytes)),
            StepInput("disk.root_size", recipe.disk.rootSize.map { String($0.bytes) } ?? "auto"),
            StepInput("disk.free_space", String(recipe.disk.freeSpace.bytes)),
        ]
    }
}
