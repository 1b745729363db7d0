import Diagnostics
import SystemPackage

/// What a build is told besides its recipe.
package struct BuildOptions: Sendable {
    /// The recipe's file; its lock lies beside it. Absolute.
    package var recipePath: FilePath
    /// Of a list of devices, the one whose image this is: a part of the outputs' names, and of nothing in the image.
    package var device: String?
    /// Where the image goes. Absolute.
    package var output: FilePath
    /// Nothing is downloaded: what is not in the cache is an error.
    package var offline: Bool
    /// The lock's packages or none.
    package var locked: Bool
    /// What the command line has put in place of the recipe's values, for commands that messages name.
    package var overrides: [String]
    /// The cache's folder as the command line wrote it, for commands that messages name; nil for the default.
    package var givenCache: String?
    /// Solve anew and write the lock.
    package var updateLock: Bool
    /// Base URIs in place of the host's mirrors.
    package var mirror: String?
    /// As ``mirror``, for Debian's security archive.
    package var securityMirror: String?
    /// The keys that sign the list of sums; at most one of a kind.
    package var signingKeys: [SigningKey]
    /// How much runs at a time; the result never depends on it.
    package var jobs: Int
    /// The caller's environment: passwords that the recipe asks for, and proxies.
    package var environment: [String: String]
    /// The versions of the host's programs that shape bytes, by name; nil asks dpkg.
    package var programVersions: [String: String]?
    /// What is judged of the disk before it is packed.
    package var check = DiskCheck.metadata
    /// The version of what piforge makes of the same inputs.
    package var formatVersion = Plan.formatVersion

    package init(
        recipePath: FilePath, device: String? = nil, output: FilePath, offline: Bool = false,
        locked: Bool = false,
        updateLock: Bool = false, mirror: String? = nil, securityMirror: String? = nil,
        signingKeys: [SigningKey] = [],
        jobs: Int, environment: [String: String], overrides: [String] = [], givenCache: String? = nil
    ) {
        self.recipePath = recipePath
        self.device = device
        self.output = output
        self.offline = offline
        self.locked = locked
        self.updateLock = updateLock
        self.mirror = mirror
        self.securityMirror = securityMirror
        self.signingKeys = signingKeys
        self.jobs = jobs
        self.environment = environment
        self.overrides = overrides
        self.givenCache = givenCache
    }

    /// A command for the same recipe, with what the command line has set: what a message names has to find the same files.
    ///
    /// - Parameter arguments: what follows the recipe.
    func command(_ name: String, _ arguments: String...) -> String {
        let set = overrides.map { "--set \($0.shellWord)" }
        return (["piforge \(name)", recipePath.string.shellWord] + arguments + cacheArguments(givenCache) + set)
            .joined(separator: " ")
    }

    /// `recipes/debian-13.lock` beside `recipes/debian-13.yaml`.
    var lockPath: FilePath {
        var path = recipePath
        path.extension = "lock"
        return path
    }

    /// `recipes/NAME.kernel.lock` beside `recipes/NAME.yaml`: what a Debian package of kernel source is pinned by.
    var kernelLockPath: FilePath {
        var path = recipePath
        path.extension = "kernel.lock"
        return path
    }
}

/// What a build left.
package struct BuildResult: Sendable, Codable {
    /// The path of the .img.xz, in ``BuildOptions/output``.
    package let image: String
    /// Bytes of the .img.xz.
    package let size: UInt64
    /// SHA-256 of the .img.xz, in hex.
    package let sha256: String
    /// Bytes of the disk that it unpacks to.
    package let uncompressedSize: UInt64
    /// How many packages the image has, those of a stock image that stayed as they were among them.
    package let packages: Int
    /// Whether everything was there already.
    package let upToDate: Bool
    /// The seconds of the maintainer scripts, the slowest packages first; empty when they did not run.
    package let slowestPackages: [PackageSeconds]
    /// Passwords that were made up in this build: `user: password`.
    package let generatedPasswords: [String]
    /// Where those stand.
    package let credentials: String?
    /// The signatures over the list of sums.
    package internal(set) var signatures: [String] = []
    /// What became of each step: `cached`, or `run` where it was made.
    package internal(set) var steps: [PlanRow] = []

    /// The steps that the build waited for, with their seconds, the longest first; empty where nobody measured.
    package var criticalPath: [StepSeconds] = []

    /// A package, and how long its maintainer scripts took.
    package struct PackageSeconds: Sendable, Codable {
        /// Without its architecture.
        package let name: String
        /// On the host's clock, rounded to tenths.
        package let seconds: Double
    }

    /// For a person, with the next command.
    ///
    /// - Parameter cache: the cache's folder as the command line wrote it; nil for the default.
    package func text(cache: String?) -> String {
        var lines = [
            "\(image)  \(megabytes(size)), unpacks to \(megabytes(uncompressedSize)), \(packages) packages"
        ]
        lines.append("  sha256 \(sha256)\(upToDate ? "  (nothing has changed)" : "")")
        let longest = criticalPath.filter { $0.seconds >= 0.1 }.prefix(5)
        if !upToDate, !longest.isEmpty {
            let total = (criticalPath.reduce(0) { $0 + $1.seconds } * 10).rounded() / 10
            lines.append("  \(total) s: " + longest.map { "\($0.step) \($0.seconds)" }.joined(separator: ", "))
        }
        for password in generatedPasswords {
            lines.append("  password  \(password)")
        }
        for signature in signatures { lines.append("  signed: \(signature)") }
        if let credentials { lines.append("  passwords are kept in \(credentials)") }
        lines.append((["next: piforge prove", image.shellFile] + cacheArguments(cache)).joined(separator: " "))
        return lines.map { $0 + "\n" }.joined()
    }
}

/// One step of a plan against the cache.
package struct PlanRow: Sendable, Codable, Equatable {
    /// The step's name (``PlannedStep/name``).
    package let step: String
    /// One line for a person (``PlannedStep/summary``).
    package let summary: String
    /// `cached`: its result is in the store. `run`: the build makes it. `after STEP`: whether it has to be made shows when that step's result
    /// is there.
    package let action: String
    /// What is different from the last build; nil where nothing is, or that is not known.
    package let reason: String?
    /// The step's key (``PlannedStep/key``): 64 hex digits.
    package let key: String

    /// One line for a person.
    package var text: String {
        "\(step.padding(to: 18)) \(key.prefix(12))  \(action.padding(to: 16))\(reason.map { "  \($0)" } ?? "")"
            .trimmedEnd
    }
}

/// How much of a disk is written out and judged. The image is the same.
package enum DiskCheck: String, Sendable, CaseIterable {
    /// The file systems' metadata is written, and judged; content is read from where it is kept, and held to its digests.
    case metadata
    /// The root file system is written out, content and all, and judged as it will lie on the card.
    case full
}
