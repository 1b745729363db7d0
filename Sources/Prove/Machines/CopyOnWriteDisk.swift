import Diagnostics
import Storage
import SystemPackage

/// A qcow2 file that begins as a copy of a raw image, larger than it, and takes what a machine writes.
///
///     cluster 0   header (version 3), the backing file's format and name
///     cluster 1   refcount table: one entry
///     cluster 2   refcount block: clusters 0 to 3 are in use
///     cluster 3   L1 table: no cluster is here yet, all of them are read from the image
///
/// Source: QEMU, docs/interop/qcow2.rst.
package enum CopyOnWriteDisk {
    private static let clusterBits: UInt32 = 16
    private static let cluster: UInt64 = 1 << clusterBits
    /// An L1 entry stands for an L2 table of one cluster, with 8 bytes a cluster.
    private static let bytesPerL1Entry = cluster * (cluster / 8)

    /// Creates the file.
    ///
    /// - Parameters:
    ///   - image: the raw image, as an absolute path; it is never written.
    ///   - size: of the disk that the machine sees, in bytes; at least the image's.
    /// - Throws: `Failure` when the image's path is too long or the file cannot be written.
    package static func create(_ path: FilePath, over image: FilePath, size: UInt64) throws {
        let name = Array(image.string.utf8)
        guard name.count <= 1023 else {
            throw Failure(
                at: image.string, "the path is too long for a qcow2 file", expected: "at most 1023 bytes",
                found: "\(name.count)")
        }
        let entries = (size + bytesPerL1Entry - 1) / bytesPerL1Entry
        guard entries <= cluster / 8 else {
            throw Failure(at: path.string, "the disk is too large", expected: "at most 4 TiB", found: "\(size) bytes")
        }
        // Header extension 0xe2792aca: the backing file's format, padded to 8 bytes; 0 ends the extensions.
        let format = bigEndian(UInt32(0xe279_2aca)) + bigEndian(UInt32(3)) + Array("raw".utf8) + [0, 0, 0, 0, 0]
        let extensions = format + bigEndian(UInt64(0))
        let length: UInt32 = 104
        var header = Array("QFI".utf8) + [0xfb] + bigEndian(UInt32(3))
        header += bigEndian(UInt64(length) + UInt64(extensions.count)) + bigEndian(UInt32(name.count))
        header += bigEndian(clusterBits) + bigEndian(size) + bigEndian(UInt32(0))  // no encryption
        header += bigEndian(UInt32(entries)) + bigEndian(3 * cluster)  // L1 table
        header += bigEndian(cluster) + bigEndian(UInt32(1))  // refcount table
        header += bigEndian(UInt32(0)) + bigEndian(UInt64(0))  // no snapshots
        header += bigEndian(UInt64(0)) + bigEndian(UInt64(0)) + bigEndian(UInt64(0))  // features
        header += bigEndian(UInt32(4)) + bigEndian(length)  // refcounts of 16 bits
        try writeAtomically(to: path, mode: 0o600) { file in
            try file.truncate(to: 4 * cluster)
            try file.write(at: 0, header + extensions + name)
            try file.write(at: cluster, bigEndian(2 * cluster))
            try file.write(at: 2 * cluster, [0, 1, 0, 1, 0, 1, 0, 1])
        }
    }

    /// The size of the card for an image: a power of two, as an SD card in QEMU must be, at least 4 GiB, and larger
    /// than the image by a quarter, so that growth can be seen.
    package static func cardSize(for image: UInt64) -> UInt64 {
        var size: UInt64 = 4 << 30
        while size < image + image / 4 { size *= 2 }
        return size
    }
}

private func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
}
