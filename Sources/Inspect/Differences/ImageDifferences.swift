/// What is not the same of two images. A section that is empty found nothing; one that was not asked for is empty, too.
public struct ImageDifferences: Codable, Sendable, Equatable {
    public enum Section: String, Codable, Sendable, CaseIterable {
        /// The disk and its partition table.
        case disk
        /// What the file systems are: kind, label, UUID, features, sizes.
        case filesystems
        /// config.txt's settings and the kernel's command line.
        case boot
        case packages
        /// Options of the kernels' configurations.
        case kernel
        case files
        /// Everything else: what lies where the bytes differ.
        case bytes
    }

    /// One value of one thing.
    public struct Field: Codable, Sendable, Equatable {
        /// `partition 2`, `config.txt`; empty for the disk itself.
        public var object: String
        public var field: String
        /// nil: it is not there.
        public var old: String?
        public var new: String?
    }

    public struct Package: Codable, Sendable, Equatable {
        public var name: String
        /// Versions; nil: it is not installed.
        public var old: String?
        public var new: String?
    }

    public struct FileChange: Codable, Sendable, Equatable {
        public enum Change: String, Codable, Sendable { case added, removed, changed }

        /// In the image's tree; of a partition that is not mounted in it `3:/path`.
        public var path: String
        public var change: Change
        /// `type`, `mode`, `owner`, `size`, `mtime`, `links`, `target`, `device`, `attribute NAME`, `content` (a SHA-256); of a
        /// file that was added or removed its type alone.
        public var fields: [Field]
        /// Lines of a unified diff; nil where it is no text, or not asked for.
        public var text: [String]?
    }

    /// A thing on the disk of which bytes differ.
    public struct ByteChange: Codable, Sendable, Equatable {
        /// nil: it lies outside of all partitions.
        public var partition: Int?
        /// `inode 12 (/etc/fstab)`, `free space`.
        public var object: String
        /// What of it, where it has fields: `i_ctime`.
        public var fields: [Field]
        /// Where the first of them is, in bytes from the beginning of the partition, or of the disk where there is none.
        public var offset: UInt64
        /// How many sectors of 512 bytes differ there.
        public var sectors: Int
    }

    public var a: String
    public var b: String
    /// The sections that were looked at.
    public var sections: [Section]
    public var disk: [Field] = []
    public var filesystems: [Field] = []
    public var boot: [Field] = []
    public var packages: [Package] = []
    public var kernel: [Field] = []
    public var files: [FileChange] = []
    public var bytes: [ByteChange] = []
    /// Things that could not be compared, and why.
    public var notCompared: [String] = []

    public init(a: String, b: String, sections: [Section]) {
        self.a = a
        self.b = b
        self.sections = sections
    }

    /// Whether nothing that was looked at differs.
    public var isEmpty: Bool { Section.allCases.allSatisfy { count(of: $0) == 0 } }

    func count(of section: Section) -> Int {
        switch section {
        case .disk: disk.count
        case .filesystems: filesystems.count
        case .boot: boot.count
        case .packages: packages.count
        case .kernel: kernel.count
        case .files: files.count
        case .bytes: bytes.count
        }
    }
}

/// Adds a field where two values are not the same.
func compare(
    _ object: String, _ field: String, _ old: String?, _ new: String?, into list: inout [ImageDifferences.Field]
) {
    if old != new { list.append(ImageDifferences.Field(object: object, field: field, old: old, new: new)) }
}
