import Diagnostics
import Digests
import Disk
import Fetch
import Pack
import Recipe
import Storage
import SystemPackage

/// What lies beside an image: it is written after the image, and again where it is missing, from the manifest and the
/// image alone.
extension ImageBuilder {
    private var manifestName: String { "\(outputName).manifest.json" }
    private var sumsName: String { "\(outputName).SHA256SUMS" }

    private var companions: [Companion] {
        Companion.allCases.filter { recipe.output.companions.contains($0.rawValue) }
    }

    private var publication: Publication {
        let chosen = recipe.output.imager
        var imager = ImagerListing()
        imager.name = chosen.name
        imager.folder = chosen.url
        imager.icon = chosen.icon
        imager.website = chosen.website
        imager.initFormat = chosen.initFormat
        imager.devices = chosen.devices
        return Publication(
            piforge: piforgeVersion, description: recipe.description, companions: companions, imager: imager)
    }

    private func path(_ name: String) -> FilePath { options.output.appending(name) }

    /// The map of a disk's blocks; nil when the recipe wants none.
    func blockMap(of disk: some ByteSource, used: [Range<UInt64>]) async throws -> BlockMap? {
        companions.contains(.bmap) ? try BlockMap(of: disk, used: used) : nil
    }

    // MARK: Writing

    /// Writes all that lies beside the image, notes it in the record, and writes that. The list of sums comes last, and its
    /// signatures behind it.
    ///
    /// - Parameter map: the block map's bytes.
    func writeOutputs(_ manifest: Manifest, map: [UInt8]?, _ record: inout PlanRecord) async throws {
        var outputs: [String: SHA256Digest] = [:]
        func write(_ name: String, _ bytes: [UInt8]) throws {
            let digest = SHA256Digest.of(bytes)
            outputs[name] = digest
            if Self.digest(of: path(name)) != digest { try writeAtomically(to: path(name), bytes: bytes) }
        }
        try write(manifestName, manifest.json())
        let publication = publication
        for companion in companions {
            let made = try publication.bytes(of: companion, manifest)
            if let bytes = companion == .bmap ? map : made { try write(companion.file(outputName), bytes) }
        }
        var entries = [ChecksumList.Entry(name: manifest.image.file, digest: manifest.image.sha256)]
        entries += outputs.sorted { $0.key < $1.key }.map {
            ChecksumList.Entry(name: $0.key, digest: $0.value)
        }
        let before = PlanRecord.read(recordPath)
        record.signatures = before.signatures
        try writeList(try ChecksumList(entries), record.signatures ?? [:], &outputs)
        for path in before.abandoned(in: options.output, besides: Set(outputs.keys)) { removeTree(path) }
        // Without the record nobody knows whose they are: another build's, or somebody's own.
        for companion in Companion.allCases where outputs[companion.file(outputName)] == nil {
            let path = path(companion.file(outputName))
            guard exists(path) else { continue }
            progress.report(.note(step: "outputs", text: "\(path) is not of this build; it stays as it is"))
        }
        record.outputs = outputs
        try await sign(&record)
        try record.write(to: recordPath)
    }

    private func writeList(
        _ list: ChecksumList, _ signatures: [String: PlanRecord.Signature], _ outputs: inout [String: SHA256Digest]
    ) throws {
        let digest = SHA256Digest.of(list.text)
        outputs[sumsName] = digest
        guard Self.digest(of: path(sumsName)) != digest else { return }
        // A signature over other sums is none; better no signature than a bad one.
        for kind in SigningKey.Kind.allCases {
            let signature = path(sumsName + kind.suffix)
            guard exists(signature), signatures[sumsName + kind.suffix]?.list != digest else { continue }
            removeTree(signature)
            progress.report(.note(step: "sums", text: "removed \(signature), which signed other sums"))
        }
        try list.write(to: path(sumsName))
    }

    private static func digest(of path: FilePath) -> SHA256Digest? {
        exists(path) ? try? DownloadStore.digest(of: path) : nil
    }

    // MARK: Signing

    var signers: [SumsSigner] {
        options.signingKeys.map { SumsSigner(key: $0, environment: options.environment) }
    }

    /// Makes the signatures that are not there yet.
    private func sign(_ record: inout PlanRecord) async throws {
        for signer in signers where !isSigned(signer.key, record) {
            let signature = try await signer.sign(path(sumsName))
            guard let list = record.outputs?[sumsName], let digest = Self.digest(of: signature) else { continue }
            record.signatures = record.signatures ?? [:]
            record.signatures?[sumsName + signer.key.kind.suffix] = PlanRecord.Signature(
                key: signer.key.text, list: list, signature: digest)
        }
    }

    private func isSigned(_ key: SigningKey, _ record: PlanRecord) -> Bool {
        let name = sumsName + key.kind.suffix
        guard let made = record.signatures?[name] else { return false }
        return made.key == key.text && made.list == record.outputs?[sumsName]
            && made.signature == Self.digest(of: path(name))
    }

    // MARK: Nothing to do

    /// The manifest of the image in the output's folder, when it is the one that the plan gives, to the bit; nil when it has to be built.
    func wholeImage(_ plan: Plan, _ record: PlanRecord) throws -> Manifest? {
        guard plan.steps.allSatisfy({ record.reason(for: $0, in: plan) == nil }), exists(imagePath),
            Self.digest(of: path(manifestName)) == record.outputs?[manifestName],
            let manifest = try? Manifest.read(path(manifestName)), manifest.image.sha256 == record.image,
            try DownloadStore.digest(of: imagePath) == record.image
        else { return nil }
        return manifest
    }

    /// The result when the image is the one that the plan gives; nil when it has to be built. What is missing beside it, or
    /// is not what was written there, is made again without packing anything.
    func upToDate(_ plan: Plan, _ inputs: Inputs) async throws -> BuildResult? {
        var record = PlanRecord.read(recordPath)
        guard let manifest = try wholeImage(plan, record) else { return nil }
        let names = [manifestName, sumsName] + companions.map { $0.file(outputName) }
        let stale = names.filter { record.outputs?[$0] == nil || Self.digest(of: path($0)) != record.outputs?[$0] }
        let allSigned = options.signingKeys.allSatisfy { isSigned($0, record) }
        if stale.isEmpty, allSigned { return result(manifest, inputs, upToDate: true, slowest: []) }

        for signer in signers { try await signer.check() }
        if stale.isEmpty {
            try await sign(&record)
            try record.write(to: recordPath)
            return result(manifest, inputs, upToDate: true, slowest: [])
        }
        let mapName = Companion.bmap.file(outputName)
        var map: [UInt8]?
        if stale.contains(mapName) {
            map = try await packedMap()?.bytes
        } else if companions.contains(.bmap) {
            map = try readFile(path(mapName))
        }
        try await writeOutputs(manifest, map: map, &record)
        progress.report(.note(step: "outputs", text: "made again: \(stale.joined(separator: ", "))"))
        return result(manifest, inputs, upToDate: false, slowest: [])
    }

    /// The block map of the image as it is packed.
    private func packedMap() async throws -> BlockMap? {
        let work = try TemporaryFolder(in: cache.work, name: "bmap")
        defer { withExtendedLifetime(work) {} }
        let disk = work.path.appending("disk")
        progress.report(.started(step: "outputs", detail: "unpacking \(imageName) for its block map"))
        let file = try XZFile(imagePath)
        try await file.unpack(to: disk, limit: file.uncompressedSize, workers: options.jobs, progress: progress)
        return try await blockMap(of: try FileSource(disk), used: try UsedSpace.ranges(of: disk))
    }

    func result(
        _ manifest: Manifest, _ inputs: Inputs, upToDate: Bool, slowest: [BuildResult.PackageSeconds]
    ) -> BuildResult {
        var result = BuildResult(
            image: imagePath.string, size: manifest.image.size, sha256: manifest.image.sha256.hex,
            uncompressedSize: manifest.image.uncompressedSize,
            packages: manifest.packages.count + (manifest.base?.packages.count ?? 0), upToDate: upToDate,
            slowestPackages: slowest,
            generatedPasswords: inputs.secrets.generated.map { made in
                let expires =
                    recipe.accounts.users.first { $0.name == made.user }?.expire ?? recipe.accounts.root.expire
                return "\(made.user): \(made.password)\(expires ? "  (to be changed at the first login)" : "")"
            },
            credentials: inputs.secrets.credentials.passwords.isEmpty ? nil : credentialsPath.string)
        result.signatures = options.signingKeys.map { path(sumsName + $0.kind.suffix).string }
        return result
    }
}
