import Diagnostics
import Digests
import Layers
import Recipe

/// A container image, whole and verified: what `docker load` needs of it.
package struct ContainerImage: Sendable {
    /// The names that Docker gives it.
    package internal(set) var tags: [String]
    /// The image's configuration (OCI image specification, config.md), which names linux/arm64 and as many layers as there are.
    package let config: Content
    /// As tar archives, compressed or not, the lowest first.
    package let layers: [Content]

    /// What Docker calls its image ID.
    package var id: SHA256Digest { config.digest }
    /// Bytes.
    package var size: UInt64 { layers.reduce(config.size) { $0 + $1.size } }

    /// Keys of an image's configuration (OCI image specification, config.md).
    private struct Configuration: Decodable {
        var architecture: String
        var os: String
        var rootfs: RootFS

        struct RootFS: Decodable {
            var layers: [String]

            enum CodingKeys: String, CodingKey { case layers = "diff_ids" }
        }
    }

    /// - Throws: `Failure` when it is for another machine, or the configuration does not fit the layers.
    package init(tags: [String], config: Content, layers: [Content], at place: String) throws {
        let bytes = try ContentReader().bytes(of: config, limit: ImageManifest.limit)
        let configuration = try decodeImageJSON(Configuration.self, bytes, what: "an image's configuration", at: place)
        let platform = ImagePlatform(architecture: configuration.architecture, os: configuration.os)
        guard platform.isBoard else {
            throw Failure(
                at: place, "the image is for another machine", expected: "linux/arm64", found: platform.text)
        }
        guard configuration.rootfs.layers.count == layers.count else {
            throw Failure(
                at: place, "the image's configuration does not fit its layers",
                expected: "\(configuration.rootfs.layers.count) layers", found: "\(layers.count)")
        }
        self.tags = tags
        self.config = config
        self.layers = layers
        diffIDs = configuration.rootfs.layers
    }

    /// The digests of the layers before compression.
    let diffIDs: [String]

    /// The archive for `docker load`: the same image gives the same bytes.
    ///
    /// - Throws: `Failure` when a layer cannot be read.
    package func archive() throws -> [UInt8] {
        try ArchiveWriter(.tar).bytes(of: entries(in: .root, epoch: 0))
    }

    /// The folder that `tar` makes an archive for `docker load` of: the layout of `docker save` since Docker 25.
    func entries(in folder: EntryPath, epoch: Int64) -> [Entry] {
        func name(_ content: Content) -> String { "blobs/sha256/\(content.digest.hex)" }
        let manifest = JSON.array([
            .members([
                "Config": .string(name(config)), "RepoTags": .array(tags.map { .string($0) }),
                "Layers": .array(layers.map { .string(name($0)) }),
            ])
        ])
        let blobs = folder.appending("blobs").appending("sha256")
        // Two layers of an image may be equal.
        var seen: Set<SHA256Digest> = []
        let contents = ([config] + layers).filter { seen.insert($0.digest).inserted }
        return [
            Entry(
                folder.appending("manifest.json"), .root(0o644, epoch: epoch), .regular(Content(manifest.inline + "\n"))
            )
        ]
            + contents.map {
                Entry(blobs.appending($0.digest.hex), .root(0o644, epoch: epoch), .regular($0))
            }
    }
}
