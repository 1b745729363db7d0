import Records
import Debian
import Diagnostics
import Digests
import Recipe
import Steps
import Storage
import SystemPackage

/// Writes down what a build was made of, and what its image is to be.
struct BuildRecords: Contextual {
    let context: BuildContext
    private let resolved: Resolved

    init(_ context: BuildContext, _ resolved: Resolved) {
        self.context = context
        self.resolved = resolved
    }

    /// The record of a build.
    func manifest(_ packed: PackedImage, _ disk: AssembledDisk, _ system: SystemTree) -> Manifest {
        Manifest(
            name: context.outputs.name, epoch: recipe.epoch, recipe: Manifest.RecipeRecord(canonical: recipe.canonical),
            distribution: system.distribution, packages: packageRecords(system.kernel),
            kernel: kernelRecord(system.kernel),
            base: resolved.base.map { _ in
                Manifest.Base(packages: system.basePackages, accountsLocked: recipe.accounts.stock == .locked)
            }, inputs: inputRecords(system.brought), partitionTable: partitionRecord(disk),
            image: Manifest.Image(
                file: context.outputs.imageName, summary: packed.summary, settings: packed.settings),
            accounts: accountRecords(),
            secrets: system.secrets.isEmpty ? nil : system.secrets, expectations: expectations(system)
        )
    }

    private func packageRecords(_ kernel: BuiltKernel?) -> [Manifest.Package] {
        let locked = resolved.lock.packages.map {
            Manifest.Package(
                $0.identity, source: $0.source, sourceVersion: $0.sourceVersion, size: $0.size, sha256: $0.sha256,
                archive: $0.archive.rawValue)
        }
        guard let kernel else { return locked }
        // The kernel's own packaging names its source so (Linux, scripts/package/mkdebian).
        let made = Manifest.Package(
            kernel.package.identity, source: "linux-upstream", sourceVersion: kernel.package.version,
            size: kernel.package.size, sha256: kernel.package.sha256)
        return (locked + [made]).sorted { $0.name < $1.name }
    }

    private func kernelRecord(_ kernel: BuiltKernel?) -> Manifest.Kernel? {
        kernel.map { Manifest.Kernel(package: $0.package.name, source: $0.source, identity: $0.identity) }
    }

    /// What went in besides the packages. Secrets stand for themselves in the accounts' step; their digests do not
    /// belong in a file that is published.
    private func inputRecords(_ brought: [BroughtFiles]) -> [Manifest.Input] {
        var records = [Manifest.Input(name: "package lock", kind: "lock", sha256: .of(resolved.lock.text))]
        for pin in resolved.pins {
            records.append(
                Manifest.Input(name: pin.name, kind: pin.use, sha256: pin.sha256, trust: pin.trust.text))
        }
        for runtime in recipe.containerRuntimes {
            guard let digest = runtime.digest else { continue }
            records.append(Manifest.Input(name: runtime.file, kind: "runtime file", sha256: digest))
        }
        for source in resolved.preload?.sources ?? [] {
            records.append(
                Manifest.Input(name: source.name, kind: "container image", sha256: source.digest, trust: source.trust))
        }
        if resolved.sources.isEmpty, let bytes = try? readFile(recipe.packages.keyring.path) {
            records.append(Manifest.Input(name: recipe.packages.keyring.written, kind: "keyring", sha256: .of(bytes)))
        }
        records += brought.map { Manifest.Input(name: $0.name, kind: "overlay", sha256: $0.digest) }
        return records
    }

    private func partitionRecord(_ disk: AssembledDisk) -> Manifest.PartitionTable {
        let table = disk.image.table
        let padded = disk.bootVolumeID.hex(digits: 8).uppercased()
        let facts = [
            ("vfat", "system-boot", "\(padded.prefix(4))-\(padded.suffix(4))"), ("ext4", "writable", disk.rootUUID),
        ]
        return Manifest.PartitionTable(
            scheme: "mbr", identifier: "0x\(table.signature.hex(digits: 8))",
            partitions: zip(table.partitions, facts).enumerated().map { index, pair in
                let (partition, fact) = pair
                return Manifest.Partition(
                    number: index + 1, start: partition.offset, size: partition.size,
                    type: "0x\(partition.type.hex(digits: 2))", filesystem: fact.0, label: fact.1, uuid: fact.2)
            })
    }

    private func accountRecords() -> [Manifest.Account] {
        var records = recipe.accounts.users.map { user in
            Manifest.Account(
                name: user.name, groups: (user.groups + (user.sudo == .no ? [] : ["sudo"])).sorted(),
                credential: Self.credential(user.password, keys: user.sshKeys.count),
                passwordExpired: user.password != nil && user.expire, authorizedKeys: user.sshKeys.count)
        }
        let root = recipe.accounts.root
        records.append(
            Manifest.Account(
                name: "root", groups: [], credential: Self.credential(root.password, keys: root.sshKeys.count),
                passwordExpired: root.password != nil && root.expire, authorizedKeys: root.sshKeys.count))
        return records
    }

    private static func credential(_ password: Recipe.Password?, keys: Int) -> Manifest.Account.Credential {
        switch password {
        case nil: keys > 0 ? .keysOnly : .locked
        case .hash: .passwordHash
        case .file, .environment: .givenPassword
        case .generate: .generatedPassword
        }
    }

    private func expectations(_ system: SystemTree) -> Manifest.Expectations {
        let ssh = recipe.system.ssh
        return Manifest.Expectations(
            hostname: recipe.system.hostname, memoryLimit: recipe.memory.limit?.bytes, kernelRelease: system.release,
            docker: (resolved.lock.packages.map(\.name) + system.basePackages.map(\.name)).contains {
                $0 == "docker.io" || $0 == "docker-ce"
            },
            ssh: ssh.enable
                ? Manifest.SSH(
                    passwordLogin: ssh.passwordLogin, rootLogin: !recipe.accounts.root.sshKeys.isEmpty, port: ssh.port)
                : nil,
            serialConsole: recipe.system.serialConsole ? "ttyS1" : nil, growsRoot: recipe.disk.grow,
            kernelConfig: system.kernelConfig,
            runtimes: recipe.containerRuntimes.expectations(resolved.proofImages)
                + (resolved.preload?.expectations ?? []),
            wifi: recipe.system.wifi.map { Manifest.Wifi(ssid: $0.ssid, country: $0.country) })
    }
}

extension [ContainerRuntime] {
    /// What the image's proof runs: a row for each name that Docker knows a runtime by.
    fileprivate func expectations(_ images: [String: Manifest.ProofImage]) -> [Manifest.Runtime] {
        flatMap { runtime in
            let names: [String?] = runtime.docker.isEmpty ? [nil] : runtime.docker.map(\.name)
            return names.map { name in
                Manifest.Runtime(
                    name: runtime.name, docker: name,
                    checks: runtime.checks.filter { ($0.docker ?? names[0]) == name }.map {
                        Manifest.RuntimeCheck(
                            name: $0.name, setup: $0.setup, run: $0.run, user: $0.user == .root ? "root" : nil,
                            expect: $0.expect, cleanup: $0.cleanup)
                    },
                    proof: runtime.proof.map { proof in
                        Manifest.RuntimeProof(
                            isolation: proof.isolation?.rawValue, refusal: proof.refusal, image: images[runtime.name])
                    })
            }
        }
    }
}

extension PreloadStep {
    /// What shows that Docker got the images.
    fileprivate var expectations: [Manifest.Runtime] {
        guard !images.isEmpty else { return [] }
        let checks = images.map { image in
            Manifest.RuntimeCheck(
                name: image.tags.first ?? String(image.id.hex.prefix(12)),
                // Waits for the service, where it still runs.
                setup: ["systemctl start \(Self.unitName)"],
                run: "docker image inspect --format '{{.Id}}' sha256:\(image.id.hex)", expect: "sha256:\(image.id.hex)")
        }
        return [Manifest.Runtime(name: "preloaded images", docker: nil, checks: checks)]
    }
}
