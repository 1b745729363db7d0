import XZ
import Digests
import Packages

/// What went into an image and what came out: the record beside it, and what `prove` checks it against.
///
/// It holds nothing of the machine that made it: no clock, no path, no host name; and no secret.
package struct Manifest: Codable, Sendable, Equatable {
    /// The only format that this version reads and writes.
    package static let formatVersion = 1

    /// ``formatVersion`` of the piforge that wrote it.
    package var format: Int
    /// The recipe's name, and the device's behind it where it is one of several; output files start with it.
    package var name: String
    /// Seconds since 1970 (UTC): the time of every file that the build made.
    package var epoch: Int64
    /// Whether text and digest fit is checked when the manifest is read.
    package var recipe: RecipeRecord
    /// What the image says it is; nil where that is not known.
    package var distribution: Distribution?
    /// Every package that the build installed, by name.
    package var packages: [Package]
    /// What the kernel was compiled from; nil where it is a package of the archive.
    package var kernel: Kernel?
    /// What the image was made from, where that was a stock image; nil when it was made from packages alone.
    package var base: Base?
    /// Every other file that went in.
    package var inputs: [Input]
    /// That of the disk.
    package var partitionTable: PartitionTable
    /// The file that the manifest lies beside.
    package var image: Image
    /// The recipe's users in their order, then root. Accounts that a stock image brought are not among them.
    package var accounts: [Account]
    /// The secrets that packages' scripts made; nil where there were none.
    package var secrets: [Secret]?
    /// What `prove` looks for.
    package var expectations: Expectations

    package init(
        name: String, epoch: Int64, recipe: RecipeRecord, distribution: Distribution? = nil, packages: [Package],
        kernel: Kernel? = nil,
        base: Base? = nil, inputs: [Input], partitionTable: PartitionTable, image: Image, accounts: [Account],
        secrets: [Secret]? = nil, expectations: Expectations
    ) {
        format = Self.formatVersion
        self.name = name
        self.epoch = epoch
        self.recipe = recipe
        self.distribution = distribution
        self.packages = packages
        self.kernel = kernel
        self.base = base
        self.inputs = inputs
        self.partitionTable = partitionTable
        self.image = image
        self.accounts = accounts
        self.secrets = secrets
        self.expectations = expectations
    }

    /// The recipe as it was built, with `--set` and defaults applied.
    package struct RecipeRecord: Codable, Sendable, Equatable {
        /// Of the canonical text.
        package var sha256: SHA256Digest
        /// The recipe in its canonical form, without secrets.
        package var canonical: String

        /// Computes the text's digest.
        package init(canonical: String) {
            self.canonical = canonical
            sha256 = .of(canonical)
        }
    }

    /// A kernel that was compiled for this image.
    package struct Kernel: Codable, Sendable, Equatable {
        /// Its package, one of ``packages``.
        package var package: String
        /// What it was compiled from: `linux-source-6.12 6.12.48-1`.
        package var source: String
        /// What proves the source: `sha256:…`, `commit:…` or `tree:…`.
        package var identity: String

        package init(package: String, source: String, identity: String) {
            self.package = package
            self.source = source
            self.identity = identity
        }
    }

    /// A stock image.
    package struct Base: Codable, Sendable, Equatable {
        /// The packages that it brought and that are still as they were, in the order of its dpkg database. No .deb is known of
        /// them.
        package var packages: [PackageIdentity]
        /// Whether nothing opens the accounts that it brought.
        package var accountsLocked: Bool

        package init(packages: [PackageIdentity], accountsLocked: Bool) {
            self.packages = packages
            self.accountsLocked = accountsLocked
        }
    }

    /// One binary package.
    package struct Package: IdentifiedPackage, Sendable, Equatable {
        /// Its fields stand among the package's own in JSON.
        package var identity: PackageIdentity
        /// The source package's name.
        package var source: String
        /// The source package's version, which may differ from the binary's.
        package var sourceVersion: String
        /// Bytes of the .deb.
        package var size: UInt64
        /// Of the .deb.
        package var sha256: SHA256Digest
        /// The archive it came from: `debian`, `updates`, `security`, or what the recipe calls one; nil for a package that
        /// came from none: it was made in the build.
        package var archive: String?

        package init(
            _ identity: PackageIdentity, source: String, sourceVersion: String, size: UInt64, sha256: SHA256Digest,
            archive: String? = nil
        ) {
            self.identity = identity
            self.source = source
            self.sourceVersion = sourceVersion
            self.size = size
            self.sha256 = sha256
            self.archive = archive
        }
    }

    /// A file or folder that went in and is no package: an overlay, a lock file, a key.
    package struct Input: Codable, Sendable, Equatable {
        /// As the recipe names it; never a path of the host.
        package var name: String
        /// What it is: `overlay`, `lock`, `archive index`, `authorized keys`.
        package var kind: String
        /// Of the file; of an overlay, of all its files as one.
        package var sha256: SHA256Digest
        /// What vouched for a file that was fetched; nil for what lay beside the recipe.
        package var trust: String?

        package init(name: String, kind: String, sha256: SHA256Digest, trust: String? = nil) {
            self.name = name
            self.kind = kind
            self.sha256 = sha256
            self.trust = trust
        }
    }

    /// The disk's partition table, and what is on its partitions.
    package struct PartitionTable: Codable, Sendable, Equatable {
        /// `mbr` or `gpt`.
        package var scheme: String
        /// The MBR's signature as eight hex digits, or the GPT's GUID.
        package var identifier: String
        /// In the table's order.
        package var partitions: [Partition]

        package init(scheme: String, identifier: String, partitions: [Partition]) {
            self.scheme = scheme
            self.identifier = identifier
            self.partitions = partitions
        }
    }

    /// A partition, and the file system on it.
    package struct Partition: Codable, Sendable, Equatable {
        /// Counted from 1.
        package var number: Int
        /// Bytes from the disk's start.
        package var start: UInt64
        /// Bytes.
        package var size: UInt64
        /// The type as the table has it: `0c`, `83`, or a GUID.
        package var type: String
        /// `vfat`, `ext4`.
        package var filesystem: String
        /// The file system's label.
        package var label: String
        /// The file system's UUID or serial number, as blkid prints it.
        package var uuid: String

        package init(
            number: Int, start: UInt64, size: UInt64, type: String, filesystem: String, label: String, uuid: String
        ) {
            self.number = number
            self.start = start
            self.size = size
            self.type = type
            self.filesystem = filesystem
            self.label = label
            self.uuid = uuid
        }
    }

    /// The .img.xz.
    package struct Image: Codable, Sendable, Equatable {
        /// Its name, in the manifest's own folder.
        package var file: String
        /// Bytes.
        package var size: UInt64
        /// Of the .img.xz.
        package var sha256: SHA256Digest
        /// Bytes of the disk that it unpacks to.
        package var uncompressedSize: UInt64
        /// Of the disk that it unpacks to.
        package var uncompressedSHA256: SHA256Digest
        /// Uncompressed bytes of every block of the .xz file but the last.
        package var blockSize: Int
        /// xz's preset, 0 to 9.
        package var preset: Int
        /// `arm64`: what the bytes went through before they were compressed, and who unpacks them has to know; nil for nothing.
        package var filter: String?
        /// The liblzma that compressed it; another version may give other bytes.
        package var liblzma: String

        /// Takes the version of the liblzma that runs.
        ///
        /// - Parameters:
        ///   - file: the image's name, without a folder.
        ///   - summary: what the writer of the .img.xz tells.
        ///   - settings: what it was written with.
        package init(file: String, summary: XZSummary, settings: XZSettings) {
            self.file = file
            size = summary.size
            sha256 = summary.digest
            uncompressedSize = summary.uncompressedSize
            uncompressedSHA256 = summary.uncompressedDigest
            blockSize = settings.blockSize
            preset = settings.preset
            filter = settings.filter == .none ? nil : settings.filter.rawValue
            liblzma = liblzmaVersion()
        }
    }
}
