import Debian
import Diagnostics
import Disk
import Fetch
import Guest
import Kernel
import Layers
import Recipe
import Steps
import SystemPackage

/// The steps that make small layers, in the order of their layers. A step comes after all that it can be fed by; what changes least comes
/// first, so that an edit moves few blocks of the disk. A new step of the recipe's is a line here.
struct LayerSteps: Sendable {
    /// Those that see what overlays bring, and leave them the last word. First what is large and stays.
    let below: [any Step]
    /// The recipe's own.
    let overlays: [OverlayStep]
    /// Those that add to a file which an overlay may bring.
    let above: [any Step]

    var all: [any Step] { below + (overlays as [any Step]) + above }

    /// - Throws: `Failure` for a file or a secret that no step can use.
    init(_ context: BuildContext, _ resolved: Resolved, _ secrets: Secrets) throws {
        let recipe = context.recipe
        let stock = recipe.stock == nil ? nil : recipe.accounts.stock
        let brought: [(any Step)?] = [try RuntimeFiles(context, resolved).step(), resolved.preload]
        let ofStock: [any Step] = stock.map { [StockStep(), CloudInitStep(isEnabled: $0 == .kept)] } ?? []
        let system: [any Step] = [
            FirstBootStep(
                grows: recipe.disk.grow,
                makesHostKeys: stock != nil || recipe.packages.installNames.contains("openssh-server")),
            FileSystemTableStep(keepsTable: stock != nil),
            SystemStep(recipe.system),
            try NetworkStep(recipe.system.wifi, passphrase: secrets.passphrase),
            SSHStep(recipe.system.ssh),
            ServicesStep(recipe.system.services),
            NetworkWaitStep(),
            try AccountsStep(recipe.accounts, stock: stock, passwords: secrets.passwords, seed: recipe.seed),
            SecretsStep(),
            BootStep(recipe),
        ]
        below = brought.compactMap(\.self) + [AptStep(context.recipe, resolved)] + ofStock + system
        overlays = resolved.overlays
        above = [DockerStep(recipe, resolved.lock)].compactMap(\.self)
    }
}

/// A step that makes a small layer, as the list of a build's steps has it: kept nowhere, made in each build.
struct LayerStep: BuildStep {
    let step: any Step
    let epoch: Int64
    let onto: [String]

    var name: String { step.name }
    var summary: String { step.summary }
    var inputs: [StepInput] { step.inputs + [StepInput("epoch", String(epoch))] }
    var below: [String] { [] }
    var isKept: Bool { false }
}

extension AptStep {
    /// What the board's own apt gets: the sources that the recipe leaves it, its pins, and which packages nobody asked for.
    init(_ recipe: Recipe, _ resolved: Resolved) {
        let wanted = Set(
            recipe.packages.installNames + recipe.ownPackages + recipe.dockerPackages + recipe.runtimePackages)
        var sources = resolved.sources.flatMap { $0.onBoard(resolved.mirrors) }
        if resolved.sources.isEmpty {
            // The package debian-archive-keyring puts it there, on the board as on the host.
            sources = resolved.mirrors.ofDebian(recipe.packages.suites).map {
                AptStep.Source(
                    uri: $0.uri, suites: $0.suites, components: recipe.packages.components,
                    keyring: ArchiveSource.debianKeyring.string)
            }
        }
        self.init(
            sources: sources, preferences: resolved.boardPreferences,
            automatic: resolved.lock.packages.filter { !wanted.contains($0.name) }.map {
                ($0.name, resolved.request.architecture)
            }, fileName: resolved.sources.isEmpty ? "debian.sources" : "piforge.sources")
    }
}

extension ArchiveMirrors {
    /// Suites of Debian's by the archive they are in.
    fileprivate func ofDebian(_ suites: [String]) -> [(uri: String, suites: [String])] {
        let isSecurity = { (suite: String) in suite.hasSuffix("-security") }
        return [
            (debian.first, suites.filter { !isSecurity($0) }), (security.first, suites.filter(isSecurity)),
        ].compactMap { uri, suites in uri.flatMap { suites.isEmpty ? nil : ($0, suites) } }
    }
}

extension OpenedSource {
    /// The source for the board's own apt; empty where the board does not get it.
    fileprivate func onBoard(_ mirrors: ArchiveMirrors) -> [AptStep.Source] {
        guard source.onBoard else { return [] }
        var path = ArchiveSource.debianKeyring
        var keys: Content?
        if let keyring {
            keys = Content(size: keyring.pin.size, digest: keyring.pin.sha256, source: .file(keyring.path, offset: 0))
            path = FilePath("/usr/share/keyrings/piforge-\(source.name).gpg")
        }
        let groups =
            source.uris.isEmpty
            ? mirrors.ofDebian(source.suites) : source.boardURIs.prefix(1).map { ($0, source.suites) }
        return groups.filter { !$0.suites.isEmpty }.map {
            AptStep.Source(
                uri: $0.uri, suites: $0.suites, components: source.components, keyring: path.string, keys: keys)
        }
    }
}

extension DockerStep {
    /// nil where nothing can be there to configure.
    fileprivate init?(_ recipe: Recipe, _ lock: PackageLock) {
        let isWanted = recipe.docker.daemon != nil || recipe.containerRuntimes.contains { !$0.docker.isEmpty }
        // What a stock image has is not known before it is read.
        guard recipe.stock != nil || isWanted || RuntimeContract.engineVersion(lock, base: nil) != nil else {
            return nil
        }
        self.init(recipe.docker, runtimes: recipe.containerRuntimes)
    }
}

extension BootStep {
    fileprivate init(_ recipe: Recipe) {
        let mayLackInitramfs = recipe.kernel.source != nil && recipe.kernel.initramfs != .yes
        self.init(
            partition: mayLackInitramfs ? DiskIdentity(seed: recipe.seed).rootPartition : nil,
            memoryLimit: recipe.memory.limit.map { Int($0.bytes >> 20) },
            serialConsole: recipe.system.serialConsole, extraConfig: recipe.firmware.config,
            extraCommandLine: recipe.firmware.cmdline + recipe.runtimeCommandLine)
    }
}

extension Recipe {
    /// The recipe's overlays, which have the last word.
    ///
    /// - Throws: `Failure` for one that cannot be read.
    func overlaySteps() throws -> [OverlayStep] {
        try overlays.enumerated().map { index, overlay in
            var modes: [EntryPath: UInt16] = [:]
            for mode in overlay.modes { modes[try EntryPath(validating: mode.path)] = mode.mode }
            return try OverlayStep(
                number: index + 1, folder: overlay.folder.path, target: EntryPath(validating: overlay.to),
                uid: overlay.owner.uid, gid: overlay.owner.gid, modes: modes,
                replaced: try overlay.replaced.map { try EntryPath(validating: $0) })
        }
    }
}
