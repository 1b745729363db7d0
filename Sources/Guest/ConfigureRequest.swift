import Digests
import Layers
import Packages
import SystemPackage

/// What the micro-VM is to do: a tree of unpacked packages, and which of their scripts to run.
package struct ConfigureRequest: Sendable {
    /// What stands unpacked, with dpkg's database.
    package var tree: Tree
    /// The packages whose files are in the tree, `install ok unpacked` in its dpkg database, in the order their preinst scripts
    /// are to run.
    package var packages: [PackageIdentity]
    /// The packages that dpkg unpacks in the micro-VM, in order, after the preinst scripts, because copying their files would not do:
    /// ``PreinstScript/divertsWithRename(_:)`` holds for them, or an older version is in the tree. Neither their files nor their
    /// records are there.
    package var archives: [PackageFile] = []
    /// The names of installed packages that go, before anything else is done.
    package var removed: [String] = []
    /// What packages are to compute from the tree once all are configured: dpkg's triggers, and programs.
    package var work = FileTriggers.Work()
    /// Secrets that are missing from the tree, with the packages that may make them: which of these does is tried out.
    var trials: [SecretTrial] = []
    /// The version of the dpkg that is installed already; nil when it is one of `packages`.
    package var dpkgVersion: String?
    /// What the micro-VM boots; its image is part of ``key``.
    package var kernel: GuestKernel
    /// A static arm64 busybox (package busybox-static).
    package var busybox: Content
    /// The recipe's epoch, seconds since 1970: what the layer's new files bear.
    package var epoch: Int64
    /// Bytes that scripts may write.
    package var freeSpace: UInt64 = 1 << 30
    /// No part of ``key``.
    package var limits = Limits()
    /// The host's programs that shape the layer, with their versions.
    package var programs: [String] = []

    /// How long the micro-VM may take.
    package struct Limits: Sendable, Hashable {
        /// From start to end.
        package var total: Duration = .seconds(3600)
        /// Between two lines of output.
        package var silence: Duration = .seconds(600)

        package init() {}
    }

    package init(tree: Tree, packages: [PackageIdentity], kernel: GuestKernel, busybox: Content, epoch: Int64) {
        self.tree = tree
        self.packages = packages
        self.kernel = kernel
        self.busybox = busybox
        self.epoch = epoch
    }

    /// The rules' version: it changes when the same scripts would give another layer.
    static let version = 3

    /// A digest of all that decides the layer besides the request: the init script, stand-ins and rules.
    package static var rulesDigest: SHA256Digest {
        let hasher = KeyHasher(purpose: "configure rules")
        hasher.add(version)
        hasher.add(JobInitramfs.initScript)
        for standIn in StandIn.always + [.updateCACertificates] { hasher.add(standIn.command + "\n" + standIn.script) }
        for rule in NormalisationRule.all { hasher.add(rule.name) }
        return hasher.finalize()
    }

    /// All packages that the scripts are of.
    var allPackages: [PackageIdentity] { packages + archives.map(\.identity) }

    /// The key of the layer that this request makes.
    package var key: SHA256Digest {
        let hasher = KeyHasher(purpose: "configure")
        hasher.add(Self.version)
        hasher.add(tree.digest)
        for package in packages { hasher.add("\(package) \(package.architecture)") }
        for archive in archives { hasher.add(archive.sha256) }
        for name in removed { hasher.add("remove \(name)") }
        for program in programs { hasher.add(program) }
        for trigger in work.triggers + work.programs { hasher.add("work \(trigger)") }
        hasher.add(kernel.image.digest)
        hasher.add(busybox.digest)
        hasher.add(JobInitramfs.initScript)
        for standIn in standIns { hasher.add(standIn.command + "\n" + standIn.script) }
        for rule in NormalisationRule.all { hasher.add(rule.name) }
        hasher.add(epoch)
        return hasher.finalize()
    }

    /// The commands that the host's work replaces for this tree.
    var standIns: [StandIn] {
        StandIn.always + (CertificateStore.canBeMade(for: tree) ? [.updateCACertificates] : [])
    }

    /// What the micro-VM's clock shows at the start: the first hour of the day after the next one, so that every change
    /// is later than the epoch, and that no run passes midnight (the date is in what some scripts write).
    var clock: Int64 { (epoch / 86_400 + 2) * 86_400 + 3600 }
}
