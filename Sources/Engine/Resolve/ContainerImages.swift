import Debian
import Diagnostics
import Digests
import Fetch
import Layers
import Recipe
import Steps
import Storage

/// Gets the container images of a recipe: those for Docker, and those that the runtimes' proof runs.
struct ContainerImages: Contextual {
    let context: BuildContext

    init(_ context: BuildContext) { self.context = context }

    /// The step that puts the recipe's container images beside Docker, each fetched where it has to be, and verified; nil for none.
    func preloadStep() async throws -> PreloadStep? {
        guard !recipe.docker.preload.isEmpty else { return nil }
        var sources: [PreloadStep.Source] = []
        for item in recipe.docker.preload {
            switch item {
            case .archive(let path):
                let archive = ImageArchive(
                    name: path.written, path: path.path, digest: try SHA256Digest.of(file: path.path))
                sources.append(
                    PreloadStep.Source(
                        name: path.written, digest: archive.digest, trust: nil,
                        images: try archive.images(in: cache.layers)))
            case .image(let text):
                let reference = try ImageReference(text)
                sources.append(
                    PreloadStep.Source(
                        name: text, digest: reference.digest, trust: PinnedInput.Trust.recipe.text,
                        images: [try await image(reference)]))
            }
        }
        return PreloadStep(sources)
    }

    /// An image of a registry. All of it has a digest that the recipe's leads to, so the store is as good as the registry.
    func image(_ reference: ImageReference) async throws -> ContainerImage {
        let client = try await RegistryClient(reference, downloader: try context.downloader(), asks: !options.offline)
        func manifest(_ digest: SHA256Digest) async throws -> ImageManifest {
            let file = try await offlineChecked(digest, reference) { try await client.manifest(digest) }
            return try ImageManifest(json: readFile(file.path, limit: ImageManifest.limit), at: reference.text)
        }
        var found = try await manifest(reference.digest)
        if found.manifests != nil {
            guard let first = try found.candidates(at: reference.text).first else {
                throw Failure(at: reference.text, "the index has no image")
            }
            found = try await manifest(try first.sha256(at: reference.text))
        }
        guard let config = found.config, let layers = found.layers else {
            throw Failure(at: reference.text, "an index leads to another index", expected: "an image's manifest")
        }
        let wanted = try ([config] + layers).map { (try $0.sha256(at: reference.text), $0.size) }
        let files = try await offlineChecked(config.sha256(at: reference.text), reference) {
            try await client.blobs(wanted)
        }
        let contents = files.map { Content(size: $0.size, digest: $0.digest, source: .file($0.path, offset: 0)) }
        return try ContainerImage(
            tags: [reference.name], config: contents[0], layers: Array(contents.dropFirst()), at: reference.text)
    }

    /// Runs a download; without a network only where the store has the first of what it gets.
    private func offlineChecked<Value>(
        _ digest: SHA256Digest, _ reference: ImageReference, _ body: () async throws -> Value
    ) async throws -> Value {
        if options.offline, try context.downloader().store.file(digest, size: nil, check: .size) == nil {
            throw Failure.offline("the image \(reference.text) is not in the store")
        }
        return try await body()
    }
}
