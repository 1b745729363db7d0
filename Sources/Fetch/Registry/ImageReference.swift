import Diagnostics
import Digests

/// A container image of a registry, by its digest: `registry.example.org/team/app:1.0@sha256:…`.
package struct ImageReference: Sendable, Equatable {
    /// As it was written.
    package let text: String
    /// Host and port.
    package let registry: String
    /// Such as `library/busybox`.
    package let repository: String
    /// `latest` where the reference has none.
    package let tag: String
    /// SHA-256 of the manifest or index that the reference names.
    package let digest: SHA256Digest

    /// - Throws: `Failure` for anything else.
    package init(_ text: String) throws {
        func refuse() -> Failure {
            Failure(
                .usage, at: text, "this is not an image's reference with a digest",
                expected: "REGISTRY/NAME@sha256:HEX, or REGISTRY/NAME:TAG@sha256:HEX")
        }
        let parts = text.split(separator: "@", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[1].hasPrefix("sha256:"),
            let digest = SHA256Digest(hex: parts[1].dropFirst("sha256:".count)),
            let slash = parts[0].firstIndex(of: "/")
        else { throw refuse() }
        let path = parts[0][parts[0].index(after: slash)...]
        let pieces = path.split(separator: ":", omittingEmptySubsequences: false)
        guard pieces.count <= 2, !pieces[0].isEmpty else { throw refuse() }
        self.text = text
        self.digest = digest
        registry = String(parts[0][..<slash])
        repository = String(pieces[0])
        tag = pieces.count == 2 ? String(pieces[1]) : "latest"
    }

    /// What Docker shall call the image.
    package var name: String { "\(registry)/\(repository):\(tag)" }

    /// The start of the registry's URLs. Docker's own registry answers under another name, and a registry on this machine without
    /// TLS, as dockerd has it, too.
    var base: String {
        let host = registry == "docker.io" ? "registry-1.docker.io" : registry
        let isLocal = host == "localhost" || host.hasPrefix("localhost:") || host.hasPrefix("127.")
        return "\(isLocal ? "http" : "https")://\(host)/v2/\(repository)"
    }
}
