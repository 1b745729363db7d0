/// What a member of a tar archive is. Link targets are the archive's bytes, unchecked.
public enum ArchiveMemberKind: Hashable, Sendable {
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
public struct ArchiveMember: Hashable, Sendable {
    public let path: [UInt8]
    public let kind: ArchiveMemberKind
    public let attributes: Attributes
    /// Bytes of content, holes included; 0 for all but regular files.
    public let size: UInt64

    /// The path as text, for messages.
    public var name: String { String(decoding: path, as: UTF8.self) }
}

/// How much an archive may hold. What is beyond is refused when it is declared, before it is read.
public struct ArchiveLimits: Sendable {
    /// The most members.
    public var members: Int
    /// The most bytes of content of all members together, holes included.
    public var totalBytes: UInt64
    /// The most bytes of one member.
    public var memberBytes: UInt64

    public init(members: Int, totalBytes: UInt64, memberBytes: UInt64? = nil) {
        self.members = members
        self.totalBytes = totalBytes
        self.memberBytes = memberBytes ?? totalBytes
    }
}

/// How a tar archive is compressed.
public enum ArchiveCompression: Sendable {
    case none, gzip, xz, zstd
}
