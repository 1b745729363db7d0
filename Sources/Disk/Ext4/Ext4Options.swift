import Diagnostics

/// The unit of allocation on every ext4 file system written here, in bytes.
let ext4BlockSize: UInt64 = 4096

/// What an ext4 file system is made with besides its tree. Nothing in it comes from the clock or the machine.
package struct Ext4Options: Sendable, Equatable {
    /// The file system's size in bytes: a multiple of 4,096, at least 16 MiB.
    package var size: UInt64
    /// The volume's name: at most 16 bytes of UTF-8.
    package var label: String
    /// The file system's UUID, as 36 characters. Seeds every metadata checksum.
    package var uuid: String
    /// The seed of the directory hash, as the 36 characters of a UUID.
    package var hashSeed: String
    /// Seconds since 1970 for every time that the tree does not give: superblock, ctime, atime, crtime.
    /// 1 to 4,294,967,295 (the superblock's times have 32 bits; libext2fs takes 0 as "ask the clock").
    package var epoch: Int64
    /// How many inodes there are at least; nil: one for each 16 KiB, and a quarter more than the tree needs.
    package var inodeCount: UInt64?
    /// The share of the blocks kept for root, 0 to 50 percent.
    package var reservedPercent: Int
    /// The journal's size in bytes, in whole MiB, at least 4 MiB; nil: a 32nd of `size`, 4 to 64 MiB.
    package var journalSize: UInt64?
    /// The recipe's key that sets `size`, named by the error when the tree does not fit.
    package var sizeKey: String

    package init(
        size: UInt64, label: String, uuid: String, hashSeed: String, epoch: Int64, inodeCount: UInt64? = nil,
        reservedPercent: Int = 1, journalSize: UInt64? = nil, sizeKey: String = "disk.root_size"
    ) {
        self.size = size
        self.label = label
        self.uuid = uuid
        self.hashSeed = hashSeed
        self.epoch = epoch
        self.inodeCount = inodeCount
        self.reservedPercent = reservedPercent
        self.journalSize = journalSize
        self.sizeKey = sizeKey
    }

    /// - Throws: `Failure` for the first value out of its range.
    func validate(place: String) throws {
        func refuse(_ message: String, _ expected: String, _ found: String) -> Failure {
            Failure(at: place, message, expected: expected, found: found)
        }
        guard size % ext4BlockSize == 0, size >= Ext4.smallestSize, size <= Ext4.largestSize else {
            throw refuse(
                "the size is not one ext4 is written with",
                "a multiple of \(ext4BlockSize) from \(Ext4.smallestSize) to \(Ext4.largestSize) bytes", "\(size) bytes"
            )
        }
        guard label.utf8.count <= 16, !label.utf8.contains(0) else {
            throw refuse("the label is too long", "at most 16 bytes", "'\(label)'")
        }
        for text in [uuid, hashSeed] where !Self.isUUID(text) {
            throw refuse("not a UUID", "8-4-4-4-12 hex digits", "'\(text)'")
        }
        guard (1...Int64(UInt32.max)).contains(epoch) else {
            throw refuse("the epoch is out of range", "1 to \(UInt32.max)", "\(epoch)")
        }
        guard (0...50).contains(reservedPercent) else {
            throw refuse("the reserved share is out of range", "0 to 50 percent", "\(reservedPercent)")
        }
        if let journalSize {
            guard journalSize % (1 << 20) == 0, journalSize >= 4 << 20, journalSize <= size / 2 else {
                throw refuse(
                    "the journal's size is out of range", "whole MiB, from 4 MiB to half the size",
                    "\(journalSize) bytes")
            }
        }
    }

    private static func isUUID(_ text: String) -> Bool {
        let groups = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
        return groups.map(\.count) == [8, 4, 4, 4, 12]
            && groups.joined().allSatisfy { Character(UnicodeScalar($0)).isHexDigit }
    }
}
