import Digests
import SystemPackage

/// Seconds and nanoseconds since 1970-01-01 UTC.
package struct Timestamp: Hashable, Sendable, Comparable {
    /// Negative before 1970.
    package var seconds: Int64
    /// 0 to 999,999,999.
    package var nanoseconds: UInt32

    package init(seconds: Int64, nanoseconds: UInt32 = 0) {
        self.seconds = seconds
        self.nanoseconds = nanoseconds
    }

    package static func < (a: Timestamp, b: Timestamp) -> Bool {
        (a.seconds, a.nanoseconds) < (b.seconds, b.nanoseconds)
    }
}

/// An extended attribute, under its full name (`security.capability`, `user.note`).
package struct ExtendedAttribute: Hashable, Sendable {
    package var name: String
    package var value: [UInt8]

    package init(name: String, value: [UInt8]) {
        self.name = name
        self.value = value
    }
}

/// What a tree knows of an inode besides its type and content.
package struct Attributes: Hashable, Sendable {
    /// Permission bits with set-uid, set-gid and sticky: 0 to 0o7777.
    package var mode: UInt16
    package var uid: UInt32
    package var gid: UInt32
    package var mtime: Timestamp
    /// Ordered by name.
    package var xattrs: [ExtendedAttribute]

    /// - Parameter xattrs: in any order; they are sorted by name.
    package init(mode: UInt16, uid: UInt32 = 0, gid: UInt32 = 0, mtime: Timestamp, xattrs: [ExtendedAttribute] = []) {
        self.mode = mode
        self.uid = uid
        self.gid = gid
        self.mtime = mtime
        self.xattrs = xattrs.sorted { $0.name < $1.name }
    }
}

/// Where a regular file's bytes are.
package enum ContentSource: Hashable, Sendable {
    /// In a file of the host, from `offset` (bytes) on.
    case file(FilePath, offset: UInt64)
    /// At hand: a small file that a step made.
    case bytes([UInt8])
}

/// The content of a regular file: its size in bytes, the SHA-256 of it, and where to read it.
/// Two contents are equal when their bytes are, wherever they are read from.
package struct Content: Sendable {
    /// Bytes.
    package let size: UInt64
    /// SHA-256 of all the bytes. Whoever reads the content whole compares it (``ContentReader``).
    package let digest: SHA256Digest
    /// Where to read it; it does not count where contents are compared.
    package let source: ContentSource
    /// Its runs of zeros, found when it was hashed; nil where nobody has looked.
    package let zeros: ZeroRuns?

    /// For content that was hashed before: the size and the digest are the caller's word, and are not compared here.
    package init(size: UInt64, digest: SHA256Digest, source: ContentSource, zeros: ZeroRuns? = nil) {
        self.size = size
        self.digest = digest
        self.source = source
        self.zeros = zeros
    }

    /// Content at hand.
    package init(_ bytes: [UInt8]) {
        var summer = ContentSummer()
        bytes.withUnsafeBytes { summer.add($0) }
        self = summer.content(.bytes(bytes))
    }

    /// Content at hand: a text's UTF-8 bytes.
    package init(_ text: String) { self.init(Array(text.utf8)) }
}

extension Content: Hashable {
    package static func == (a: Content, b: Content) -> Bool { a.size == b.size && a.digest == b.digest }
    package func hash(into hasher: inout Hasher) { hasher.combine(digest) }
}

/// What an entry is.
package enum EntryKind: Hashable, Sendable {
    case regular(Content)
    case directory
    /// The target's bytes, as readlink(2) returns them.
    case symlink([UInt8])
    /// Another name of a file that stands earlier in the same layer or in a layer below.
    case hardLink(EntryPath)
    case characterDevice(major: UInt32, minor: UInt32)
    case blockDevice(major: UInt32, minor: UInt32)
    case fifo
    case socket
}

/// One name in a layer. A hard link's attributes are those of the file it names and are not looked at.
package struct Entry: Hashable, Sendable {
    /// Where the entry is put. Links on the way to it are followed when the layer is applied (``Tree/apply(_:)``).
    package var path: EntryPath
    package var attributes: Attributes
    package var kind: EntryKind

    package init(_ path: EntryPath, _ attributes: Attributes, _ kind: EntryKind) {
        self.path = path
        self.attributes = attributes
        self.kind = kind
    }
}
