import Diagnostics
import Digests
import Layers
import Storage
import SystemPackage
import Tools

/// A stock image, as a distribution publishes it, as the first layer of a build.
///
///     .img.xz ──► bytes as they are decoded ──► a sparse file for each partition ──► fsck.fat, e2fsck ──► one layer
///
/// No image of the whole disk is written, and memory does not grow with it.
package struct StockImage: Sendable {
    /// Part of every key: what is read out of an image changes with it.
    package static let formatVersion = 1

    /// The root file system, and the boot partition's files below ``bootMountPoint``, where they hide what the root file
    /// system has there.
    package let layer: Layer
    /// Where the image's /etc/fstab mounts the boot partition.
    package let bootMountPoint: EntryPath
    /// What the partition table and the file systems said when the image was read.
    package let facts: StockFacts

    init(layer: Layer, facts: StockFacts) throws {
        self.layer = layer
        self.facts = facts
        bootMountPoint = try EntryPath(validating: facts.bootMountPoint)
    }

    /// The key of an image's layer in the store.
    ///
    /// - Parameter digest: SHA-256 of the image as it was published.
    package static func key(for digest: SHA256Digest) -> SHA256Digest { key(for: digest, "stock image") }

    private static func factsKey(for digest: SHA256Digest) -> SHA256Digest { key(for: digest, "stock image's facts") }

    private static func key(for digest: SHA256Digest, _ purpose: String) -> SHA256Digest {
        let hasher = KeyHasher(purpose: purpose)
        hasher.add(digest)
        hasher.add(formatVersion)
        hasher.add(LayerStore.formatVersion)
        return hasher.finalize()
    }

    /// The image as it was read before; nil when it has not been.
    package static func stored(_ digest: SHA256Digest, in store: LayerStore) throws -> StockImage? {
        guard let layer = try store.layer(key(for: digest), name: "stock image"),
            let stored = try store.layer(factsKey(for: digest), name: "stock image's facts"),
            case .regular(let content)? = stored.entries.first?.kind,
            let facts = StockFacts(json: try ContentReader().bytes(of: content))
        else { return nil }
        return try StockImage(layer: layer, facts: facts)
    }

    /// Reads an image into a layer, or takes the layer that was read before.
    ///
    /// - Parameters:
    ///   - image: an .xz file, or a raw disk.
    ///   - digest: SHA-256 of that file, which the caller has verified. It is the key of what is stored.
    ///   - store: where the layer and the facts are kept.
    ///   - work: a folder for the partitions' files. It needs as much room as the unpacked disk, at most; what is put
    ///     there is removed again.
    ///   - workers: blocks of an .xz file that are decoded at a time.
    ///   - limit: the most bytes that the disk may have.
    ///   - freeSpace: how many bytes may be written below a folder; nil when that is not known.
    /// - Throws: `Failure` that names the image, or the partition in it: not an image, damaged, too large, a partition
    ///   table that cannot be used, no root or boot file system or several, a file system with errors, an fstab that
    ///   does not fit. `CancellationError`. Nothing is left then.
    package static func read(
        _ image: FilePath, digest: SHA256Digest, store: LayerStore, work: FilePath, workers: Int, limit: UInt64,
        tools: ToolRunner, progress: any ProgressReporter = SilentProgress(),
        freeSpace: @Sendable (FilePath) -> UInt64? = { Storage.freeSpace(at: $0) }
    ) async throws -> StockImage {
        if let stored = try stored(digest, in: store) {
            progress.report(
                .finished(step: "stock image", detail: image.lastComponent?.string ?? image.string, cached: true))
            return stored
        }
        let disk = try StockDisk(image, limit: limit)
        if let free = freeSpace(work), free < disk.size {
            throw Failure.noRoom(at: work.string, "to unpack \(image)", needed: disk.size, free: free)
        }
        let folder = try TemporaryFolder(in: work, name: "stock")
        let partitions = try await disk.split(into: folder.path, workers: workers, progress: progress)
        let used = allocatedSize(of: partitions)
        if let free = freeSpace(store.folder), free < used {
            throw Failure.noRoom(at: store.folder.string, "for the files of \(image)", needed: used, free: free)
        }
        let reading = try await StockReading(
            image: image.string, digest: digest, disk: disk, files: partitions, tools: tools, progress: progress)
        let layer = try await store.layer(key(for: digest), name: "stock image") { writer in
            try await reading.read(into: writer)
        }
        _ = try store.layer(factsKey(for: digest), name: "stock image's facts") { writer in
            try writer.addFile("facts.json", Attributes(mode: 0o644, mtime: Timestamp(seconds: 0))) {
                try $0.write(try reading.facts.json())
            }
        }
        return try StockImage(layer: layer, facts: reading.facts)
    }

    private static func allocatedSize(of files: [Int: FilePath]) -> UInt64 {
        files.values.reduce(0) { $0 + Storage.allocatedSize(of: $1) }
    }
}
