import Diagnostics
import Digests
import Foundation
import Packages
import Storage
import SystemPackage

extension Manifest {
    /// The manifest as JSON: indented, keys sorted, a newline at the end; the same value gives the same bytes.
    package func json() throws -> [UInt8] {
        try jsonBytes(self, .file, at: "\(name).manifest.json")
    }

    /// Writes the manifest, whole or not at all.
    package func write(to path: FilePath) throws { try writeAtomically(to: path, bytes: try json()) }

    /// Reads a manifest of at most 64 MiB.
    ///
    /// - Throws: `Failure` when it is missing, of another format, or not a manifest.
    package static func read(_ path: FilePath) throws -> Manifest {
        try Manifest(json: try readFile(path), at: path.string)
    }

    /// - Parameter place: the file's path, for errors.
    /// - Throws: `Failure` when the bytes are no manifest of this format. Unknown keys are passed over.
    package init(json bytes: [UInt8], at place: String) throws {
        struct Format: Decodable { var format: Int }
        let data = Data(bytes)
        do {
            let format = try JSONDecoder().decode(Format.self, from: data).format
            guard format == Self.formatVersion else {
                throw Failure(
                    at: place, "the manifest has another format", expected: "\(Self.formatVersion)", found: "\(format)",
                    next: "use the piforge that made the image, or build it again")
            }
            self = try JSONDecoder().decode(Manifest.self, from: data)
        } catch let error as DecodingError {
            throw Failure(at: place, "this is not a manifest", found: words(for: error))
        }
        guard recipe.sha256 == .of(recipe.canonical) else {
            throw Failure(
                at: place, "the recipe in the manifest does not fit its digest", expected: recipe.sha256.hex,
                found: "\(RecipeRecord(canonical: recipe.canonical).sha256)")
        }
        guard isPlainFileName(image.file) else {
            throw Failure(
                at: place, "the image's file name is not allowed", expected: "a name in the manifest's own folder",
                found: image.file)
        }
    }
}

extension Manifest.Package: Codable {
    private enum Key: String, CodingKey { case source, sourceVersion, size, sha256, archive }

    /// The identity's fields stand among the package's own.
    package init(from decoder: any Decoder) throws {
        identity = try PackageIdentity(from: decoder)
        let fields = try decoder.container(keyedBy: Key.self)
        source = try fields.decode(String.self, forKey: .source)
        sourceVersion = try fields.decode(String.self, forKey: .sourceVersion)
        size = try fields.decode(UInt64.self, forKey: .size)
        sha256 = try fields.decode(SHA256Digest.self, forKey: .sha256)
        archive = try fields.decodeIfPresent(String.self, forKey: .archive)
    }

    package func encode(to encoder: any Encoder) throws {
        try identity.encode(to: encoder)
        var fields = encoder.container(keyedBy: Key.self)
        try fields.encode(source, forKey: .source)
        try fields.encode(sourceVersion, forKey: .sourceVersion)
        try fields.encode(size, forKey: .size)
        try fields.encode(sha256, forKey: .sha256)
        try fields.encodeIfPresent(archive, forKey: .archive)
    }
}

/// What a decoder did not like, and where.
private func words(for error: DecodingError) -> String {
    func path(_ context: DecodingError.Context, _ last: String? = nil) -> String {
        let keys = context.codingPath.map { $0.intValue.map(String.init) ?? $0.stringValue } + (last.map { [$0] } ?? [])
        return keys.isEmpty ? "the file" : keys.joined(separator: ".")
    }
    return switch error {
    case .keyNotFound(let key, let context): "\(path(context, key.stringValue)) is missing"
    case .valueNotFound(_, let context): "\(path(context)) is null"
    case .typeMismatch(let type, let context): "\(path(context)) is no \(type)"
    case .dataCorrupted(let context):
        context.codingPath.isEmpty ? "no JSON" : "\(path(context)): \(context.debugDescription)"
    @unknown default: "\(error)"
    }
}
