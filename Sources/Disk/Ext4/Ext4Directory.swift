/// Directory blocks (Linux, Documentation/filesystems/ext4/directory.rst, "Linear (Classic) Directories").
///
///     entry   inode u32 · length of the entry u16 · length of the name u8 · type u8 · name, padded to 4 bytes
///     tail    an entry of 12 bytes with inode 0 and type de, which holds the block's checksum
enum Ext4Directory {
    static let tailLength = 12

    /// One name of a directory.
    struct Name: Equatable {
        var inode: UInt32
        /// As ``InodeType/directoryEntryType``.
        var type: UInt8
        var name: [UInt8]
    }

    /// How many blocks a directory of these names needs, `.` and `..` not among them.
    static func blockCount(nameLengths: some Sequence<Int>) -> UInt64 {
        var blocks: UInt64 = 1
        var used = 24
        for length in nameLengths {
            let entry = entryLength(length)
            if used + entry > Int(ext4BlockSize) - tailLength {
                blocks += 1
                used = 0
            }
            used += entry
        }
        return blocks
    }

    /// Lays the names out in blocks of 4,096 bytes, in the order given. The checksums are left to be set.
    static func encode(_ names: [Name], inode: UInt32, parent: UInt32) -> [[UInt8]] {
        let directory = InodeType.directory.directoryEntryType
        let dot = UInt8(ascii: ".")
        let own = [
            Name(inode: inode, type: directory, name: [dot]), Name(inode: parent, type: directory, name: [dot, dot]),
        ]
        let room = Int(ext4BlockSize) - tailLength
        var blocks: [[UInt8]] = []
        var block: [UInt8] = []
        var last = 0
        func close() {
            // The block's last entry reaches up to the tail.
            block.replaceSubrange(last + 4..<last + 6, with: littleEndian(UInt16(room - last)))
            block += [UInt8](repeating: 0, count: room - block.count)
            block += littleEndian(UInt32(0)) + littleEndian(UInt16(tailLength)) + [0, 0xde] + littleEndian(UInt32(0))
            blocks.append(block)
            block = []
        }
        for entry in own + names {
            let length = entryLength(entry.name.count)
            if block.count + length > room { close() }
            last = block.count
            block += littleEndian(entry.inode) + littleEndian(UInt16(length)) + [UInt8(entry.name.count), entry.type]
            block += entry.name + [UInt8](repeating: 0, count: length - 8 - entry.name.count)
        }
        close()
        return blocks
    }

    /// The names in one block of a directory; `.` and `..` are left out.
    ///
    /// - Returns: nil when the block is no directory block: an entry that leaves it, or an impossible name.
    static func decode(_ block: [UInt8]) -> [Name]? {
        var names: [Name] = []
        var position = 0
        while position < block.count {
            guard block.count - position >= 8 else { return nil }
            let inode: UInt32 = littleEndian(block, at: position)
            var length = Int(littleEndian(block, at: position + 4, as: UInt16.self))
            // A length that needs 17 bits, on blocks of 64 KiB.
            if block.count == 65536, length == 65535 || length == 0 { length = 65536 }
            let nameLength = Int(block[position + 6])
            guard length >= 8, length % 4 == 0, length <= block.count - position else { return nil }
            if inode != 0 {
                guard nameLength > 0, nameLength + 8 <= length else { return nil }
                let name = Array(block[position + 8..<position + 8 + nameLength])
                guard !name.contains(0), !name.contains(UInt8(ascii: "/")) else { return nil }
                if name != Array(".".utf8), name != Array("..".utf8) {
                    names.append(Name(inode: inode, type: block[position + 7], name: name))
                }
            }
            position += length
        }
        return names
    }

    private static func entryLength(_ nameLength: Int) -> Int { (8 + nameLength + 3) & ~3 }
}
