import Debian
import Diagnostics
import Digests
import Foundation
import Kernel
import Layers
import Packages
import Recipe
import Steps
import Storage
import SystemPackage
import Tools

extension KernelFromSource {
    private static var step: String { "kernel" }

    /// Compiles the recipe's kernel in its work folder, or goes on where an earlier run was interrupted.
    ///
    /// - Parameters:
    ///   - planned: what ``inputs()`` calls the source.
    ///   - inputsKey: the key of all that it names.
    ///   - shelf: where the kernel goes.
    func compile(planned: String, _ inputsKey: SHA256Digest, _ shelf: KernelShelf) async throws -> BuiltKernel {
        try KernelToolchain.require(KernelCompiler.programs)
        try checkEpoch()
        let work = cache.kernelWork.appending(recipe.name)
        let lock = try await FolderLock(work) {
            progress.report(.note(step: Self.step, text: "another run compiles this recipe's kernel; waiting for it"))
        }
        defer { withExtendedLifetime(lock) {} }
        if let kernel = try shelf.kernel(inputsKey) { return kernel }

        let made = try await madeConfiguration(writesLock: true, why: [])
        guard made.report.failures.isEmpty else { throw FailureList(made.report.failures) }
        if let remark = remark(on: made) { progress.report(.note(step: Self.step, text: remark)) }
        // A package that the lock pins and that can no longer be had is replaced: what is compiled is not what was planned.
        let isPlanned = planned == made.part.identity
        let identity = isTree ? planned : made.part.identity
        let key = try await buildKey(identity, made.config)
        if let kernel = try shelf.kernel(key) {
            if isPlanned || isTree { try shelf.put(kernel, as: inputsKey) }
            return kernel
        }
        try await KernelCompiler.endLeftovers(of: work)
        try await prepareTree(key, work, made.report)
        let kernel = try await compile(made, identity, key, work, shelf)
        try shelf.put(kernel, as: key)
        if isPlanned || isTree { try shelf.put(kernel, as: inputsKey) }
        Cache.empty(kernelWork: work)
        return kernel
    }

    private var isTree: Bool {
        if case .tree = source.origin { return true }
        return false
    }

    /// dpkg-deb makes files' times older, never younger.
    private func checkEpoch() throws {
        guard recipe.epoch > Int64(Date().timeIntervalSince1970) else { return }
        throw Failure(
            .usage, at: "epoch", "a kernel's package cannot have a time that is still to come",
            expected: "a day that is over",
            next: "set the recipe's epoch to today")
    }

    private func buildKey(_ identity: String, _ config: [UInt8]) async throws -> SHA256Digest {
        let hasher = KeyHasher(purpose: "kernel")
        hasher.add(KernelToolchain.rulesVersion)
        hasher.add(identity)
        for patch in source.patches { hasher.add(patch.sha256) }
        hasher.add(SHA256Digest.of(config))
        for version in try await KernelToolchain.ask(tools: tools).versions {
            hasher.add("\(version.name) \(version.version)")
        }
        hasher.add(recipe.epoch)
        return hasher.finalize()
    }

    // MARK: The source

    /// The bytes that a tree of Linux 6.12 takes, unpacked.
    private static var treeSize: UInt64 { 1_900_000_000 }
    /// The bytes that a compile adds for each option that is set, debug information and the package's parts
    /// with it: 1.2 GB were measured for 2,255 options.
    private static var bytesForOption: UInt64 { 700_000 }

    private func prepareTree(
        _ key: SHA256Digest, _ work: FilePath, _ report: KernelConfigReport
    ) async throws {
        let mark = work.appending("key")
        let tree = work.appending("linux")
        if let bytes = try? readFile(mark, limit: 256), bytes == Array(key.hex.utf8), exists(tree) {
            progress.report(.note(step: Self.step, text: "going on with the compile that was interrupted"))
            return
        }
        // What another configuration left, or another source.
        Cache.empty(kernelWork: work)
        try requireRoom(
            Self.treeSize + UInt64(report.builtIn + report.modules) * Self.bytesForOption, at: work,
            "to compile the kernel")
        let unpacking = work.appending("unpacking")
        try createFolder(unpacking)
        try await reader(writesLock: false).whole(to: unpacking)
        for patch in source.patches { try await Self.patch(patch).apply(to: unpacking, tools: tools) }
        try writeAtomically(to: mark, bytes: Array(key.hex.utf8))
        guard rename(unpacking.string, tree.string) == 0 else {
            throw Failure(at: tree.string, "could not put the source in place")
        }
    }

    // MARK: The compile

    private func compile(
        _ made: MadeConfiguration, _ identity: String, _ key: SHA256Digest, _ work: FilePath, _ shelf: KernelShelf
    ) async throws -> BuiltKernel {
        let ccache = ToolRunner.locate(.ccache) == nil ? nil : ccacheFolder
        let day = Date(timeIntervalSince1970: TimeInterval(recipe.epoch)).ISO8601Format().prefix(10).filter {
            $0 != "-"
        }
        let compiler = KernelCompiler(
            work: work,
            settings: KernelCompiler.Settings(
                version: "\(made.version)-\(day).\(key.hex.prefix(8))", epoch: recipe.epoch, jobs: options.jobs,
                ccache: ccache), tools: tools)
        let expected = expectedFiles(made, work.appending("linux"))
        progress.report(
            .started(
                step: Self.step,
                detail: "Linux \(made.version), \(options.jobs) at a time\(ccache == nil ? ", without ccache" : "")"))
        let log = work.appending("log")
        let kept = context.outputs.kernelLog
        let clock = ContinuousClock()
        let start = clock.now
        let outcome: (package: FilePath, log: MakeLog)
        do {
            outcome = try await compiler.run(config: made.config, log: log) { [progress] said in
                let done = UInt64(said.files.count)
                progress.report(
                    .advanced(
                        step: Self.step, completed: done, total: expected.map { max($0, done) }, unit: .count,
                        detail: said.latest))
            }
        } catch var failure as Failure {
            if let bytes = try? readFile(log, limit: 256 << 20) {
                try writeAtomically(to: kept, bytes: bytes)
                failure.next = "read \(kept); what is compiled stays, and the next run goes on from there"
            }
            throw failure
        }
        let seconds = (clock.now - start) / .seconds(1)
        // That of an earlier run that failed.
        removeTree(kept)
        let stored = try shelf.add(outcome.package)
        let release = try compiler.release()
        let named = try await packageIdentity(outcome.package)
        let kernel = BuiltKernel(
            package: PackageFile(named, size: stored.size, sha256: stored.digest, path: stored.path),
            release: release, source: made.part.name, identity: identity, toolchain: made.report.toolchain,
            files: outcome.log.files.count, seconds: seconds,
            isCached: false)
        try checkContents(kernel, config: made.config)
        progress.report(
            .finished(
                step: Self.step, detail: "\(kernel.release), \(kernel.files) files, \(megabytes(kernel.package.size))",
                cached: false))
        return kernel
    }

    /// What a package says it is.
    private func packageIdentity(_ file: FilePath) async throws -> PackageIdentity {
        let said = try await tools.run(
            .dpkgDeb, ["--show", "--showformat=${Package}\\n${Version}\\n${Architecture}\\n", file.string],
            place: file.string)
        let lines = said.text.splitLines().map(String.init)
        guard lines.count == 3, lines[2] == "arm64" else {
            throw Failure(
                at: "kernel", "its package is not for the board", expected: "architecture arm64",
                found: lines.last ?? "nothing")
        }
        return PackageIdentity(name: lines[0], version: lines[1], architecture: lines[2])
    }

    private var ccacheFolder: FilePath {
        if let folder = options.environment["CCACHE_DIR"], folder.hasPrefix("/") { return FilePath(folder) }
        return cache.root.appending("ccache")
    }

    private func expectedFiles(_ made: MadeConfiguration, _ tree: FilePath) -> UInt64? {
        guard let config = try? KernelConfig(made.config, at: made.report.file) else { return nil }
        return KbuildFiles(tree: tree, config: config).count.map(UInt64.init)
    }

    /// Opens the package, and holds it to what it must bring.
    ///
    /// - Throws: `Failure` with what it lacks.
    private func checkContents(_ kernel: BuiltKernel, config made: [UInt8]) throws {
        let contents = try KernelContents(kernel, store: cache.layers)
        let config = try KernelConfig(made, at: "kernel")
        try contents.check(
            config: made, modules: config["CONFIG_MODULES"] == .yes, board: config["CONFIG_ARCH_BCM2835"] == .yes)
    }
}
