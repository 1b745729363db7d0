import Records
import Debian
import Diagnostics
import Digests
import Fetch
import Recipe
import Steps
import Storage
import SystemPackage

extension ContainerRuntime {
    /// The archive of its proof image as a release file; nil where there is none. It goes into no image.
    var proofArtefact: Artefact? {
        guard let proof, case .archive(let place, _)? = proof.image else { return nil }
        var artefact = Artefact()
        artefact.givenName = "\(name)-proof-image"
        artefact.urls = [place]
        artefact.sha256 = proof.sha256
        return artefact
    }
}

extension ContainerImages {
    /// What the proof images of the recipe's runtimes are, by the runtimes' names. An archive is known by its pin; an image of a
    /// registry is fetched, verified, and kept as an archive.
    ///
    /// - Throws: `Failure` for an image that cannot be had or is not for the board.
    func proofImages(_ pins: [PinnedInput]) async throws -> [String: Manifest.ProofImage] {
        var images: [String: Manifest.ProofImage] = [:]
        for runtime in recipe.containerRuntimes {
            guard let proof = runtime.proof, let image = proof.image else { continue }
            let name: String
            let archive: (sha256: SHA256Digest, size: UInt64)
            switch image {
            case .archive(_, let written):
                guard let wanted = runtime.proofArtefact,
                    let pin = pins.first(where: { $0.use == InputFetcher.artefactUse && $0.name == wanted.name })
                else { throw Failure(at: runtime.file, "the proof image is not pinned") }
                // Its folder is the machine's own affair.
                name = FilePath(written).lastComponent?.string ?? wanted.name
                archive = (pin.sha256, pin.size)
            case .reference(let text):
                name = text
                let bytes = try await self.image(ImageReference(text)).archive()
                let stored = try DownloadStore(cache.store, note: cache.note).add(bytes)
                archive = (stored.digest, stored.size)
            }
            images[runtime.name] = Manifest.ProofImage(
                name: name, sha256: archive.sha256, size: archive.size, expect: proof.expect,
                arguments: proof.arguments, status: proof.status, serve: proof.servingArguments,
                answers: proof.answers.text)
        }
        return images
    }

    /// Checks the archives of proof images, which are in the store by then, as images for Docker are checked.
    func checkProofImages(_ known: [String: Manifest.ProofImage]) throws {
        let store = try DownloadStore(cache.store, note: cache.note)
        for runtime in recipe.containerRuntimes {
            guard case .archive(_, let written)? = runtime.proof?.image, let image = known[runtime.name]
            else { continue }
            _ = try ImageArchive(name: written, path: store.path(for: image.sha256), digest: image.sha256)
                .images(in: cache.layers)
        }
    }
}

extension Cache {
    /// A file of the store by its digest, whole; nil where the store has none.
    ///
    /// - Throws: `Failure` when it cannot be read.
    package func stored(_ digest: SHA256Digest) throws -> FilePath? {
        try DownloadStore(store, note: note).file(digest, size: nil, check: .digest)?.path
    }
}

extension ContainerRuntime.Proof.Answer {
    /// As the manifest has it.
    fileprivate var text: String {
        switch self {
        case .none: "none"
        case .ping: "ping"
        case .tcp(let port): "tcp \(port)"
        }
    }
}
