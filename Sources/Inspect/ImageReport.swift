/// What `piforge inspect` tells of an image.
public struct ImageReport: Codable, Sendable {
    public struct Packing: Codable, Sendable {
        /// Bytes of the .xz file.
        public var size: UInt64
        public var blocks: Int
        public var streams: Int
        /// The largest block, in unpacked bytes.
        public var blockSize: UInt64
    }

    public struct PartitionFacts: Codable, Sendable {
        public var number: Int
        /// `0x0c`.
        public var type: String
        public var active: Bool
        /// Bytes from the disk's beginning.
        public var start: UInt64
        /// Bytes.
        public var size: UInt64
        public var partitionUUID: String
        public var fileSystem: String?
        public var label: String?
        public var uuid: String?
        /// Bytes of the file system.
        public var used: UInt64?
        public var free: UInt64?
        public var mountPoint: String?
        /// Why its file system cannot be read.
        public var problem: String?
    }

    public struct Boot: Codable, Sendable {
        public var partition: Int
        /// What config.txt has a Pi 4 start.
        public var kernel: String?
        /// `a raw arm64 Image`.
        public var kernelKind: String?
        public var initramfs: String?
        public var commandLine: String?
        /// `dtoverlay` and `dtparam` lines.
        public var deviceTree: [String]
    }

    public struct System: Codable, Sendable {
        /// PRETTY_NAME of os-release.
        public var name: String?
        public var id: String?
        public var version: String?
        public var codename: String?
        /// /etc/debian_version.
        public var debian: String?
        /// The first line of /etc/rpi-issue.
        public var raspberryPi: String?
        public var hostname: String?
        public var kernels: [String]
        /// Packages that are installed; nil where there is no dpkg.
        public var packages: Int?
        public var users: [User]
        /// Versions of installed packages that run machines and containers.
        public var runtimes: [String: String]
        public var docker: Docker?
    }

    /// Somebody with a shell.
    public struct User: Codable, Sendable, Equatable {
        public var name: String
        public var uid: UInt32
        public var shell: String
        /// `set`, `to be changed`, `locked`, `empty` or `unknown`.
        public var password: String
        /// Keys that open a session over SSH.
        public var keys: Int
    }

    /// /etc/docker/daemon.json.
    public struct Docker: Codable, Sendable, Equatable {
        public var runtimes: [String]
        public var defaultRuntime: String?
        public var storageDriver: String?
    }

    public var file: String
    /// Bytes of the disk.
    public var size: UInt64
    /// `0xc0ffee00`.
    public var signature: String
    /// nil for a raw disk.
    public var packing: Packing?
    public var partitions: [PartitionFacts]
    public var boot: Boot?
    public var system: System?
    /// NAME.manifest.json, where one lies beside the image. It is not read.
    public var manifest: String?
    /// What could not be read, and why.
    public var notRead: [String]
    /// Blocks that were unpacked for this; nil for a raw disk.
    public var blocksRead: Int?
}
