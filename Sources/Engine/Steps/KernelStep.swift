import Diagnostics
import Digests
import Kernel
import Layers
import Recipe
import Steps
import SystemPackage

/// What is made for the image's kernel from its modules and those of overlays: their index, and the initramfs. `kernel.initramfs`,
/// `kernel.fragments`.
struct KernelStep: BuildStep, Contextual {
    let context: BuildContext
    private let indexer: ModuleIndex
    private let initramfsPrograms: [StepInput]
    let inputs: [StepInput]

    /// - Throws: `Failure` for a fragment or an overlay that cannot be read.
    init(_ context: BuildContext, _ overlays: [OverlayStep], _ programs: HostPrograms) throws {
        self.context = context
        indexer = ModuleIndex(context: context, programs: programs.moduleIndex)
        initramfsPrograms = programs.initramfs
        inputs =
            try [
                StepInput("initramfs rules", BootInitramfs.rulesDigest.hex),
                StepInput("kernel.initramfs", context.recipe.kernel.initramfs.rawValue),
            ] + KernelContract(context).inputs + RuntimeContract(context.recipe).kernelInputs + programs.moduleIndex
            + programs.initramfs + overlays.feed(epoch: context.recipe.epoch, where: Self.isFed)
    }

    static let name = "kernel"
    var name: String { Self.name }
    let isKept = true
    let summary = "module index, initramfs"
    var below: [String] { [ConfigureStep.name] }

    /// Whether the module index or the initramfs may be made of a file at this path.
    static func isFed(by path: EntryPath) -> Bool {
        ["lib/modules", "usr/lib/modules"].contains { (folder: EntryPath) in path.isInside(folder) }
    }

    /// Puts index and initramfs into the tree.
    ///
    /// - Parameters:
    ///   - first: the index that the micro-VM had.
    ///   - packaged: what packages alone bring; what is made of no more than that comes to it, too.
    /// - Returns: whether there is an initramfs.
    /// - Throws: `Walk.Missing` in a look; `Failure` for modules that cannot be indexed, or an initramfs that cannot be made.
    func complete(
        _ overlaid: inout OverlaidTree, _ packaged: inout Tree, _ release: KernelRelease, first: ModuleIndex.Made,
        _ walk: inout Walk, work: FilePath
    ) async throws -> Bool {
        // Maintainer scripts compile modules (DKMS), and overlays bring some.
        let index = try await indexer.make(
            release, in: overlaid.seen, isShared: !isFed(release, overlaid), step: name, &walk, work: work)
        if index.key != first.key {
            if !isFed(release, overlaid) { try packaged.apply(index.layer) }
            context.note(try overlaid.apply(index.layer) { _ in "depmod" }, step: name)
        }
        let hasInitramfs = try KernelContract(context).needsInitramfs(release, in: overlaid.seen)
        if hasInitramfs {
            let layer = try await initramfs(release, overlaid, &walk)
            if !isFed(release, overlaid) { try packaged.apply(layer) }
            context.note(try overlaid.apply(layer) { _ in "kernel.initramfs" }, step: name)
        }
        return hasInitramfs
    }

    /// Whether what is made for the kernel is made of an overlay's files.
    private func isFed(_ release: KernelRelease, _ overlaid: OverlaidTree) -> Bool {
        func parts(_ tree: Tree) -> [SHA256Digest?] {
            [
                tree.subtree(release.modules)?.digest, release.config.flatMap { tree.content($0) }?.digest,
                (try? BootInitramfs.busybox(in: tree))?.digest,
            ]
        }
        return parts(overlaid.seen) != parts(overlaid.tree)
    }

    /// The initramfs, by the modules, the busybox and the rules it is made of.
    private func initramfs(
        _ release: KernelRelease, _ overlaid: OverlaidTree, _ walk: inout Walk
    ) async throws -> Layer {
        let tree = overlaid.seen
        let hasher = KeyHasher(purpose: "initramfs")
        hasher.add(options.formatVersion)
        for program in initramfsPrograms { hasher.add(program.value) }
        hasher.add(BootInitramfs.rulesDigest)
        hasher.add(release.name)
        hasher.add(release.config.flatMap { tree.content($0) }?.digest ?? .of(""))
        hasher.add(tree.subtree(release.modules)?.digest ?? .of(""))
        hasher.add(try BootInitramfs.busybox(in: tree).digest)
        hasher.add(recipe.epoch)
        let key = hasher.finalize()
        let isShared = !isFed(release, overlaid)
        let stored = try cache.layers.layer(key, name: "initramfs", shared: isShared)
        return try await walk.result(of: name, stored: stored) {
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
}
