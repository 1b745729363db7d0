import Debian
import Digests
import Fetch
import Pack
import Recipe
import Steps

extension ImageBuilder {
    /// The plan of a build: pure, from the recipe's steps and the lock.
    func plan(_ inputs: Inputs, _ lock: PackageLock) -> Plan {
        var plan = Plan()
        plan.add(
            "packages", summary: "\(lock.packages.count) packages",
            inputs: lock.packages.map {
                StepInput($0.name, "\($0.version) \($0.architecture) \($0.sha256.hex.prefix(16))")
            }
                + [
                    StepInput("unpack format", String(DebianPackage.formatVersion)),
                    StepInput("database format", String(DpkgDatabase.formatVersion)),
                ])
        plan.add(
            "configure", summary: "maintainer scripts in the micro-VM", inputs: configureInputs, below: ["packages"])
        plan.add(
            "kernel", summary: "module index, initramfs", inputs: kernelInputs + inputs.tools, below: ["configure"])
        var below = ["kernel"]
        for step in steps(inputs, lock, release: "RELEASE") {
            plan.add(step.name, summary: step.summary, inputs: step.inputs)
            below.append(step.name)
        }
        plan.add("file systems", summary: "root and boot", inputs: diskInputs + inputs.tools, below: below)
        plan.add(
            "image", summary: "\(recipe.name).img.xz",
            inputs: [
                StepInput("output.compression.preset", String(recipe.output.compression.preset)),
                StepInput("output.compression.block_size", String(recipe.output.compression.blockSize.bytes)),
                StepInput("liblzma", liblzmaVersion()),
                StepInput("recipe", SHA256Digest.of(recipe.canonical).hex),
                StepInput("package lock", SHA256Digest.of(lock.text).hex),
            ], below: ["file systems"])
        return plan
    }

    /// The steps that make small layers, in the order of their layers.
    ///
    /// - Parameter release: the kernel's, as `uname -r` prints it.
    func steps(_ inputs: Inputs, _ lock: PackageLock, release: String) -> [any Step] {
        [aptStep(inputs, lock)] + inputs.systemSteps + [recipe.bootStep(release: release)] + inputs.overlaySteps
    }

    private func aptStep(_ inputs: Inputs, _ lock: PackageLock) -> AptStep {
        let wanted = Set(recipe.packages.installNames + recipe.ownPackages)
        func source(_ uri: String?, _ suites: [String]) -> AptStep.Source? {
            guard let uri, !suites.isEmpty else { return nil }
            // The package debian-archive-keyring puts it there, on the board as on the host.
            return AptStep.Source(
                uri: uri, suites: suites, components: recipe.packages.components,
                keyring: ArchiveSource.debianKeyring.string)
        }
        let isSecurity = { (suite: String) in suite.hasSuffix("-security") }
        return AptStep(
            sources: [
                source(inputs.mirrors.debian.first, recipe.packages.suites.filter { !isSecurity($0) }),
                source(inputs.mirrors.security.first, recipe.packages.suites.filter(isSecurity)),
            ].compactMap { $0 }, preferences: recipe.preferencesText,
            automatic: lock.packages.filter { !wanted.contains($0.name) }.map { ($0.name, inputs.request.architecture) }
        )
    }

    /// The digest of the program itself: another piforge may make other bytes of the same inputs. It decides what runs
    /// again, and never reaches an image.
    private static let ownDigest: String = {
        let digest = try? DownloadStore.digest(of: "/proc/self/exe")
        return digest?.hex ?? piforgeVersion
    }()

    private var diskInputs: [StepInput] {
        [
            StepInput("piforge", Self.ownDigest), StepInput("name", recipe.name), StepInput("seed", recipe.seed),
            StepInput("epoch", String(recipe.epoch)),
            StepInput("disk.boot_size", String(recipe.disk.bootSize.bytes)),
            StepInput("disk.root_size", recipe.disk.rootSize.map { String($0.bytes) } ?? "auto"),
            StepInput("disk.free_space", String(recipe.disk.freeSpace.bytes)),
        ]
    }
}

extension Recipe {
    /// apt_preferences(5) of the recipe's pins.
    var preferencesText: String {
        packages.preferences.map {
            "Package: \($0.package)\nPin: \($0.pin)\nPin-Priority: \($0.priority)\n"
        }.joined(separator: "\n")
    }
}
