/// Lays out extents as the tree an inode holds (Linux, Documentation/filesystems/ext4/ifork.rst).
///
///     node    header: magic f30a u16 · entries u16 · room u16 · depth u16 · generation u32
///     leaf    logical u32 · count u16 · physical, upper 16 bits · physical, lower 32 bits
///     index   logical u32 · node's block, lower 32 bits · upper 16 bits · unused u16
///     root    a node of 60 bytes in the inode: room for 4; elsewhere 340 in 4,096 bytes, and a checksum
enum Ext4ExtentTree {
    static let rootEntries = 4
    static let blockEntries = 340
    /// The longest initialised extent, in blocks.
    static let longestExtent: UInt64 = 32768

    /// A tree: the inode's 60 bytes, and the nodes that lie in blocks of their own.
    struct Encoded {
        var root: [UInt8]
        var blocks: [(block: UInt64, bytes: [UInt8])]
    }

    /// - Parameter allocate: gives a block for a node outside the inode.
    static func encode(_ extents: [Ext4Extent], allocate: () throws -> UInt64) rethrows -> Encoded {
        var blocks: [(block: UInt64, bytes: [UInt8])] = []
        var depth: UInt16 = 0
        var entries = extents.flatMap(split).map { (logical: $0.logical, bytes: leaf($0)) }
        while entries.count > rootEntries {
            var parents: [(logical: UInt64, bytes: [UInt8])] = []
            for start in stride(from: 0, to: entries.count, by: blockEntries) {
                let part = entries[start..<min(start + blockEntries, entries.count)]
                let block = try allocate()
                let bytes = node(part.map(\.bytes), room: blockEntries, depth: depth, size: Int(ext4BlockSize))
                blocks.append((block, bytes))
                parents.append((entries[start].logical, index(entries[start].logical, block)))
            }
            entries = parents
            depth += 1
        }
        return Encoded(root: node(entries.map(\.bytes), room: rootEntries, depth: depth, size: 60), blocks: blocks)
    }

    private static func split(_ extent: Ext4Extent) -> [Ext4Extent] {
        stride(from: 0, to: extent.count, by: Int(longestExtent)).map {
            Ext4Extent(
                logical: extent.logical + $0, physical: extent.physical + $0,
                count: min(longestExtent, extent.count - $0))
        }
    }

    private static func leaf(_ extent: Ext4Extent) -> [UInt8] {
        littleEndian(UInt32(extent.logical)) + littleEndian(UInt16(extent.count))
            + littleEndian(UInt16(truncatingIfNeeded: extent.physical >> 32))
            + littleEndian(UInt32(truncatingIfNeeded: extent.physical))
    }

    private static func index(_ logical: UInt64, _ block: UInt64) -> [UInt8] {
        littleEndian(UInt32(logical)) + littleEndian(UInt32(truncatingIfNeeded: block))
            + littleEndian(UInt16(truncatingIfNeeded: block >> 32)) + [0, 0]
    }

    private static func node(_ entries: [[UInt8]], room: Int, depth: UInt16, size: Int) -> [UInt8] {
        var bytes = littleEndian(UInt16(0xf30a)) + littleEndian(UInt16(entries.count))
        bytes += littleEndian(UInt16(room)) + littleEndian(depth) + littleEndian(UInt32(0))
        bytes += entries.joined()
        return bytes + [UInt8](repeating: 0, count: size - bytes.count)
    }
}

/// An integer's bytes, least significant first.
func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

/// The integer at `offset`, least significant byte first. The caller has checked the length.
func littleEndian<Value: FixedWidthInteger>(_ bytes: [UInt8], at offset: Int, as: Value.Type = Value.self) -> Value {
    bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: offset, as: Value.self)) }
}
