import Records
import Diagnostics
import Recipe
import Storage
import SystemPackage
import Tools

/// One build, from the recipe to the files beside the image. The order of the calls is the way of the data; nothing goes back.
struct Build {
    let context: BuildContext
    let recordPath: FilePath

    init(_ context: BuildContext, _ recordPath: FilePath) {
        self.context = context
        self.recordPath = recordPath
    }

    /// - Throws: as ``ImageBuilder/build()``; `DamagedContent` for what is damaged in the cache.
    func run() async throws -> BuildResult {
        let paths = context.outputs
        let claim = try await OutputClaim(paths, progress: context.progress)
        defer { withExtendedLifetime(claim) {} }
        let secrets = try Secrets(
            opening: context.recipe, paths.credentials, context.options.environment)
        let resolver = Resolver(context)
        if !exists(context.options.lockPath) || !exists(paths.image) {
            try requireRoom(2 << 30, at: context.cache.root, "for the build")
        }
        let resolved = try await resolver.resolve(.build)
        try resolver.settle(resolved)
        let steps = try BuildSteps(context, resolved, secrets)
        let outputs = Outputs(context, resolved, secrets, recordPath)
        // A full check is asked for to see the disk judged, whether it is new or not.
        if context.options.check != .full, let result = try await outputs.upToDate(steps.plan) { return result }

        try await checkPrograms()
        try await outputs.checkSigners()
        try requireAllRoom(for: resolved)
        let work = try TemporaryFolder(in: context.cache.work, name: context.recipe.name)
        defer { withExtendedLifetime(work) {} }
        var walk = Walk(.make)
        let system = try await steps.systemTree(&walk, work: work.path)
        let disk = try await steps.fileSystems.assemble(system.tree, work: work.path)
        // Before the image: an image whose password nobody knows must never be.
        let forget = try secrets.keep(at: paths.credentials)
        let packed: PackedImage
        do { packed = try await steps.image.pack(disk, ownContent: system.ownContent) } catch {
            forget()
            throw error
        }
        return try await outputs.publish(packed, disk, system, steps.plan, walk)
    }

    /// Names every program that is missing or too old, before any of them is needed.
    private func checkPrograms() async throws {
        let problems = try await Doctor.examine(ToolCatalogue.build).filter { $0.problem != nil }
        guard !problems.isEmpty else { return }
        throw FailureList(
            problems.map {
                Failure(
                    at: $0.name, "the program is \($0.problem ?? "missing"); it is needed to \($0.purpose)",
                    next: $0.next)
            })
    }

    /// The packages once unpacked, the micro-VM's disk, the root file system and the image: about nine times the .debs.
    private func requireAllRoom(for resolved: Resolved) throws {
        let packed = resolved.packages.lock.packages.reduce(0) { $0 + $1.size } + (resolved.base?.size ?? 0)
        let needed = packed * 9 + context.recipe.disk.bootSize.bytes / 2
        try requireRoom(needed, at: context.cache.root, "for the build")
        try requireRoom(needed / 6, at: context.options.output, "for the build")
    }
}
