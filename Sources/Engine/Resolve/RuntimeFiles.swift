import Records
import Debian
import Diagnostics
import Digests
import Fetch
import Layers
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

// MARK: What they bring

/// The release files of a recipe's runtimes, as they are resolved.
struct RuntimeFiles: Contextual {
    let context: BuildContext
    private let pins: [PinnedInput]
    private let proofImages: [String: Manifest.ProofImage]
    private let lock: PackageLock?

    /// - Parameter lock: the recipe's.
    init(
        _ context: BuildContext, _ pins: [PinnedInput], _ proofImages: [String: Manifest.ProofImage],
        _ lock: PackageLock?
    ) {
        self.context = context
        self.pins = pins
        self.proofImages = proofImages
        self.lock = lock
    }

    init(_ context: BuildContext, _ resolved: Resolved) {
        self.init(context, resolved.pins, resolved.proofImages, resolved.knownLock)
    }

    /// The step that adds what the runtimes bring; nil for a recipe without any.
    ///
    /// - Throws: `Failure` for a file of this machine that cannot be read.
    func step() throws -> RuntimesStep? {
        guard !recipe.runtimes.isEmpty else { return nil }
        let store = try DownloadStore(cache.store)
        let artefacts = try recipe.containerRuntimes.flatMap { runtime in
            try runtime.artefacts.map { artefact in
                guard
                    let pin = pins.first(where: {
                        $0.use == InputFetcher.artefactUse && $0.name == artefact.name
                    })
                else { throw Failure(at: runtime.file, "the file \(artefact.name) is not pinned") }
                return RuntimeArtefact(
                    runtime: runtime.file, wanted: artefact, digest: pin.sha256, path: store.path(for: pin.sha256))
            }
        }
        return try RuntimesStep(recipe.containerRuntimes, artefacts: artefacts, store: cache.layers)
    }

    /// Fetches, unpacks and checks all that the runtimes bring, before anything long is begun.
    ///
    /// - Throws: `Failure` for what cannot be had or could not run on the board.
    func prepare() async throws {
        guard let step = try step() else { return }
        try await InputFetcher(context, lock: lock).artefacts(pins)
        try ContainerImages(context).checkProofImages(proofImages)
        let sizes = try step.unpack().filter { $0.bytes > 0 }
        guard !sizes.isEmpty else { return }
        let text = sizes.map { "\($0.name) \(megabytes($0.bytes))" }.joined(separator: ", ")
        context.note(["from release files: \(text)"], step: "runtimes")
    }
}
