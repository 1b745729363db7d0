import Debian
import Diagnostics
import Digests
import Guest
import Kernel
import Layers
import Pack
import Recipe
import Steps
import Storage
import SystemPackage

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
    var basePackages: [Manifest.BasePackage]
    /// The kernel, where it was compiled.
    var kernel: BuiltKernel?
    /// What the recipe's own files, accounts and settings brought: it stays on this machine. Nil where nothing leaves it.
    var ownContent: OwnContent?
    /// The secrets that packages' scripts made, and what became of them.
    var secrets: [Manifest.Secret]
    /// What the system says it is.
    var distribution: Manifest.Distribution?
}

/// What packages make of a tree, before the recipe's own steps.
struct PackagedSystem {
    /// The tree with the overlays in sight.
    var overlaid: OverlaidTree
    /// What packages alone bring.
    var packaged: Tree
    var release: KernelRelease
    var hasInitramfs: Bool
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
}

extension ImageBuilder {
    var epochTime: Timestamp { Timestamp(seconds: recipe.epoch) }

    var configureInputs: [StepInput] {
        [StepInput("epoch", String(recipe.epoch)), StepInput("micro-VM rules", ConfigureRequest.rulesDigest.hex)]
    }

    var kernelInputs: [StepInput] {
        [
            StepInput("initramfs rules", BootInitramfs.rulesDigest.hex),
            StepInput("kernel.initramfs", recipe.kernel.initramfs.rawValue),
        ]
    }

    /// What packages make, with what is computed from the tree: all of it is kept in the store, and a look goes as far.
    ///
    /// - Parameter packages: their files are looked at where they are not unpacked yet.
    /// - Throws: `Walk.Missing` in a look; what the steps throw.
    func packagedSystem(
        _ inputs: Inputs, _ packages: ProvidedPackages, _ walk: inout Walk, work: FilePath
    ) async throws -> PackagedSystem {
        let files = packages.files.map { $0.package.file(at: $0.path) }
        walk.note("packages", files.allSatisfy { DebianPackage.isStored($0, in: cache.layers) } ? .stored : .made)
        // None of these hangs on another: a look tells of each.
        let kernel: BuiltKernel?
        do { kernel = recipe.kernel.source == nil ? nil : try await builtKernel(&walk) } catch is Walk.Missing {
            kernel = nil
        }
        if let kernel, !DebianPackage.isStored(kernel.package, in: cache.layers) { walk.note("kernel package", .made) }
        let base = try await baseImage(inputs, &walk).map { try BaseSystem($0) }
        try walk.require(["packages", "kernel package"])
        let unpacked = try await DebianPackage.unpackAll(
            files + [kernel?.package].compactMap(\.self), store: cache.layers, workers: options.jobs, progress: progress
        )
        let ordered = try InstallOrder.sort(unpacked)
        try engineContract(packages.lock, base: base)
        // What copying cannot express is unpacked by dpkg, in the micro-VM: a package whose preinst moves other packages'
        // files aside, and one that takes the place of something a stock image has.
        let byDpkg = try ordered.filter { package in
            if try package.preinst().map(PreinstScript.divertsWithRename) ?? false { return true }
            return base?.installed.obstacle(to: package) != nil
        }
        let dpkgNames = Set(byDpkg.map(\.name))
        let placed = try FileOwnership.settle(ordered.filter { !dpkgNames.contains($0.name) })
        var tree = base?.tree ?? Tree()
        if let base {
            progress.report(
                .note(
                    step: "packages",
                    text: "\(base.installed.count) are in the stock image; \(placed.count) are copied in, "
                        + "\(byDpkg.count) go through dpkg, \(packages.lock.removed.count) are removed"))
        }
        for package in placed { try tree.apply(package.layer) }
        let database =
            try base.map { try DpkgDatabase.layer(for: placed, over: $0.installed, in: $0.tree, epoch: epochTime) }
            ?? DpkgDatabase.layer(for: placed, epoch: epochTime)
        try tree.apply(database)
        try Task.checkCancellation()

        let release = try KernelRelease.find(kernel?.release ?? Self.kernelName(in: placed), in: tree)
        var kernelConfig = try kernelContract(release, in: tree)
        kernelConfig += try runtimeContract(release, in: tree).filter { !kernelConfig.contains($0) }
        // For the micro-VM's kernel, whose modules have their dependencies in it.
        let firstIndex = try await moduleIndex(
            "module index", release, tree, inputs.programs, &walk, work: work)
        try tree.apply(firstIndex.layer)
        let configured = try await configure(
            placed, byDpkg, packages, tree, release, base, inputs.programs, &walk, work: work)
        try tree.apply(configured.layer)
        var packaged = tree
        let secrets = try ScriptSecrets(configured.secrets, choices: recipe.secrets ?? [:])
        try tree.apply(Layer(name: "secrets", entries: secrets.kept.flatMap { configured.files(of: $0) }))
        note(secrets)
        var overlaid = try OverlaidTree(tree, overlays: inputs.overlaySteps, epoch: recipe.epoch)
        let kernelStep = "kernel"
        let computed = try await indexes(of: overlaid, release, inputs.programs, &walk, work: work)
        note(try overlaid.apply(computed) { _ in "what packages compute" }, step: "indexes")
        // Maintainer scripts compile modules (DKMS), and overlays bring some.
        let index = try await moduleIndex(
            kernelStep, release, overlaid.seen, inputs.programs, &walk, above: overlaid.tree, work: work)
        if index.key != firstIndex.key {
            if !isFed(release, overlaid.seen, above: overlaid.tree) { try packaged.apply(index.layer) }
            note(try overlaid.apply(index.layer) { _ in "depmod" }, step: kernelStep)
        }
        let hasInitramfs = try needsInitramfs(release, in: overlaid.seen)
        if hasInitramfs {
            let layer = try await initramfs(release, overlaid.seen, inputs.programs, &walk, above: overlaid.tree)
            if !isFed(release, overlaid.seen, above: overlaid.tree) { try packaged.apply(layer) }
            note(try overlaid.apply(layer) { _ in "kernel.initramfs" }, step: kernelStep)
        }
        return PackagedSystem(
            overlaid: overlaid, packaged: packaged, release: release, hasInitramfs: hasInitramfs, base: base,
            kernel: kernel, kernelConfig: kernelConfig, secrets: secrets, report: configured.report)
    }

    /// Packages, their configuration, the kernel's files, and the recipe's own layers, merged.
    func systemTree(
        _ inputs: Inputs, _ packages: ProvidedPackages, _ walk: inout Walk, work: FilePath
    ) async throws -> SystemTree {
        try await prepareRuntimes(inputs)
        let system = try await packagedSystem(inputs, packages, &walk, work: work)
        var overlaid = system.overlaid
        let step = "system"
        progress.report(.started(step: step, detail: recipe.system.hostname))
        let (below, above) = try steps(
            inputs, packages.lock, release: system.release.name, hasInitramfs: system.hasInitramfs, base: system.base,
            secrets: system.secrets.left)
        for part in below {
            progress.report(.started(step: step, detail: "\(part.name): \(part.summary)"))
            note(try overlaid.apply(part), step: step)
        }
        try overlaid.applyOverlays { overlay in
            progress.report(.started(step: step, detail: "\(overlay.name): \(overlay.summary)"))
        }
        for part in above {
            progress.report(.started(step: step, detail: "\(part.name): \(part.summary)"))
            note(try overlaid.apply(part), step: step)
        }
        let tree = overlaid.tree
        progress.report(.finished(step: step, detail: "\(tree.names.count) files", cached: false))
        let slowest = system.report?.packages.prefix(10).map {
            BuildResult.PackageSeconds(name: $0.package, seconds: ($0.seconds * 10).rounded() / 10)
        }
        let gone = Set(packages.lock.removed + packages.lock.packages.map(\.name))
        return SystemTree(
            tree: tree, release: system.release.name, slowest: slowest ?? [], kernelConfig: system.kernelConfig,
            basePackages: system.base?.installed.list.filter { !gone.contains($0.name) }.map {
                Manifest.BasePackage(name: $0.name, version: $0.version, architecture: $0.architecture)
            } ?? [], kernel: system.kernel,
            ownContent: cache.shared == nil ? nil : try OwnContent(of: tree, above: system.packaged),
            secrets: system.secrets.records,
            distribution: try tree.content("usr/lib/os-release").flatMap {
                Manifest.Distribution(osRelease: try ContentReader().text(of: $0, limit: 1 << 16))
            })
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

    private func note(_ secrets: ScriptSecrets) {
        func say(_ some: [MadeSecret], _ what: String) {
            guard !some.isEmpty else { return }
            let names = some.map { secret in "/\(secret.path)" + (secret.package.map { " (\($0))" } ?? "") }
            note(["secrets: \(names.joined(separator: ", ")): \(what)"], step: "configure")
        }
        say(secrets.left, "left out; each board makes its own at its first boot")
        say(secrets.kept, "kept by the recipe: the same on every board")
        say(secrets.unmade, "left out by the recipe; piforge does not know what makes them on the board")
    }

    private func note(_ sentences: [String], step: String) {
        for sentence in sentences { progress.report(.note(step: step, text: sentence)) }
    }

    /// Whether what is made for the kernel is made of an overlay's files.
    ///
    /// - Parameters:
    ///   - seen: the tree with the overlays.
    ///   - packaged: the tree without them.
    private func isFed(_ release: KernelRelease, _ seen: Tree, above packaged: Tree) -> Bool {
        func parts(_ tree: Tree) -> [SHA256Digest?] {
            [
                tree.subtree(release.modules)?.digest, release.config.flatMap { tree.content($0) }?.digest,
                (try? BootInitramfs.busybox(in: tree))?.digest,
            ]
        }
        return parts(seen) != parts(packaged)
    }

    /// depmod's indexes, by the modules they index.
    ///
    /// - Parameter step: the one of the plan that wants them.
    /// - Parameter packaged: what packages alone bring: of more than that nothing is shared.
    private func moduleIndex(
        _ step: String, _ release: KernelRelease, _ tree: Tree, _ programs: HostPrograms, _ walk: inout Walk,
        above packaged: Tree? = nil, work: FilePath
    ) async throws -> (key: SHA256Digest, layer: Layer) {
        let hasher = KeyHasher(purpose: "module index")
        hasher.add(options.formatVersion)
        for program in programs.moduleIndex { hasher.add(program.value) }
        hasher.add(release.name)
        hasher.add(Depmod.inputsDigest(release, in: tree))
        let key = hasher.finalize()
        let isShared = packaged.map { !isFed(release, tree, above: $0) } ?? true
        let stored = try cache.layers.layer(key, name: "module index", shared: isShared)
        let layer = try await walk.result(of: step, stored: stored) {
            progress.report(.started(step: "depmod", detail: release.name))
            let layer = try await Depmod.layer(release, in: tree, runner: tools, work: work, time: epochTime)
            let stored = try cache.layers.store(layer, as: key, shared: isShared)
            progress.report(.finished(step: "depmod", detail: release.name, cached: false))
            return stored
        }
        return (key, layer)
    }

    /// The initramfs, by the modules, the busybox and the rules it is made of.
    private func initramfs(
        _ release: KernelRelease, _ tree: Tree, _ programs: HostPrograms, _ walk: inout Walk, above packaged: Tree
    ) async throws -> Layer {
        let hasher = KeyHasher(purpose: "initramfs")
        hasher.add(options.formatVersion)
        for program in programs.initramfs { hasher.add(program.value) }
        hasher.add(BootInitramfs.rulesDigest)
        hasher.add(release.name)
        hasher.add(release.config.flatMap { tree.content($0) }?.digest ?? .of(""))
        hasher.add(tree.subtree(release.modules)?.digest ?? .of(""))
        hasher.add(try BootInitramfs.busybox(in: tree).digest)
        hasher.add(recipe.epoch)
        let key = hasher.finalize()
        let isShared = !isFed(release, tree, above: packaged)
        let stored = try cache.layers.layer(key, name: "initramfs", shared: isShared)
        return try await walk.result(of: "kernel", stored: stored) {
            progress.report(.started(step: "initramfs", detail: release.name))
            var initramfsOptions = BootInitramfs.Options()
            initramfsOptions.time = epochTime
            let bytes = try BootInitramfs.make(release, in: tree, options: initramfsOptions)
            let path = try EntryPath(validating: "boot/initrd.img-\(release.name)")
            let entry = Entry(path, Attributes(mode: 0o644, mtime: epochTime), .regular(Content(bytes)))
            let stored = try cache.layers.store(Layer(name: "initramfs", entries: [entry]), as: key, shared: isShared)
            progress.report(.finished(step: "initramfs", detail: megabytes(UInt64(bytes.count)), cached: false))
            return stored
        }
    }

    /// The maintainer scripts' own layer.
    private func configure(
        _ placed: [PlacedPackage], _ byDpkg: [UnpackedPackage], _ packages: ProvidedPackages, _ tree: Tree,
        _ release: KernelRelease, _ base: BaseSystem?, _ programs: HostPrograms, _ walk: inout Walk, work: FilePath
    ) async throws -> MicroVM.Result {
        let busybox = try BootInitramfs.busybox(in: tree)
        func named(_ package: UnpackedPackage) -> ConfigureRequest.Package {
            ConfigureRequest.Package(
                name: package.name, version: package.version.text, architecture: package.architecture)
        }
        var request = ConfigureRequest(
            tree: tree, packages: placed.map { named($0.package) }, kernel: try GuestKernel(release, in: tree),
            busybox: busybox, epoch: recipe.epoch)
        request.freeSpace = max(1 << 30, recipe.disk.freeSpace.bytes)
        request.removed = packages.lock.removed
        request.programs = programs.configure.map { "\($0.name) \($0.value)" }
        request.dpkgVersion = base?.installed.version(of: "dpkg")
        request.archives = byDpkg.compactMap { package in
            guard let file = packages.files.first(where: { $0.package.name == package.name }) else { return nil }
            return ConfigureRequest.Archive(
                package: named(package),
                content: Content(
                    size: file.package.size, digest: file.package.sha256, source: .file(file.path, offset: 0)))
        }
        let log = options.output.appending("\(outputName).configure.log")
        let keeps = recipe.secrets?.values.contains(.keep) ?? false
        let stored = try MicroVM.stored(request, in: cache.layers, keepsSecrets: keeps)
        let result = try await walk.result(of: "configure", stored: stored) {
            try createFolder(options.output)
            return try await MicroVM.run(
                request, store: cache.layers, keepsSecrets: keeps, work: work, log: log, progress: progress)
        }
        if let report = result.report {
            let slowest = report.packages.prefix(10).map { "\($0.package) \(($0.seconds * 10).rounded() / 10) s" }
            progress.report(
                .note(step: "configure", text: "slowest: \(slowest.joined(separator: ", ")); console in \(log)"))
        }
        return result
    }
}

extension UnpackedPackage {
    /// The preinst script's text; nil when the package has none.
    fileprivate func preinst() throws -> String? {
        try controlFile("preinst").map { try ContentReader().text(of: $0, limit: 4 << 20) }
    }
}
