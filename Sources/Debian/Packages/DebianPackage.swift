import Diagnostics
import Digests
import Fetch
import Layers
import Packages
import Storage
import SystemPackage

/// A package taken out of its .deb file: control data and files, both stored as layers.
package struct UnpackedPackage: IdentifiedPackage, Sendable {
    /// What it was taken out of.
    package let file: PackageFile
    /// The version, to be compared with others.
    package let parsedVersion: DebianVersion
    /// The control file.
    package let control: ControlParagraph
    /// What control.tar holds, `control` among it: one regular file each, owned by root, with its mode.
    package let controlFiles: Layer
    /// What data.tar holds, in the archive's order.
    package let data: Layer

    package init(
        file: PackageFile, parsedVersion: DebianVersion, control: ControlParagraph, controlFiles: Layer, data: Layer
    ) {
        self.file = file
        self.parsedVersion = parsedVersion
        self.control = control
        self.controlFiles = controlFiles
        self.data = data
    }

    /// Of ``file``. The control file names the same package: ``DebianPackage/unpack(_:store:)`` compares them.
    package var identity: PackageIdentity { file.identity }

    /// A control file's content (`postinst`, `conffiles`, …); nil where the package has none.
    package func controlFile(_ name: String) -> Content? {
        for entry in controlFiles.entries where entry.path.bytes.elementsEqual(name.utf8) {
            if case .regular(let content) = entry.kind { return content }
        }
        return nil
    }

    /// The name under which dpkg files the package's information: with its architecture where several architectures
    /// of it can be installed together (`libc6:arm64`).
    package var databaseName: String { control["Multi-Arch"] == "same" ? "\(name):\(architecture)" : name }

    /// `Essential: yes`: dpkg does not remove the package unless it is forced to (Debian Policy, section 5.6.9).
    package var isEssential: Bool { control["Essential"] == "yes" }
}

/// Takes .deb files apart into a layer store.
package enum DebianPackage {
    /// The version of what is stored for a package; part of its key.
    package static let formatVersion = 1

    /// Whether the store has all of a package, with indexes that are whole.
    package static func isStored(_ package: PackageFile, in store: LayerStore) -> Bool {
        ["control", "data"].allSatisfy { store.holds(key(of: package, part: $0)) }
    }

    /// Unpacks one package, or takes it from the store, where the .deb file itself is not looked at.
    ///
    /// - Throws: `Failure` naming the file and the path for an archive that is damaged, hostile, or another package
    ///   than it should be; `CancellationError`. Nothing is stored then.
    package static func unpack(_ package: PackageFile, store: LayerStore) throws -> UnpackedPackage {
        let place = package.path.lastComponent?.string ?? package.path.string
        let name = package.identity.description
        let controlKey = key(of: package, part: "control")
        let dataKey = key(of: package, part: "data")
        var archive: DebArchive?
        let controlFiles = try store.layer(controlKey, name: name) { writer in
            try checkDigest(package, place)
            let opened = try DebArchive(package.path)
            archive = opened
            try ControlMembers.unpack(opened, into: writer)
        }
        let control = try readControl(controlFiles, place: place)
        try check(control, is: package, place: place)
        let version = try DebianVersion(package.version, place: place)
        let data = try store.layer(dataKey, name: name) { writer in
            try DataMembers.unpack(
                archive ?? DebArchive(package.path), limits: try DataMembers.limits(control, place: place), into: writer
            )
        }
        return UnpackedPackage(
            file: package, parsedVersion: version, control: control, controlFiles: controlFiles, data: data)
    }

    /// Unpacks packages, `workers` at a time, and returns them in the order they were given.
    ///
    /// - Throws: as ``unpack(_:store:)``, for the first package that fails; the others are stopped.
    package static func unpackAll(
        _ packages: [PackageFile], store: LayerStore, workers: Int, progress: any ProgressReporter = SilentProgress()
    ) async throws -> [UnpackedPackage] {
        progress.report(.started(step: step, detail: "\(packages.count) packages"))
        let unpacked = try await withThrowingTaskGroup(of: (Int, UnpackedPackage).self) { group in
            var results = [UnpackedPackage?](repeating: nil, count: packages.count)
            var next = 0
            func start() {
                guard next < packages.count else { return }
                let index = next
                next += 1
                group.addTask {
                    let from = ContinuousClock.now
                    let package = try unpack(packages[index], store: store)
                    progress.report(.worked(step: step, part: package.name, from: from, to: .now))
                    return (index, package)
                }
            }
            for _ in 0..<max(1, workers) { start() }
            var completed: UInt64 = 0
            while let (index, package) = try await group.next() {
                results[index] = package
                completed += 1
                progress.report(
                    .advanced(
                        step: step, completed: completed, total: UInt64(packages.count), unit: .count,
                        detail: package.name))
                start()
            }
            return results.compactMap { $0 }
        }
        progress.report(.finished(step: step, detail: "\(packages.count) packages", cached: false))
        return unpacked
    }

    private static let step = "unpack"

    private static func key(of package: PackageFile, part: String) -> SHA256Digest {
        let hasher = KeyHasher(purpose: "deb \(part)")
        hasher.add(formatVersion)
        hasher.add(LayerStore.formatVersion)
        // With the format's version, the key of what is stored.
        hasher.add(package.sha256)
        return hasher.finalize()
    }

    private static func checkDigest(_ package: PackageFile, _ place: String) throws {
        let found = try SHA256Digest.of(file: package.path)
        guard found == package.sha256 else {
            throw Failure(
                at: place, "the file is not the one that was locked", expected: "SHA-256 \(package.sha256)",
                found: "SHA-256 \(found)")
        }
    }

    private static func readControl(_ layer: Layer, place: String) throws -> ControlParagraph {
        guard let entry = layer.entries.first(where: { $0.path == "control" }), case .regular(let content) = entry.kind
        else { throw Failure(at: place, "control.tar holds no control file") }
        let paragraphs = try ControlParagraph.parse(try ContentReader().bytes(of: content), place: "\(place): control")
        guard paragraphs.count == 1 else {
            throw Failure(at: "\(place): control", "the file must hold one paragraph", found: "\(paragraphs.count)")
        }
        return paragraphs[0]
    }

    private static func check(_ control: ControlParagraph, is package: PackageFile, place: String) throws {
        let expected = [
            ("Package", package.name), ("Version", package.version), ("Architecture", package.architecture),
        ]
        for (field, value) in expected {
            let found = try control.required(field, place: "\(place): control")
            guard found == value else {
                throw Failure(
                    at: "\(place): control", "the \(field) is another than asked for", expected: value, found: found)
            }
        }
        guard isControlName(package.name) else {
            throw Failure(at: "\(place): control", "'\(package.name)' is not a package name")
        }
    }
}
