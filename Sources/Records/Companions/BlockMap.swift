import Digests
import Storage

/// Which blocks of a disk have to be written to a card, and their sums: what bmaptool takes besides an image, so that it
/// copies, and verifies, those alone (bmap-tools, format version 2.0).
///
/// Mapped is each block that is in use, zeros or not, and each other one that holds a byte other than zero.
package struct BlockMap: Sendable, Equatable {
    /// Bytes of a block.
    package static let blockSize: UInt64 = 4096

    /// Mapped blocks that follow each other.
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
    /// - Parameter used: the stretches that are in use, in bytes, in any order.
    /// - Throws: what the source throws; `CancellationError`.
    package init(of disk: some ByteSource, used: [Range<UInt64>]) throws {
        imageSize = disk.size
        var buffer = [UInt8](repeating: 0, count: 1 << 20)
        let blocks = Self.merged(try Self.inUse(used, of: disk.size) + Self.written(disk, beside: used, &buffer))
        let hasher = SHA256Hasher()
        runs = try blocks.map { blocks in
            try Self.read(blocks, of: disk, &buffer) { bytes, _ in hasher.update(bytes) }
            return Run(blocks: blocks, digest: hasher.finalize())
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
