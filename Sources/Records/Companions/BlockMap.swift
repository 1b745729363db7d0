import Digests
import Storage

/// Which blocks of a disk have to be written to a card, and their sums: what bmaptool takes besides an image, so that it
/// copies, and verifies, those alone (bmap-tools, format version 2.0).
///
/// Mapped is each block that is in use, zeros or not, and each other one that holds a byte other than zero.
package struct BlockMap: Sendable, Equatable {
    /// Bytes of a block.
    package static let blockSize: UInt64 = 4096

    /// Mapped blocks that follow each other, within one stretch of ``stretch`` bytes of the disk.
    package struct Run: Sendable, Equatable {
        /// The numbers of the blocks.
        package var blocks: Range<UInt64>
        /// Of the blocks' bytes; those of the disk's last block may be fewer than a block's.
        package var digest: SHA256Digest
    }

    /// Bytes of the disk.
    package let imageSize: UInt64
    /// In the disk's order.
    package let runs: [Run]

    /// Reads what is mapped of a disk.
    ///
    /// - Parameters:
    ///   - used: the stretches that are in use, in bytes, in any order.
    ///   - stretch: where a run ends at the latest: at multiples of so many bytes, a multiple of ``blockSize``. What changes on a disk
    ///     then leaves the runs of other stretches as they were.
    ///   - index: what is known of the disk is not read.
    /// - Throws: what the source throws; `CancellationError`.
    package init(
        of disk: some ByteSource, used: [Range<UInt64>], stretch: Int = 8 << 20, index: DigestIndex? = nil
    ) throws {
        imageSize = disk.size
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        let blocks = Self.merged(try Self.inUse(used, of: disk.size) + Self.written(disk, beside: used, &buffer))
        let hasher = SHA256Hasher()
        runs = try Self.cut(blocks, at: UInt64(stretch) / Self.blockSize).map { blocks in
            let end = min(blocks.upperBound * Self.blockSize, disk.size)
            let composition = try disk.composition(of: blocks.lowerBound * Self.blockSize..<end)
            if let composition, let known = index?.digest(of: composition) { return Run(blocks: blocks, digest: known) }
            try Self.read(blocks, of: disk, &buffer) { bytes, _ in hasher.update(bytes) }
            let digest = hasher.finalize()
            if let composition { index?.remember(digest, of: composition) }
            return Run(blocks: blocks, digest: digest)
        }
    }

    /// Cuts runs at multiples of `length` blocks.
    private static func cut(_ runs: [Range<UInt64>], at length: UInt64) -> [Range<UInt64>] {
        runs.flatMap { run in
            let cuts =
                [run.lowerBound]
                + stride(from: run.lowerBound / length * length + length, to: run.upperBound, by: Int(length))
            return zip(cuts, cuts.dropFirst() + [run.upperBound]).map { $0..<$1 }
        }
    }

    /// How many blocks are mapped.
    package var mappedCount: UInt64 { runs.reduce(0) { $0 + UInt64($1.blocks.count) } }

    private var blockCount: UInt64 { Self.count(imageSize) }

    private static func count(_ bytes: UInt64) -> UInt64 { bytes / blockSize + (bytes % blockSize == 0 ? 0 : 1) }

    private static func inUse(_ used: [Range<UInt64>], of size: UInt64) -> [Range<UInt64>] {
        used.map { $0.clamped(to: 0..<size) }.filter { !$0.isEmpty }
            .map { $0.lowerBound / blockSize..<count($0.upperBound) }
    }

    /// The blocks that are not in use and hold something all the same.
    private static func written(
        _ disk: some ByteSource, beside used: [Range<UInt64>], _ buffer: inout [UInt8]
    ) throws -> [Range<UInt64>] {
        var found: [Range<UInt64>] = []
        var position: UInt64 = 0
        for known in merged(inUse(used, of: disk.size)) + [count(disk.size)..<count(disk.size)] {
            while position < known.lowerBound, let data = try disk.nextData(from: position * blockSize) {
                let blocks = (data.lowerBound / blockSize..<count(data.upperBound))
                    .clamped(to: position..<known.lowerBound)
                if blocks.isEmpty { break }
                try read(blocks, of: disk, &buffer) { bytes, first in
                    for (index, start) in stride(from: 0, to: bytes.count, by: Int(blockSize)).enumerated() {
                        let end = min(start + Int(blockSize), bytes.count)
                        if !isZero(UnsafeRawBufferPointer(rebasing: bytes[start..<end])) {
                            found.append(first + UInt64(index)..<first + UInt64(index) + 1)
                        }
                    }
                }
                position = blocks.upperBound
            }
            position = max(position, known.upperBound)
        }
        return found
    }

    /// Hands on the bytes of blocks in pieces of whole blocks, each with the number of its first.
    private static func read(
        _ blocks: Range<UInt64>, of disk: some ByteSource, _ buffer: inout [UInt8],
        _ body: (UnsafeRawBufferPointer, UInt64) -> Void
    ) throws {
        var position = blocks.lowerBound * blockSize
        let end = min(blocks.upperBound * blockSize, disk.size)
        while position < end {
            try Task.checkCancellation()
            let count = Int(min(UInt64(buffer.count), end - position))
            try buffer.withUnsafeMutableBytes {
                let piece = UnsafeMutableRawBufferPointer(rebasing: $0[..<count])
                try disk.read(at: position, into: piece)
                body(UnsafeRawBufferPointer(piece), position / blockSize)
            }
            position += UInt64(count)
        }
    }

    private static func merged(_ blocks: [Range<UInt64>]) -> [Range<UInt64>] {
        blocks.sorted { $0.lowerBound < $1.lowerBound }.reduce(into: []) { merged, next in
            if let last = merged.last, next.lowerBound <= last.upperBound {
                merged[merged.count - 1] = last.lowerBound..<max(last.upperBound, next.upperBound)
            } else {
                merged.append(next)
            }
        }
    }
}

extension BlockMap {
    /// The map as a file: XML, as bmaptool reads it.
    package var bytes: [UInt8] {
        let none = String(repeating: "0", count: 64)
        var text = """
            <?xml version="1.0" ?>
            <!-- The blocks of a disk image that have to be written; the others are free space.
                 bmaptool copy takes this file from beside the image. -->
            <bmap version="2.0">
                <ImageSize> \(imageSize) </ImageSize>
                <BlockSize> \(Self.blockSize) </BlockSize>
                <BlocksCount> \(blockCount) </BlocksCount>
                <MappedBlocksCount> \(mappedCount) </MappedBlocksCount>
                <ChecksumType> sha256 </ChecksumType>
                <!-- The sum of this file, with zeros in its own place. -->
                <BmapFileChecksum> \(none) </BmapFileChecksum>
                <BlockMap>

            """
        for run in runs {
            let last = run.blocks.upperBound - 1
            let numbers = run.blocks.count == 1 ? "\(last)" : "\(run.blocks.lowerBound)-\(last)"
            text += "        <Range chksum=\"\(run.digest)\"> \(numbers) </Range>\n"
        }
        text += "    </BlockMap>\n</bmap>\n"
        return Array(text.replacing("> \(none) <", with: "> \(SHA256Digest.of(text)) <").utf8)
    }
}
