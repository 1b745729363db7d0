import Diagnostics
import Guest
import Kernel
import Layers
import Steps
import SystemPackage

/// What packages compute from overlays' files: ld.so's cache, the hardware database, certificate links, and whatever else the
/// packages of the image watch folders for. It is in the list where an overlay may feed any of it.
struct IndexesStep: BuildStep, Contextual {
    let context: BuildContext
    private let programs: [StepInput]
    let inputs: [StepInput]

    /// - Throws: `Failure` for an overlay that cannot be read.
    init(_ context: BuildContext, _ overlays: [OverlayStep], _ programs: HostPrograms) throws {
        self.context = context
        self.programs = programs.configure
        inputs = try overlays.feed(epoch: context.recipe.epoch) {
            FileTriggers.mayFeed($0) && !KernelStep.isFed(by: $0)
        }
    }

    static let name = "indexes"
    var name: String { Self.name }
    let isKept = true
    let summary = "what packages compute from overlays' files"
    var below: [String] { [ConfigureStep.name] }

    /// - Returns: an empty layer where no file asks for anything.
    /// - Throws: `Walk.Missing` in a look; as `MicroVM.run`, which runs where the host cannot do it.
    func indexes(
        of overlaid: OverlaidTree, _ release: KernelRelease, _ walk: inout Walk, work: FilePath
    ) async throws -> Layer {
        let wanted = try FileTriggers(in: overlaid.tree).work(for: overlaid.broughtPaths, in: overlaid.seen)
        guard !wanted.files.isEmpty else {
            walk.note(name, .stored)
            return Layer(name: name)
        }
        // With these files and no others, so that an edit elsewhere in an overlay runs nothing.
        let files = Layer(name: "overlays", entries: overlaid.entries(wanted.files))
        var tree = overlaid.tree
        try tree.apply(files)
        var result = Layer(name: name)
        if wanted.needsGuest {
            var request = ConfigureRequest(
                tree: tree, packages: [], kernel: try GuestKernel(release, in: overlaid.tree),
                busybox: try BootInitramfs.busybox(in: overlaid.tree), epoch: recipe.epoch)
            request.freeSpace = max(1 << 30, recipe.disk.freeSpace.bytes)
            request.programs = programs.map { "\($0.name) \($0.value)" }
            request.work = wanted
            let asked = request
            let stored = try MicroVM.stored(asked, in: cache.layers, shared: false)
            let run = try await walk.result(of: name, stored: stored) {
                try await MicroVM.run(
                    asked, step: name, store: cache.layers, shared: false, work: work,
                    log: context.outputs.log(of: name), progress: progress)
            }
            result = run.layer
            context.note(run.secrets.map { "/\($0.path), \($0.what), is left out" }, step: name)
        }
        if wanted.certificates {
            // In an instant, and kept nowhere.
            walk.note(name, .made)
            result.add(try await FileTriggers.certificates(in: tree, epoch: recipe.epoch, work: work))
        }
        return result
    }
}

extension [OverlayStep] {
    /// What of the overlays others are computed from, by its digest.
    func feed(epoch: Int64, where isFeed: (EntryPath) -> Bool) throws -> [StepInput] {
        try compactMap { step -> StepInput? in
            var layer = try step.apply(to: Tree(), epoch: epoch)
            layer.entries.removeAll { $0.kind == .directory || !isFeed($0.path) }
            return layer.entries.isEmpty ? nil : StepInput("\(step.name): what feeds others", layer.digest.hex)
        }
    }
}

extension Layer {
    /// Adds what another layer would change.
    fileprivate mutating func add(_ layer: Layer) {
        whiteouts += layer.whiteouts
        entries += layer.entries
    }
}
