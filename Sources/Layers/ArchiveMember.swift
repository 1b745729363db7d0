/// What a member of a tar archive is. Link targets are the archive's bytes, unchecked.
package enum ArchiveMemberKind: Hashable, Sendable {
    case regular
    case directory
    case symlink([UInt8])
    /// Another name of an earlier member.
    case hardLink([UInt8])
    case characterDevice(major: UInt32, minor: UInt32)
    case blockDevice(major: UInt32, minor: UInt32)
    case fifo
    case socket
}

/// One member's header. The path is the archive's bytes, unchecked: whoever makes an entry of it checks it.
package struct ArchiveMember: Hashable, Sendable {
    /// As the header has it; it may be absolute or climb out with `..`.
    package let path: [UInt8]
    package let kind: ArchiveMemberKind
    /// As the header has them: the mode's lowest 12 bits, and owner and group by number.
    package let attributes: Attributes
    /// Bytes of content, holes included; 0 for all but regular files.
    package let size: UInt64

    /// The path as text, for messages.
    package var name: String { String(decoding: path, as: UTF8.self) }
}

/// How much an archive may hold. What is beyond is refused when it is declared, before it is read.
package struct ArchiveLimits: Sendable {
    /// The most members.
    package var members: Int
    /// The most bytes of content of all members together, holes included.
    package var totalBytes: UInt64
    /// The most bytes of one member.
    package var memberBytes: UInt64

    /// - Parameter memberBytes: nil lets one member have all of `totalBytes`.
    package init(members: Int, totalBytes: UInt64, memberBytes: UInt64? = nil) {
        self.members = members
        self.totalBytes = totalBytes
        self.memberBytes = memberBytes ?? totalBytes
    }
}

/// How a tar archive is compressed.
package enum ArchiveCompression: Sendable {
    case none, gzip, xz, zstd
}
