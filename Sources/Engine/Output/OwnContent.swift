import Digests
import Layers

/// What a recipe's own layers put into an image besides its packages: password hashes, keys, whatever overlays hold. It knows the
/// parts of a disk that hold any of it, so that those are not given to a shared cache.
///
/// Both file systems begin a file at a multiple of 512 bytes and fill what its last sector has left with zeros, so a file's
/// sectors are on the disk as they are in the file. Names, owners, modes and the targets of links are not looked for.
package struct OwnContent: Sendable {
    private static let sectorSize = 512
    private let sectors: Set<UInt64>

    /// - Parameters:
    ///   - tree: the whole image.
    ///   - packages: what it is without the recipe's own layers.
    /// - Throws: `DamagedContent`.
    package init(of tree: Tree, above packages: Tree) throws {
        func contents(_ tree: Tree) -> Set<Content> {
            Set(
                tree.nodes.compactMap { node in
                    if node.linkCount > 0, case .regular(let content) = node.kind { content } else { nil }
                })
        }
        let reader = ContentReader()
        var sectors: Set<UInt64> = []
        for content in contents(tree).subtracting(contents(packages)) {
            // A piece is a multiple of a sector, but for the last.
            try reader.forEachChunk(of: content) { chunk in
                Self.forEachSector(of: chunk) { sector in
                    sectors.insert(sector)
                    return true
                }
            }
        }
        self.sectors = sectors
    }

    /// Whether a part of the disk, from the start of a sector on, holds none of it.
    package func isAbsent(from bytes: [UInt8]) -> Bool {
        sectors.isEmpty || bytes.withUnsafeBytes { raw in Self.forEachSector(of: raw) { !sectors.contains($0) } }
    }

    /// Hands on a short digest of each sector that is not all zeros, until `body` returns false.
    ///
    /// Two sectors with the same digest only make more of the disk count as somebody's own.
    ///
    /// - Returns: whether the end was reached.
    @discardableResult
    private static func forEachSector(of bytes: UnsafeRawBufferPointer, _ body: (UInt64) -> Bool) -> Bool {
        var offset = 0
        while offset < bytes.count {
            var digest: UInt64 = 0
            var isZero = true
            let end = min(offset + sectorSize, bytes.count)
            func add(_ word: UInt64) {
                isZero = isZero && word == 0
                digest = (digest ^ word) &* 0x9e37_79b9_7f4a_7c15
                digest ^= digest >> 32
            }
            while end - offset >= 8 {
                add(UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
                offset += 8
            }
            if offset < end {
                var word: UInt64 = 0
                for index in (offset..<end).reversed() { word = word << 8 | UInt64(bytes[index]) }
                add(word)
                offset = end
            }
            let rest = (sectorSize - (end - 1) % sectorSize - 1) / 8
            for _ in 0..<rest { add(0) }
            if !isZero, !body(digest) { return false }
        }
        return true
    }
}
