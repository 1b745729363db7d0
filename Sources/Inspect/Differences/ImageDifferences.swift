/// What is not the same of two images. A section that is empty found nothing; one that was not asked for is empty, too.
package struct ImageDifferences: Codable, Sendable, Equatable {
    package enum Section: String, Codable, Sendable, CaseIterable {
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
    package struct Field: Codable, Sendable, Equatable {
        /// `partition 2`, `config.txt`; empty for the disk itself.
        package var object: String
        package var field: String
        /// nil: it is not there.
        package var old: String?
        package var new: String?
    }

    package struct Package: Codable, Sendable, Equatable {
        package var name: String
        /// Versions; nil: it is not installed.
        package var old: String?
        package var new: String?
    }

    package struct FileChange: Codable, Sendable, Equatable {
        package enum Change: String, Codable, Sendable { case added, removed, changed }

        /// In the image's tree; of a partition that is not mounted in it `3:/path`.
        package var path: String
        package var change: Change
        /// `type`, `mode`, `owner`, `size`, `mtime`, `links`, `target`, `device`, `attribute NAME`, `content` (a SHA-256); of a
        /// file that was added or removed its type alone.
        package var fields: [Field]
        /// Lines of a unified diff; nil where it is no text, or not asked for.
        package var text: [String]?
    }

    /// A thing on the disk of which bytes differ.
    package struct ByteChange: Codable, Sendable, Equatable {
        /// nil: it lies outside of all partitions.
        package var partition: Int?
        /// `inode 12 (/etc/fstab)`, `free space`.
        package var object: String
        /// What of it, where it has fields: `i_ctime`.
        package var fields: [Field]
        /// Where the first of them is, in bytes from the beginning of the partition, or of the disk where there is none.
        package var offset: UInt64
        /// How many sectors of 512 bytes differ there.
        package var sectors: Int
    }

    package var a: String
    package var b: String
    /// The sections that were looked at.
    package var sections: [Section]
    package var disk: [Field] = []
    package var filesystems: [Field] = []
    package var boot: [Field] = []
    package var packages: [Package] = []
    package var kernel: [Field] = []
    package var files: [FileChange] = []
    package var bytes: [ByteChange] = []
    /// Things that could not be compared, and why.
    package var notCompared: [String] = []

    package init(a: String, b: String, sections: [Section]) {
        self.a = a
        self.b = b
        self.sections = sections
    }

    /// Whether nothing that was looked at differs.
    package var isEmpty: Bool { Section.allCases.allSatisfy { count(of: $0) == 0 } }

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
