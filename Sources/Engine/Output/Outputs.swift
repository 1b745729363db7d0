import Records
import XZ
import Diagnostics
import Digests
import Disk
import Fetch
import Recipe
import Storage
import SystemPackage

/// What lies beside an image: it is written after the image, and again where it is missing, from the manifest and the
/// image alone.
struct Outputs: Contextual {
    let context: BuildContext
    private let resolved: Resolved
    private let secrets: Secrets
    private let recordPath: FilePath
    private let paths: OutputPaths

    init(_ context: BuildContext, _ resolved: Resolved, _ secrets: Secrets, _ recordPath: FilePath) {
        self.context = context
        self.resolved = resolved
        self.secrets = secrets
        self.recordPath = recordPath
        paths = context.outputs
    }

    private var companions: [Companion] {
        Companion.allCases.filter { recipe.output.companions.contains($0.rawValue) }
    }

    private var publication: Publication {
        Publication(
            piforge: piforgeVersion, description: recipe.description, companions: companions,
            imager: recipe.output.imager)
    }

    // MARK: Writing

    /// Writes what lies beside a packed image.
    ///
    /// - Parameter walk: that of the build which made it.
    /// - Throws: `Failure` when a file cannot be written or signed.
    func publish(
        _ packed: PackedImage, _ disk: AssembledDisk, _ system: SystemTree, _ plan: Plan, _ walk: Walk
    ) async throws -> BuildResult {
        let manifest = BuildRecords(context, resolved).manifest(packed, disk, system)
        let before = PlanRecord.read(recordPath)
        var record = PlanRecord(plan, image: packed.summary.digest)
        try await write(manifest, map: packed.map?.bytes, &record)
        var result = result(manifest, upToDate: false, slowest: system.slowest)
        result.steps = before.rows(plan) { walk.outcomes[$0] == .stored ? "cached" : "run" }
        return result
    }

    /// Writes all that lies beside the image, notes it in the record, and writes that. The list of sums comes last, and its
    /// signatures behind it.
    ///
    /// - Parameter map: the block map's bytes.
    private func write(_ manifest: Manifest, map: [UInt8]?, _ record: inout PlanRecord) async throws {
        var outputs: [String: SHA256Digest] = [:]
        func put(_ name: String, _ bytes: [UInt8]) throws {
            let digest = SHA256Digest.of(bytes)
            outputs[name] = digest
            if Self.digest(of: paths.path(name)) != digest { try writeAtomically(to: paths.path(name), bytes: bytes) }
        }
        try put(paths.manifestName, manifest.json())
        let publication = publication
        for companion in companions {
            let made = try publication.bytes(of: companion, manifest)
            if let bytes = companion == .bmap ? map : made { try put(companion.file(paths.name), bytes) }
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
        for companion in Companion.allCases where outputs[companion.file(paths.name)] == nil {
            let path = paths.path(companion.file(paths.name))
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
        outputs[paths.sumsName] = digest
        guard Self.digest(of: paths.path(paths.sumsName)) != digest else { return }
        // A signature over other sums is none; better no signature than a bad one.
        for kind in SigningKey.Kind.allCases {
            let signature = paths.path(paths.sumsName + kind.suffix)
            guard exists(signature), signatures[paths.sumsName + kind.suffix]?.list != digest else { continue }
            removeTree(signature)
            progress.report(.note(step: "sums", text: "removed \(signature), which signed other sums"))
        }
        try list.write(to: paths.path(paths.sumsName))
    }

    private static func digest(of path: FilePath) -> SHA256Digest? {
        exists(path) ? try? SHA256Digest.of(file: path) : nil
    }

    // MARK: Signing

    private var signers: [SumsSigner] {
        options.signingKeys.map { SumsSigner(key: $0, environment: options.environment) }
    }

    /// Finds out, before any long work, whether the keys are there.
    ///
    /// - Throws: `Failure` (usage) for one that is not.
    func checkSigners() async throws {
        for signer in signers { try await signer.check() }
    }

    /// Makes the signatures that are not there yet.
    private func sign(_ record: inout PlanRecord) async throws {
        for signer in signers where !isSigned(signer.key, record) {
            let signature = try await signer.sign(paths.path(paths.sumsName))
            guard let list = record.outputs?[paths.sumsName], let digest = Self.digest(of: signature) else { continue }
            record.signatures = record.signatures ?? [:]
            record.signatures?[paths.sumsName + signer.key.kind.suffix] = PlanRecord.Signature(
                key: signer.key.text, list: list, signature: digest)
        }
    }

    private func isSigned(_ key: SigningKey, _ record: PlanRecord) -> Bool {
        let name = paths.sumsName + key.kind.suffix
        guard let made = record.signatures?[name] else { return false }
        return made.key == key.text && made.list == record.outputs?[paths.sumsName]
            && made.signature == Self.digest(of: paths.path(name))
    }

    // MARK: Nothing to do

    /// The manifest of the image in the output's folder, when it is the one that the plan gives, to the bit; nil when it has to be built.
    func wholeImage(_ plan: Plan, _ record: PlanRecord) throws -> Manifest? {
        guard plan.steps.allSatisfy({ record.reason(for: $0, in: plan) == nil }), exists(paths.image),
            Self.digest(of: paths.path(paths.manifestName)) == record.outputs?[paths.manifestName],
            let manifest = try? Manifest.read(paths.path(paths.manifestName)), manifest.image.sha256 == record.image,
            try SHA256Digest.of(file: paths.image) == record.image
        else { return nil }
        return manifest
    }

    /// The result when the image is the one that the plan gives; nil when it has to be built. What is missing beside it, or
    /// is not what was written there, is made again without packing anything.
    func upToDate(_ plan: Plan) async throws -> BuildResult? {
        let record = PlanRecord.read(recordPath)
        guard let manifest = try wholeImage(plan, record) else { return nil }
        let isWhole = try await complete(manifest, record)
        var result = result(manifest, upToDate: isWhole, slowest: [])
        result.steps = record.rows(plan) { _ in "cached" }
        return result
    }

    /// Makes what is missing beside an image.
    ///
    /// - Returns: whether nothing but signatures was.
    private func complete(_ manifest: Manifest, _ known: PlanRecord) async throws -> Bool {
        var record = known
        let names = [paths.manifestName, paths.sumsName] + companions.map { $0.file(paths.name) }
        let stale = names.filter {
            record.outputs?[$0] == nil || Self.digest(of: paths.path($0)) != record.outputs?[$0]
        }
        let allSigned = options.signingKeys.allSatisfy { isSigned($0, record) }
        if stale.isEmpty, allSigned { return true }

        try await checkSigners()
        if stale.isEmpty {
            try await sign(&record)
            try record.write(to: recordPath)
            return true
        }
        let mapName = Companion.bmap.file(paths.name)
        var map: [UInt8]?
        if stale.contains(mapName) {
            map = try await packedMap().bytes
        } else if companions.contains(.bmap) {
            map = try readFile(paths.path(mapName))
        }
        try await write(manifest, map: map, &record)
        progress.report(.note(step: "outputs", text: "made again: \(stale.joined(separator: ", "))"))
        return false
    }

    /// The block map of the image as it is packed.
    private func packedMap() async throws -> BlockMap {
        let work = try TemporaryFolder(in: cache.work, name: "bmap")
        defer { withExtendedLifetime(work) {} }
        let disk = work.path.appending("disk")
        progress.report(.started(step: "outputs", detail: "unpacking \(paths.imageName) for its block map"))
        let file = try XZFile(paths.image)
        try await file.unpack(to: disk, limit: file.uncompressedSize, workers: options.jobs, progress: progress)
        return try BlockMap(of: try FileSource(disk), used: try UsedSpace.ranges(of: disk))
    }

    private func result(
        _ manifest: Manifest, upToDate: Bool, slowest: [BuildResult.PackageSeconds]
    ) -> BuildResult {
        var result = BuildResult(
            image: paths.image.string, size: manifest.image.size, sha256: manifest.image.sha256.hex,
            uncompressedSize: manifest.image.uncompressedSize,
            packages: manifest.packages.count + (manifest.base?.packages.count ?? 0), upToDate: upToDate,
            slowestPackages: slowest,
            generatedPasswords: secrets.generated.map { made in
                let expires =
                    recipe.accounts.users.first { $0.name == made.user }?.expire ?? recipe.accounts.root.expire
                return "\(made.user): \(made.password)\(expires ? "  (to be changed at the first login)" : "")"
            },
            credentials: secrets.areKept ? paths.credentials.string : nil)
        result.signatures = options.signingKeys.map { paths.path(paths.sumsName + $0.kind.suffix).string }
        return result
    }
}
