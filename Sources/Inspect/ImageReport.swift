/// What `piforge inspect` tells of an image.
package struct ImageReport: Codable, Sendable {
    /// How an .xz file holds the disk.
    package struct Packing: Codable, Sendable {
        /// Bytes of the .xz file.
        package var size: UInt64
        /// In all streams together.
        package var blocks: Int
        /// How many streams stand one after the other in the file.
        package var streams: Int
        /// The largest block, in unpacked bytes.
        package var blockSize: UInt64
    }

    /// A partition, and the file system on it.
    package struct PartitionFacts: Codable, Sendable {
        /// From 1: the entry of the table that it stands in.
        package var number: Int
        /// `0x0c`.
        package var type: String
        /// Whether the entry's active flag is set.
        package var active: Bool
        /// Bytes from the disk's beginning.
        package var start: UInt64
        /// Bytes.
        package var size: UInt64
        /// The PARTUUID, as Linux gives it: `c0ffee00-02`.
        package var partitionUUID: String
        /// `vfat`, `ext4`, `ext3` or `ext2`; nil where it cannot be read.
        package var fileSystem: String?
        /// As Linux sees it; nil for none.
        package var label: String?
        /// As Linux gives it: `C0FF-EE01` of a FAT, 36 characters of an ext4.
        package var uuid: String?
        /// Bytes of the file system.
        package var used: UInt64?
        /// Bytes that nothing has; nil where the file system cannot be read.
        package var free: UInt64?
        /// From the root of the image's tree, with a leading slash; nil where it is not mounted.
        package var mountPoint: String?
        /// Why its file system cannot be read.
        package var problem: String?
    }

    /// What a Pi 4 starts from a boot partition. Paths are relative to that partition's root.
    package struct Boot: Codable, Sendable {
        /// The number of the first FAT that the fstab mounts, or else of the first FAT.
        package var partition: Int
        /// What config.txt has a Pi 4 start.
        package var kernel: String?
        /// `a raw arm64 Image`.
        package var kernelKind: String?
        /// What config.txt has a Pi 4 load with the kernel; nil for nothing.
        package var initramfs: String?
        /// Of the file that config.txt names, its lines joined by spaces; nil where there is none.
        package var commandLine: String?
        /// `dtoverlay` and `dtparam` lines.
        package var deviceTree: [String]
    }

    /// What the root file system tells of its system; a value is nil where its file is missing or does not have it.
    package struct System: Codable, Sendable {
        /// PRETTY_NAME of os-release.
        package var name: String?
        /// ID of os-release.
        package var id: String?
        /// VERSION_ID of os-release.
        package var version: String?
        /// VERSION_CODENAME of os-release.
        package var codename: String?
        /// /etc/debian_version.
        package var debian: String?
        /// The first line of /etc/rpi-issue.
        package var raspberryPi: String?
        /// The first line of /etc/hostname.
        package var hostname: String?
        /// Releases, in the order of their numbers: the folders of /lib/modules, and what /boot has as `vmlinuz-RELEASE`.
        package var kernels: [String]
        /// Packages that are installed; nil where there is no dpkg.
        package var packages: Int?
        /// In the order of /etc/passwd.
        package var users: [User]
        /// Versions of installed packages that run machines and containers.
        package var runtimes: [String: String]
        /// nil where there is no daemon.json, or it is not a JSON object.
        package var docker: Docker?
    }

    /// Somebody with a shell.
    package struct User: Codable, Sendable, Equatable {
        /// The login name.
        package var name: String
        package var uid: UInt32
        /// `/bin/sh` where /etc/passwd names none.
        package var shell: String
        /// `set`, `to be changed`, `locked`, `empty` or `unknown`.
        package var password: String
        /// Keys that open a session over SSH.
        package var keys: Int
    }

    /// /etc/docker/daemon.json.
    package struct Docker: Codable, Sendable, Equatable {
        /// The names that the file gives to runtimes, and the default's; sorted.
        package var runtimes: [String]
        /// nil where the file names none.
        package var defaultRuntime: String?
        /// nil where the file names none.
        package var storageDriver: String?
    }

    /// The image's path, as it was given.
    package var file: String
    /// Bytes of the disk.
    package var size: UInt64
    /// `0xc0ffee00`.
    package var signature: String
    /// nil for a raw disk.
    package var packing: Packing?
    /// In the table's order.
    package var partitions: [PartitionFacts]
    /// nil where no FAT can be read, or its config.txt is malformed.
    package var boot: Boot?
    /// nil where no ext2, ext3 or ext4 can be read.
    package var system: System?
    /// NAME.manifest.json, where one lies beside the image. It is not read.
    package var manifest: String?
    /// What could not be read, and why.
    package var notRead: [String]
    /// Blocks that were unpacked for this; nil for a raw disk.
    package var blocksRead: Int?
}
