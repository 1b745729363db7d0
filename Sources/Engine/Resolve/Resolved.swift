import Records
import Debian
import Layers
import Recipe
import Steps

/// What a recipe leads to before anything has run: its lock, its pins, its sources and files, all of them known by their digests. No secret
/// is among it.
struct Resolved: Sendable {
    /// What the packages have to answer.
    var request: PackageRequest
    /// The recipe's lock as it was found; nil where there is none.
    var knownLock: PackageLock?
    /// The packages, and the lock that names them with the pins of all other files.
    var packages: ProvidedPackages
    /// The recipe's own sources with their keyrings; empty where suites and components say all.
    var sources: [OpenedSource]
    /// The stock image, where the recipe starts from one.
    var base: PinnedInput?
    /// Everything fetched besides packages, for the lock.
    var pins: [PinnedInput]
    /// Base URIs of the archives, for the board's own apt.
    var mirrors: ArchiveMirrors
    /// apt_preferences(5) for it.
    var boardPreferences: String
    var overlays: [OverlayStep]
    /// Container images for Docker; nil for none.
    var preload: PreloadStep?
    /// What the proof of the runtimes brings, by their names.
    var proofImages: [String: Manifest.ProofImage]
    /// The host's programs that shape bytes.
    var programs: HostPrograms
    /// All that shapes a kernel from source; nil where the kernel is a package of the archive.
    var kernel: KernelInputs?

    var lock: PackageLock { packages.lock }
}
