import Diagnostics
import Digests
import Foundation

/// What a manifest says of a blob (OCI image specification, descriptor.md).
package struct ImageDescriptor: Decodable, Sendable {
    /// What the blob is; nil where the manifest does not say.
    package var mediaType: String?
    /// As the manifest has it, unchecked; ``sha256(at:)`` checks it.
    package var digest: String
    /// Bytes; nil where the manifest does not say.
    package var size: UInt64?
    /// The machine that an index's image is for; nil where it does not say.
    package var platform: ImagePlatform?
    /// Names in reverse domain order and their texts (OCI image specification, annotations.md); nil for none.
    package var annotations: [String: String]?

    /// - Throws: `Failure` for a digest that is no SHA-256.
    package func sha256(at place: String) throws -> SHA256Digest {
        guard digest.hasPrefix("sha256:"), let value = SHA256Digest(hex: digest.dropFirst("sha256:".count)) else {
            throw Failure(
                at: place, "a blob's digest is not valid", expected: "sha256: and 64 hex digits",
                found: String(digest.prefix(80)))
        }
        return value
    }

    /// The names that the descriptor's annotations give the image.
    var tags: [String] {
        // containerd's annotation is a whole reference; OCI's is often a tag alone, which names nothing.
        [annotations?["io.containerd.image.name"], annotations?["org.opencontainers.image.ref.name"]]
            .compactMap(\.self).filter { $0.contains(":") && !$0.contains("@") }.prefix(1).map { $0 }
    }
}

/// The machine that an image is for, as an index and a configuration name it.
package struct ImagePlatform: Decodable, Sendable {
    /// As Go names it (GOARCH): `arm64`.
    package var architecture: String
    /// As Go names it (GOOS): `linux`.
    package var os: String

    var isBoard: Bool { architecture == "arm64" && os == "linux" }
    var text: String { "\(os)/\(architecture)" }
}

/// An image index or manifest (image-index.md, manifest.md); Docker's own formats have the same keys.
package struct ImageManifest: Decodable, Sendable {
    /// Of an index: an image for each platform.
    package var manifests: [ImageDescriptor]?
    /// Of a manifest.
    package var config: ImageDescriptor?
    /// Of a manifest, the lowest first.
    package var layers: [ImageDescriptor]?

    /// No index or manifest is larger (distribution specification: 4 MiB).
    package static let limit = 4 << 20

    /// - Throws: `Failure` for bytes that are neither an index nor a manifest.
    package init(json bytes: [UInt8], at place: String) throws {
        self = try decodeImageJSON(Self.self, bytes, what: "an image's index or manifest", at: place)
        guard (manifests != nil) != (config != nil && layers != nil) else {
            throw Failure(at: place, "this is neither an image's index nor its manifest")
        }
    }

    /// An index's images for the board; those without a platform may be for it.
    ///
    /// - Throws: `Failure` when all are for other machines.
    package func candidates(at place: String) throws -> [ImageDescriptor] {
        let all = manifests ?? []
        let fitting = all.filter { $0.platform?.isBoard ?? true }
        guard !fitting.isEmpty else {
            let found = Set(all.compactMap { $0.platform?.text }).sorted()
            throw Failure(
                at: place, "the image is for other machines", expected: "linux/arm64",
                found: found.isEmpty ? "no image at all" : found.joined(separator: ", "))
        }
        return fitting
    }
}

/// Reads JSON of an image.
func decodeImageJSON<Value: Decodable>(
    _ type: Value.Type, _ bytes: [UInt8], what: String, at place: String
) throws -> Value {
    do { return try JSONDecoder().decode(type, from: Data(bytes)) } catch {
        throw Failure(at: place, "this is not \(what)")
    }
}
