import Diagnostics
import Digests
import Layers
import Storage
import SystemPackage

/// An archive of container images on this machine: what `docker save` writes, or an OCI image layout in a tar, compressed or not.
package struct ImageArchive: Sendable {
    /// As the recipe wrote it.
    package let name: String
    /// Where the archive is on this machine.
    package let path: FilePath
    /// SHA-256 of the archive: the key of what is unpacked of it. The caller has read it from the file or compared it.
    package let digest: SHA256Digest

    package init(name: String, path: FilePath, digest: SHA256Digest) {
        self.name = name
        self.path = path
        self.digest = digest
    }

    private static let formatVersion = 1
    private static let limits = ArchiveLimits(members: 20_000, totalBytes: 64 << 30)

    /// A line of `docker save`'s manifest.json (moby, image/spec).
    private struct SavedImage: Decodable {
        var config: String
        var tags: [String]?
        var layers: [String]

        enum CodingKeys: String, CodingKey {
            case config = "Config"
            case tags = "RepoTags"
            case layers = "Layers"
        }
    }

    /// The images for the board, every blob of them compared with its digest.
    ///
    /// - Throws: `Failure` for an archive that is damaged, is none of images, or has none for the board.
    package func images(in store: LayerStore) throws -> [ContainerImage] {
        let tree = try Tree([try unpacked(in: store)])
        if let index = tree.content("index.json"), tree.content("oci-layout") != nil {
            let manifest = try ImageManifest(json: bytes(of: index), at: "\(name): index.json")
            // Docker's own archives are both, and manifest.json has the better names.
            guard let saved = tree.content("manifest.json") else {
                return try images(of: manifest, tags: [], in: tree, depth: 0)
            }
            return try savedImages(saved, in: tree)
        }
        guard let saved = tree.content("manifest.json") else {
            throw Failure(
                at: name, "this is no archive of container images",
                expected: "what docker save writes, or an OCI image layout in a tar")
        }
        return try savedImages(saved, in: tree)
    }

    // MARK: OCI layout

    private func images(
        of index: ImageManifest, tags: [String], in tree: Tree, depth: Int
    ) throws -> [ContainerImage] {
        guard depth < 4 else { throw Failure(at: name, "its indexes are nested too deeply") }
        return try index.candidates(at: name).flatMap { descriptor -> [ContainerImage] in
            let content = try blob(descriptor, in: tree)
            let place = "\(name): \(descriptor.digest)"
            let manifest = try ImageManifest(json: bytes(of: content), at: place)
            let tags = descriptor.tags.isEmpty ? tags : descriptor.tags
            guard let config = manifest.config, let layers = manifest.layers else {
                return try images(of: manifest, tags: tags, in: tree, depth: depth + 1)
            }
            return [
                try ContainerImage(
                    tags: tags, config: blob(config, in: tree), layers: layers.map { try blob($0, in: tree) }, at: place
                )
            ]
        }
    }

    private func blob(_ descriptor: ImageDescriptor, in tree: Tree) throws -> Content {
        let digest = try descriptor.sha256(at: name)
        let path = try EntryPath(validating: "blobs/sha256/\(digest.hex)")
        guard let content = tree.content(path) else {
            throw Failure(at: name, "the archive lacks a blob that its image has", expected: "\(path)")
        }
        guard content.digest == digest, descriptor.size ?? content.size == content.size else {
            throw Failure(
                at: "\(name): \(path)", "the blob is not the one that its image has",
                expected: "sha256:\(digest.hex)" + (descriptor.size.map { ", \($0) bytes" } ?? ""),
                found: "sha256:\(content.digest.hex), \(content.size) bytes")
        }
        return content
    }

    // MARK: docker save

    private func savedImages(_ list: Content, in tree: Tree) throws -> [ContainerImage] {
        let place = "\(name): manifest.json"
        let saved = try decodeImageJSON([SavedImage].self, try bytes(of: list), what: "a list of images", at: place)
        guard !saved.isEmpty else { throw Failure(at: place, "the archive holds no image") }
        return try saved.map { saved in
            func content(_ path: String) throws -> Content {
                guard let content = tree.content(try EntryPath(validating: path)) else {
                    throw Failure(at: name, "the archive lacks a file that its image has", expected: path)
                }
                return content
            }
            let image = try ContainerImage(
                tags: saved.tags ?? [], config: content(saved.config), layers: saved.layers.map(content), at: name)
            for (path, content) in [(saved.config, image.config)] + zip(saved.layers, image.layers) {
                try check(path, content, diffID: image.diffIDs)
            }
            return image
        }
    }

    /// Holds a file of `docker save` to its digest: that in its name, or among the configuration's digests of layers.
    private func check(_ path: String, _ content: Content, diffID: [String]) throws {
        let stem = path.split(separator: "/").last.map { $0.hasSuffix(".json") ? $0.dropLast(5) : $0 } ?? ""
        if let named = SHA256Digest(hex: String(stem)) {
            guard named != content.digest else { return }
            throw Failure(
                at: "\(name): \(path)", "the file is not the one that its name says", expected: "sha256:\(named.hex)",
                found: "sha256:\(content.digest.hex)")
        }
        guard diffID.contains("sha256:\(content.digest.hex)") else {
            throw Failure(
                at: "\(name): \(path)", "the layer is none of those that the image's configuration names",
                found: "sha256:\(content.digest.hex)")
        }
    }

    private func bytes(of content: Content) throws -> [UInt8] {
        try ContentReader().bytes(of: content, limit: ImageManifest.limit)
    }

    // MARK: The archive

    private func unpacked(in store: LayerStore) throws -> Layer {
        let hasher = KeyHasher(purpose: "image archive")
        hasher.add(Self.formatVersion)
        hasher.add(LayerStore.formatVersion)
        hasher.add(digest)
        return try store.layer(hasher.finalize(), name: name) { writer in
            let file = try OpenFile.reading(path)
            let reader = try ArchiveReader(
                file, range: 0..<(try file.size()), compression: try compression(of: file), limits: Self.limits,
                place: name)
            let attributes = Attributes(mode: 0o644, mtime: Timestamp(seconds: 0))
            while let member = try reader.next() {
                let path: EntryPath
                do { path = try EntryPath(validating: member.path) } catch let failure as Failure {
                    throw Failure(at: "\(name): \(member.name)", failure.message, next: "do not use this archive")
                }
                switch member.kind {
                case .directory: continue
                case .regular: try writer.addFile(path, attributes) { try reader.copyContent(to: $0) }
                // docker save once made links of equal layers.
                case .symlink(let target): try writer.add(Entry(path, attributes, .symlink(target)))
                case .hardLink(let target):
                    try writer.add(Entry(path, attributes, .hardLink(try EntryPath(validating: target))))
                default: throw Failure(at: "\(name): \(member.name)", "an archive of images holds files and links only")
                }
            }
        }
    }

    /// By its first bytes: people name such archives as they like.
    private func compression(of file: OpenFile) throws -> ArchiveCompression {
        let head = try file.bytes(at: 0, count: Int(min(6, try file.size())))
        switch PackedFormat(start: head) {
        case .gzip: return .gzip
        case .xz: return .xz
        case .zstd: return .zstd
        default: return .none
        }
    }
}
