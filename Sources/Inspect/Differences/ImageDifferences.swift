/// What is not the same of two images. A section that is empty found nothing; one that was not asked for is empty, too.
package struct ImageDifferences: Codable, Sendable, Equatable {
    /// A part of the comparison, named as `diff --only` takes it; in the order in which they are told.
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
        /// Such as `label` or a kernel's option; empty where the value is a line or a word of a list.
        package var field: String
        /// nil: it is not there.
        package var old: String?
        /// As ``old``, of the second image.
        package var new: String?
    }

    /// A package whose version differs, or that only one image has installed.
    package struct Package: Codable, Sendable, Equatable {
        /// `NAME:ARCHITECTURE` where an image has the package for several architectures.
        package var name: String
        /// Versions; nil: it is not installed.
        package var old: String?
        /// As ``old``, of the second image. A state other than `installed` stands behind the version.
        package var new: String?
    }

    /// A name that only one image has, or whose file differs.
    package struct FileChange: Codable, Sendable, Equatable {
        /// From the first image to the second.
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

    /// The first image's path, as it was given.
    package var a: String
    /// The second image's path, as it was given.
    package var b: String
    /// The sections that were looked at.
    package var sections: [Section]
    /// The disk's size is in bytes; partitions are in sectors of 512 bytes.
    package var disk: [Field] = []
    /// Of partitions that both images have.
    package var filesystems: [Field] = []
    /// config.txt's settings by key, then its device tree's lines and the words of the command line.
    package var boot: [Field] = []
    /// By name.
    package var packages: [Package] = []
    /// ``Field/object`` is the name of the configuration in /boot, or both names.
    package var kernel: [Field] = []
    /// By path.
    package var files: [FileChange] = []
    /// What lies outside of partitions first; then each partition's things in the disk's order, no more than some 20,000.
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
