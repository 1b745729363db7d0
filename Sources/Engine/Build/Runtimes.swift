import Debian
import Diagnostics
import Digests
import Fetch
import Kernel
import Layers
import Pack
import Recipe
import Steps
import Storage
import SystemPackage

extension Recipe {
    /// The packages that the recipe's runtimes come in.
    var runtimePackages: [String] { containerRuntimes.flatMap(\.packages) }

    /// What the runtimes need on the kernel's command line and the recipe does not have there.
    var runtimeCommandLine: [String] {
        containerRuntimes.flatMap(\.cmdline).reduce(into: []) { words, word in
            if !words.contains(word), !firmware.cmdline.contains(word) { words.append(word) }
        }
    }

    /// The release files of the runtimes, each once: two runtimes may come from one file; and the archives of their proof images.
    var artefacts: [ContainerRuntime.Artefact] {
        containerRuntimes.flatMap { $0.artefacts + [$0.proofArtefact].compactMap(\.self) }.reduce(into: []) {
            files, file in
            if !files.contains(where: { $0.name == file.name }) { files.append(file) }
        }
    }
}

// MARK: Release files

extension InputFetcher {
    static let artefactUse = "runtime"

    /// The pins of the runtimes' release files: the lock's, or those of the files, which are fetched for it.
    ///
    /// - Throws: `Failure` for a file that cannot be had, is another than the recipe says, or that nobody has vouched for.
    func artefactPins() async throws -> [PinnedInput] {
        var pins: [PinnedInput] = []
        for artefact in recipe.artefacts { pins.append(try await pin(artefact)) }
        return pins
    }

    /// Brings the release files into the store, as they are pinned.
    func artefacts(_ pins: [PinnedInput]) async throws {
        for artefact in recipe.artefacts {
            guard let pin = pins.first(where: { $0.use == Self.artefactUse && $0.name == artefact.name }),
                try downloader.store.file(pin.sha256, size: pin.size, check: .digest) == nil
            else { continue }
            guard !options.offline else {
                throw Failure.offline("the file \(artefact.name) is not in the store")
            }
            let request = DownloadRequest(
                urls: artefact.urls, sha256: pin.sha256, size: pin.size, name: artefact.name)
            _ = try await suspecting(pin) { try await downloader.fetch([request], step: "runtimes", check: .digest) }
        }
    }

    private func pin(_ artefact: ContainerRuntime.Artefact) async throws -> PinnedInput {
        let wanted = artefact.sha256.flatMap { SHA256Digest(hex: $0) }
        let pinned = lock?.input(artefact.name, use: Self.artefactUse)
        // Who accepted a file does not have to do so again because packages are chosen anew.
        if let pinned, wanted == nil || (wanted == pinned.sha256 && pinned.trust == .recipe) { return pinned }
        guard let wanted else {
            // All that must be accepted is asked for before (`requireAcceptance`).
            throw Failure(
                at: artefact.name, "the file is not accepted",
                next: options.command("lock accept", "--all"))
        }
        guard !options.offline else {
            throw Failure.offline(
                at: artefact.name, "the file is not pinned in the lock file, and may not be fetched")
        }
        let request = DownloadRequest(urls: artefact.urls, sha256: wanted, size: nil, name: artefact.name)
        guard let file = try await downloader.fetch([request], step: "runtimes", check: .digest).first else {
            throw Failure(at: artefact.name, "the file could not be fetched")
        }
        return try PinnedInput(
            name: artefact.name, use: Self.artefactUse, size: file.size, sha256: file.digest, trust: .recipe)
    }
}

// MARK: Steps

extension ImageBuilder {
    /// The step that adds what the runtimes bring; nil for a recipe without any.
    func runtimesStep(_ inputs: Inputs) throws -> RuntimesStep? {
        guard !recipe.runtimes.isEmpty else { return nil }
        let store = try DownloadStore(cache.store)
        let artefacts = try recipe.containerRuntimes.flatMap { runtime in
            try runtime.artefacts.map { artefact in
                guard
                    let pin = inputs.pins.first(where: {
                        $0.use == InputFetcher.artefactUse && $0.name == artefact.name
                    })
                else { throw Failure(at: runtime.file, "the file \(artefact.name) is not pinned") }
                return RuntimeArtefact(
                    runtime: runtime.file, wanted: artefact, digest: pin.sha256, path: store.path(for: pin.sha256))
            }
        }
        return try RuntimesStep(recipe.containerRuntimes, artefacts: artefacts, store: cache.layers)
    }

    /// The step that configures Docker; nil where nothing can be there to configure.
    func dockerStep(_ lock: PackageLock) -> DockerStep? {
        let isWanted = recipe.docker.daemon != nil || recipe.containerRuntimes.contains { !$0.docker.isEmpty }
        guard recipe.stock != nil || isWanted || engineVersion(lock, base: nil) != nil else { return nil }
        return DockerStep(recipe.docker, runtimes: recipe.containerRuntimes)
    }

    /// Fetches, unpacks and checks all that the runtimes bring, before anything long is begun.
    func prepareRuntimes(_ inputs: Inputs) async throws {
        guard let step = try runtimesStep(inputs) else { return }
        try await inputFetcher(inputs.lock).artefacts(inputs.pins)
        try checkProofImages(inputs)
        let sizes = try step.unpack().filter { $0.bytes > 0 }
        guard !sizes.isEmpty else { return }
        let text = sizes.map { "\($0.name) \(megabytes($0.bytes))" }.joined(separator: ", ")
        progress.report(.note(step: "runtimes", text: "from release files: \(text)"))
    }

    // MARK: The plan

    /// What the runtimes ask of the kernel.
    var runtimeKernelInputs: [StepInput] {
        recipe.containerRuntimes.filter { !$0.kernel.isEmpty }.map { runtime in
            StepInput("\(runtime.file) kernel", runtime.kernel.map(\.text).joined(separator: "; "))
        }
    }

    /// The runtime files, whose checks stand in the manifest.
    var runtimeFileInputs: [StepInput] {
        recipe.containerRuntimes.compactMap { runtime in
            runtime.digest.map { StepInput("runtimes \(runtime.file)", $0.hex) }
        }
    }

    // MARK: What the runtimes need

    /// The version of Docker's engine in the image; nil for none, or one that is not known yet.
    private func engineVersion(_ lock: PackageLock, base: BaseSystem?) -> String? {
        let names = ["docker-ce", "docker.io"]
        return lock.packages.first { names.contains($0.name) }?.version
            ?? names.compactMap { base?.installed.version(of: $0) }.first
    }

    /// Holds the engine to what the runtimes' registrations need.
    ///
    /// - Parameter base: nil before a stock image is read: its own engine is judged then.
    /// - Throws: `FailureList` with every registration that the engine does not know.
    func engineContract(_ lock: PackageLock, base: BaseSystem?) throws {
        guard let text = engineVersion(lock, base: base), let parsed = try? DebianVersion(text),
            let version = ContainerRuntime.EngineVersion(parsing: parsed.upstream)
        else { return }
        let failures = recipe.containerRuntimes.flatMap { runtime in
            runtime.docker.compactMap { entry -> Failure? in
                guard let needed = entry.needed, version < needed else { return nil }
                return Failure(
                    .usage, at: runtime.file, "Docker \(version) is too old for the runtime '\(entry.name)'",
                    expected: "Docker \(needed) or later" + (entry.type == nil ? "" : ", which knows runtimeType"),
                    found: text,
                    next: "take Docker from its own archive (docker: {from: docker.com}), or leave the runtime out")
            }
        }
        guard failures.isEmpty else { throw FailureList(failures) }
    }

    /// Holds the kernel to what the runtimes ask of it.
    ///
    /// - Returns: the lines that apply to it, for the manifest.
    /// - Throws: `FailureList` with every line that the kernel's configuration does not follow.
    func runtimeContract(_ release: KernelRelease, in tree: Tree) throws -> [String] {
        let asked = recipe.containerRuntimes.flatMap { runtime in runtime.kernel.map { (runtime, $0) } }
        guard !asked.isEmpty else { return [] }
        guard let config = try configuration(of: release, in: tree), let version = KernelVersion(release.name) else {
            throw Failure(
                at: "kernel \(release.name)", "its package brings no configuration to hold it to",
                expected: "/boot/config-\(release.name), since \(asked[0].0.file) asks something of the kernel",
                next: "choose another kernel")
        }
        var failures: [Failure] = []
        var lines: [String] = []
        for (runtime, line) in asked {
            let place = "\(runtime.file):\(line.line)"
            let fragment: ConfigFragment
            do { fragment = try ConfigFragment.parse(line.text, file: runtime.file) } catch let list as FailureList {
                failures += list.failures.map { failure in
                    var failure = failure
                    failure.place = place
                    return failure
                }
                continue
            }
            for text in fragment.lines(for: version).map(\.text) where !lines.contains(text) { lines.append(text) }
            failures += ConfigFragment.violations(of: fragment, in: config, version: version).map { violation in
                Failure(
                    at: place, "the runtime \(runtime.name) needs what the kernel \(release.name) does not have",
                    expected: violation.line.text, found: "\(violation.found)",
                    next: "choose another kernel, or take \(runtime.name) out of runtimes")
            }
        }
        guard failures.isEmpty else { throw FailureList(failures) }
        return lines
    }

    /// What the image's proof runs: a row for each name that Docker knows a runtime by.
    func runtimeExpectations(_ images: [String: Manifest.ProofImage]) -> [Manifest.Runtime] {
        recipe.containerRuntimes.flatMap { runtime in
            let names: [String?] = runtime.docker.isEmpty ? [nil] : runtime.docker.map(\.name)
            return names.map { name in
                Manifest.Runtime(
                    name: runtime.name, docker: name,
                    checks: runtime.checks.filter { ($0.docker ?? names[0]) == name }.map {
                        Manifest.RuntimeCheck(
                            name: $0.name, setup: $0.setup, run: $0.run, user: $0.user == .root ? "root" : nil,
                            expect: $0.expect, cleanup: $0.cleanup)
                    },
                    proof: runtime.proof.map { proof in
                        Manifest.RuntimeProof(
                            isolation: proof.isolation?.rawValue, refusal: proof.refusal, image: images[runtime.name])
                    })
            }
        }
    }
}
