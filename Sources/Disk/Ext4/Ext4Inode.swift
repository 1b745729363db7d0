import CExt2FS
import Layers

/// The type bits of an inode's mode (Linux, uapi/linux/stat.h).
enum InodeType: UInt16 {
    case fifo = 0o010000
    case characterDevice = 0o020000
    case directory = 0o040000
    case blockDevice = 0o060000
    case regular = 0o100000
    case symlink = 0o120000
    case socket = 0o140000

    /// The type byte of a directory entry (Linux, Documentation/filesystems/ext4/directory.rst).
    var directoryEntryType: UInt8 {
        switch self {
        case .regular: 1
        case .directory: 2
        case .characterDevice: 3
        case .blockDevice: 4
        case .fifo: 5
        case .socket: 6
        case .symlink: 7
        }
    }
}

/// One inode's fields, in the host's byte order (Linux, Documentation/filesystems/ext4/inodes.rst).
struct Ext4Inode {
    /// `i_flags` (same document): the block area is an extent tree, or holds the content; or the
    /// inode is more than can be read here.
    static let extentsFlag: UInt32 = 0x80000
    static let encryptedFlag: UInt32 = 0x800
    static let verityFlag: UInt32 = 0x10_0000
    static let inlineDataFlag: UInt32 = 0x1000_0000
    static let casefoldFlag: UInt32 = 0x4000_0000

    /// Type and permission bits.
    var mode: UInt16 = 0
    var uid: UInt32 = 0
    var gid: UInt32 = 0
    var size: UInt64 = 0
    var linkCount: UInt16 = 0
    var flags: UInt32 = 0
    /// Units of 512 bytes, of content and of what maps it.
    var sectors: UInt64 = 0
    /// `i_block`: 60 bytes, an extent tree's root, a short symbolic link, or a device's number.
    var area = [UInt8](repeating: 0, count: 60)
    var mtime = Timestamp(seconds: 0)
    var ctime = Timestamp(seconds: 0)
    /// The block of extended attributes that did not fit into the inode; 0 for none.
    var attributeBlock: UInt64 = 0

    var type: InodeType? { InodeType(rawValue: mode & 0o170000) }
    var permissions: UInt16 { mode & 0o7777 }

    /// The seconds an ext4 inode of 256 bytes can hold: 34 bits, from -2^31 on.
    static let seconds: ClosedRange<Int64> = -(1 << 31)...(1 << 34) - (1 << 31) - 1

    /// - Parameter epoch: seconds, for access and creation time.
    func raw(epoch: Int64) -> ext2_inode_large {
        var raw = ext2_inode_large()
        raw.i_mode = mode
        raw.i_uid = UInt16(truncatingIfNeeded: uid)
        raw.i_gid = UInt16(truncatingIfNeeded: gid)
        raw.osd2.linux2.l_i_uid_high = UInt16(uid >> 16)
        raw.osd2.linux2.l_i_gid_high = UInt16(gid >> 16)
        raw.i_size = UInt32(truncatingIfNeeded: size)
        raw.i_size_high = UInt32(size >> 32)
        raw.i_links_count = linkCount
        raw.i_flags = flags
        raw.i_blocks = UInt32(truncatingIfNeeded: sectors)
        raw.osd2.linux2.l_i_blocks_hi = UInt16(truncatingIfNeeded: sectors >> 32)
        withUnsafeMutableBytes(of: &raw.i_block) { $0.copyBytes(from: area) }
        raw.i_extra_isize = 32
        (raw.i_mtime, raw.i_mtime_extra) = Self.encode(mtime)
        (raw.i_ctime, raw.i_ctime_extra) = Self.encode(ctime)
        (raw.i_atime, raw.i_atime_extra) = Self.encode(Timestamp(seconds: epoch))
        (raw.i_crtime, raw.i_crtime_extra) = Self.encode(Timestamp(seconds: epoch))
        return raw
    }

    init() {}

    init(_ raw: ext2_inode_large) {
        mode = raw.i_mode
        uid = UInt32(raw.i_uid) | UInt32(raw.osd2.linux2.l_i_uid_high) << 16
        gid = UInt32(raw.i_gid) | UInt32(raw.osd2.linux2.l_i_gid_high) << 16
        size = UInt64(raw.i_size) | UInt64(raw.i_size_high) << 32
        linkCount = raw.i_links_count
        flags = raw.i_flags
        sectors = UInt64(raw.i_blocks) | UInt64(raw.osd2.linux2.l_i_blocks_hi) << 32
        area = withUnsafeBytes(of: raw.i_block) { Array($0) }
        // Nanoseconds and the upper bits of the seconds are there only where i_extra_isize covers them.
        mtime = Self.decode(raw.i_mtime, raw.i_extra_isize >= 12 ? raw.i_mtime_extra : 0)
        ctime = Self.decode(raw.i_ctime, raw.i_extra_isize >= 8 ? raw.i_ctime_extra : 0)
        attributeBlock = UInt64(raw.i_file_acl) | UInt64(raw.osd2.linux2.l_i_file_acl_high) << 32
    }

    /// Sets the device number: 8 bits each in the first word, or 12 and 20 bits in the second (Linux, kdev_t.h).
    mutating func setDevice(major: UInt32, minor: UInt32) {
        let old = major < 256 && minor < 256
        let value = old ? major << 8 | minor : minor & 0xff | major << 8 | (minor & ~0xff) << 12
        withUnsafeBytes(of: value.littleEndian) { area.replaceSubrange(old ? 0..<4 : 4..<8, with: $0) }
    }

    var device: (major: UInt32, minor: UInt32) {
        let (old, new) = area.withUnsafeBytes {
            (
                $0.loadUnaligned(as: UInt32.self).littleEndian,
                $0.loadUnaligned(fromByteOffset: 4, as: UInt32.self).littleEndian
            )
        }
        if old != 0 { return (old >> 8 & 0xff, old & 0xff) }
        return (new >> 8 & 0xfff, new & 0xff | new >> 12 & 0xfff00)
    }

    private static func encode(_ time: Timestamp) -> (UInt32, UInt32) {
        let low = Int32(truncatingIfNeeded: time.seconds)
        let high = UInt32(truncatingIfNeeded: (time.seconds - Int64(low)) >> 32) & 3
        return (UInt32(bitPattern: low), time.nanoseconds << 2 | high)
    }

    private static func decode(_ low: UInt32, _ extra: UInt32) -> Timestamp {
        Timestamp(
            seconds: Int64(Int32(bitPattern: low)) + Int64(extra & 3) << 32, nanoseconds: min(extra >> 2, 999_999_999))
    }
}
