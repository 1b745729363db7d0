import Records
import XZ
import Diagnostics
import Digests
import Disk
import Recipe
import Steps
import Storage

/// The packed image: the .img.xz in its place, and what is known of it.
struct PackedImage {
    var summary: XZSummary
    var settings: XZSettings
    /// Of the disk's blocks; nil where the recipe wants none.
    var map: BlockMap?
}

/// The disk as .img.xz: `output.compression`.
struct ImageStep: BuildStep, Contextual {
    let context: BuildContext
    private let resolved: Resolved

    init(_ context: BuildContext, _ resolved: Resolved) {
        self.context = context
        self.resolved = resolved
    }

    let name = "image"
    let isKept = false
    var summary: String { context.outputs.imageName }
    /// The manifest is made anew with the image: all that stands in it is among them.
    var inputs: [StepInput] {
        [
            StepInput("output.compression.preset", String(recipe.output.compression.preset)),
            StepInput("output.compression.block_size", String(recipe.output.compression.blockSize.bytes)),
            StepInput("output.compression.filter", recipe.output.compression.filter.rawValue),
            StepInput("liblzma", liblzmaVersion()),
            StepInput("recipe", SHA256Digest.of(recipe.canonical).hex),
            StepInput("package lock", SHA256Digest.of(resolved.lock.text).hex),
        ]
            + recipe.containerRuntimes.compactMap { runtime in
                runtime.digest.map { StepInput("runtimes \(runtime.file)", $0.hex) }
            }
            + resolved.proofImages.sorted { $0.key < $1.key }.map {
                StepInput("proof image \($0)", $1.sha256.hex)
            }
    }
    var below: [String] { [FileSystemsStep.name] }

    /// Writes the image to its place, whole or not at all.
    ///
    /// - Parameter ownContent: what of it stays on this machine; nil where nothing leaves it.
    /// - Throws: `Failure` when it cannot be written; `CancellationError`.
    func pack(_ disk: AssembledDisk, ownContent: OwnContent?) async throws -> PackedImage {
        let step = "pack"
        let settings = try XZSettings(
            preset: recipe.output.compression.preset, blockSize: Int(recipe.output.compression.blockSize.bytes),
            filter: recipe.output.compression.filter == .arm64 ? .arm64 : .none)
        progress.report(.started(step: step, detail: megabytes(disk.image.size)))
        let index = try DigestIndex(folder: cache.digests)
        let blocks = try BlockCache(
            folder: cache.blocks, shared: cache.shared, isPublic: { ownContent?.isAbsent(from: $0) ?? false },
            index: index, note: cache.note)
        let writer = XZWriter(settings: settings, workers: options.jobs, cache: blocks)
        let summary = try await writer.write(
            disk.image, to: context.outputs.image, progress: progress, step: step,
            prove: { try disk.proveContent(in: $0) }, finish: { try disk.proveForeignContent(root: cache.root) })
        progress.report(
            .finished(
                step: step,
                detail: "\(megabytes(summary.size)); blocks: \(summary.newBlocks) new, \(summary.reusedBlocks) reused, "
                    + "\(summary.zeroBlocks) zero", cached: false))
        guard recipe.output.companions.contains(Companion.bmap.rawValue) else {
            return PackedImage(summary: summary, settings: settings, map: nil)
        }
        // After the image: its blocks' digests are those of most of the map's runs.
        let map = try BlockMap(of: disk.image, used: disk.used, stretch: settings.blockSize, index: index)
        return PackedImage(summary: summary, settings: settings, map: map)
    }
}
