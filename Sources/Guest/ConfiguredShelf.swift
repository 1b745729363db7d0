import Diagnostics
import Digests
import Foundation
import Layers
import Storage

/// Where results of the micro-VM are kept: the layer for everybody, with a note of the secrets that are not in it; the secrets for this machine
/// alone.
struct ConfiguredShelf {
    let store: LayerStore
    let key: SHA256Digest
    /// Whether the shared cache may have the layer. It never has secrets.
    let isShared: Bool
    /// Whether the secrets themselves are asked for; otherwise they are kept nowhere.
    let keepsSecrets: Bool

    private static let name = "maintainer scripts"
    private static let secretsName = "secrets of scripts"
    /// Where the note stands in a stored layer: under a path that no layer of the guest has (``NormalisationRule/isVolatile(_:)``).
    private static let note: EntryPath = "run/piforge/secrets"

    private var secretsKey: SHA256Digest {
        let hasher = KeyHasher(purpose: "configure secrets")
        hasher.add(key)
        return hasher.finalize()
    }

    /// What is stored; nil where something of it is not.
    func result() throws -> MicroVM.Result? {
        guard var layer = try store.layer(key, name: Self.name, shared: isShared) else { return nil }
        var secrets: [MadeSecret] = []
        if let index = layer.entries.firstIndex(where: { $0.path == Self.note }) {
            if case .regular(let content) = layer.entries[index].kind {
                let bytes = try ContentReader().bytes(of: content, limit: 1 << 20)
                do { secrets = try JSONDecoder().decode([MadeSecret].self, from: Data(bytes)) } catch {
                    throw Failure(
                        at: Self.name, "the stored note of the secrets is damaged", next: "piforge cache verify")
                }
            }
            layer.entries.remove(at: index)
        }
        var files = Layer(name: Self.secretsName)
        if keepsSecrets, !secrets.isEmpty {
            // Another machine made the layer: the secrets are made here.
            guard let kept = try store.layer(secretsKey, name: Self.secretsName) else { return nil }
            files = kept
        }
        return MicroVM.Result(layer: layer, secrets: secrets, report: nil, secretFiles: files)
    }

    /// Stores what a run gave.
    ///
    /// - Returns: it, as it is stored.
    func store(
        _ layer: Layer, _ secrets: [MadeSecret], files: Layer, _ report: MicroVM.Report
    ) throws -> MicroVM.Result {
        var noted = layer
        noted.name = Self.name
        if !secrets.isEmpty {
            let bytes = try jsonBytes(secrets, .oneLine, at: Self.name)
            let file = Attributes(mode: 0o644, mtime: Timestamp(seconds: 0))
            noted.entries.append(Entry(Self.note, file, .regular(Content(bytes))))
        }
        var kept = Layer(name: Self.secretsName)
        if keepsSecrets, !secrets.isEmpty {
            kept.entries = files.entries
            kept = try store.store(kept, as: secretsKey)
            restrictToOwner(store.path(of: secretsKey))
        }
        var stored = try store.store(noted, as: key, shared: isShared)
        stored.entries.removeAll { $0.path == Self.note }
        return MicroVM.Result(layer: stored, secrets: secrets, report: report, secretFiles: kept)
    }
}

extension Layer {
    /// Takes the files of secrets, and what belongs to them, out.
    mutating func takeOut(_ secrets: [MadeSecret]) -> Layer {
        let paths = Set(secrets.flatMap { [$0.path] + $0.companions })
        var taken = Layer(name: "secrets")
        guard !paths.isEmpty else { return taken }
        entries.removeAll { entry in
            guard entry.kind != .directory, paths.contains(SecretFinder.text(entry.path)) else { return false }
            taken.entries.append(entry)
            return true
        }
        return taken
    }
}
