import Digests
import Guest
import Kernel
import Layers
import Steps
import SystemPackage

extension ImageBuilder {
    /// What packages compute from overlays' files: ld.so's cache, the hardware database, certificate links, and whatever else the
    /// packages of the image watch folders for. An empty layer where no file asks for it.
    ///
    /// - Throws: as `MicroVM.configure`, which runs where the host cannot do it.
    func indexes(
        of overlaid: OverlaidTree, _ release: KernelRelease, _ programs: HostPrograms, _ walk: inout Walk,
        work: FilePath
    ) async throws -> Layer {
        let name = "indexes"
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
            request.programs = programs.configure.map { "\($0.name) \($0.value)" }
            request.work = wanted
            let asked = request
            let stored = try MicroVM.stored(asked, in: cache.layers, shared: false)
            let run = try await walk.result(of: name, stored: stored) {
                try await MicroVM.run(
                    asked, step: name, store: cache.layers, shared: false, work: work,
                    log: options.output.appending("\(outputName).indexes.log"), progress: progress)
            }
            result = run.layer
            for secret in run.secrets {
                progress.report(.note(step: name, text: "/\(secret.path), \(secret.what), is left out"))
            }
        }
        if wanted.certificates {
            // In an instant, and kept nowhere.
            walk.note(name, .made)
            result.add(try await FileTriggers.certificates(in: tree, epoch: recipe.epoch, work: work))
        }
        return result
    }
}

extension Layer {
    /// Adds what another layer would change.
    fileprivate mutating func add(_ layer: Layer) {
        whiteouts += layer.whiteouts
        entries += layer.entries
    }
}
