/// What `piforge inspect` tells of an image.
package struct ImageReport: Codable, Sendable {
    package struct Packing: Codable, Sendable {
        /// Bytes of the .xz file.
        package var size: UInt64
        package var blocks: Int
        package var streams: Int
        /// The largest block, in unpacked bytes.
        package var blockSize: UInt64
    }

    package struct PartitionFacts: Codable, Sendable {
        package var number: Int
        /// `0x0c`.
        package var type: String
        package var active: Bool
        /// Bytes from the disk's beginning.
        package var start: UInt64
        /// Bytes.
        package var size: UInt64
        package var partitionUUID: String
        package var fileSystem: String?
        package var label: String?
        package var uuid: String?
        /// Bytes of the file system.
        package var used: UInt64?
        package var free: UInt64?
        package var mountPoint: String?
        /// Why its file system cannot be read.
        package var problem: String?
    }

    package struct Boot: Codable, Sendable {
        package var partition: Int
        /// What config.txt has a Pi 4 start.
        package var kernel: String?
        /// `a raw arm64 Image`.
        package var kernelKind: String?
        package var initramfs: String?
        package var commandLine: String?
        /// `dtoverlay` and `dtparam` lines.
        package var deviceTree: [String]
    }

    package struct System: Codable, Sendable {
        /// PRETTY_NAME of os-release.
        package var name: String?
        package var id: String?
        package var version: String?
        package var codename: String?
        /// /etc/debian_version.
        package var debian: String?
        /// The first line of /etc/rpi-issue.
        package var raspberryPi: String?
        package var hostname: String?
        package var kernels: [String]
        /// Packages that are installed; nil where there is no dpkg.
        package var packages: Int?
        package var users: [User]
        /// Versions of installed packages that run machines and containers.
        package var runtimes: [String: String]
        package var docker: Docker?
    }

    /// Somebody with a shell.
    package struct User: Codable, Sendable, Equatable {
        package var name: String
        package var uid: UInt32
        package var shell: String
        /// `set`, `to be changed`, `locked`, `empty` or `unknown`.
        package var password: String
        /// Keys that open a session over SSH.
        package var keys: Int
    }

    /// /etc/docker/daemon.json.
    package struct Docker: Codable, Sendable, Equatable {
        package var runtimes: [String]
        package var defaultRuntime: String?
        package var storageDriver: String?
    }

    package var file: String
    /// Bytes of the disk.
    package var size: UInt64
    /// `0xc0ffee00`.
    package var signature: String
    /// nil for a raw disk.
    package var packing: Packing?
    package var partitions: [PartitionFacts]
    package var boot: Boot?
    package var system: System?
    /// NAME.manifest.json, where one lies beside the image. It is not read.
    package var manifest: String?
    /// What could not be read, and why.
    package var notRead: [String]
    /// Blocks that were unpacked for this; nil for a raw disk.
    package var blocksRead: Int?
}
