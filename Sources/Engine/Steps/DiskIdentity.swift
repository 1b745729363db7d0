import Digests
import Disk

/// What names an image's disk and its file systems: from the recipe's seed, never from a clock or a random source.
struct DiskIdentity: Sendable {
    let seed: String

    /// A digest that names one thing of the image.
    func digest(of purpose: String) -> SHA256Digest {
        let hasher = KeyHasher(purpose: "identity of the \(purpose)")
        hasher.add(seed)
        return hasher.finalize()
    }

    private func number(of purpose: String) -> UInt32 {
        digest(of: purpose).bytes.prefix(4).reduce(0) { $0 << 8 | UInt32($1) }
    }

    /// The disk's signature in its partition table.
    var signature: UInt32 { number(of: "disk") }
    /// The boot file system's volume ID.
    var bootVolumeID: UInt32 { number(of: "boot file system") }

    /// The root's partition as the kernel itself knows it: the disk's signature, and the second of the table (Linux,
    /// block/early-lookup.c).
    var rootPartition: String { "PARTUUID=\(PartitionTable.partitionUUID(2, signature: signature))" }
}
