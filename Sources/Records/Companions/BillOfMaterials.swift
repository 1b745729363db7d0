import Digests
import Packages

/// What an image is made of, in the words that SPDX and CycloneDX share.
struct BillOfMaterials {
    /// A Debian package in the image.
    struct Package: IdentifiedPackage {
        var identity: PackageIdentity
        var purl: String
        /// Who distributes it; nil where that is not known.
        var supplier: String?
        /// `glibc 2.41-12`: the source package and its version; nil where that is not known.
        var source: String?
        /// Of the .deb; nil for what a stock image brought.
        var sha256: SHA256Digest?
    }

    let manifest: Manifest
    let publication: Publication
    /// By name, then architecture.
    let packages: [Package]
    /// What else went in, in the manifest's order.
    let inputs: [Manifest.Input]

    init(_ manifest: Manifest, _ publication: Publication) {
        self.manifest = manifest
        self.publication = publication
        inputs = manifest.inputs
        let base = manifest.base?.packages ?? []
        packages =
            (manifest.packages.map { Package($0, manifest.distribution) }
            + base.map { Package($0, manifest.distribution) })
            .sorted { $0.identity < $1.identity }
    }

    var description: String { publication.description.isEmpty ? manifest.name : publication.description }
}

extension Manifest.Input {
    /// Whether the digest is that of a file's bytes. An overlay's is of its entries: names, modes, contents.
    var isFile: Bool { kind != "overlay" }

    /// Whether it is in the image, and not only what the image was made with.
    var isPart: Bool { kind == "overlay" }

    static let baseImageKind = "base image"
}

extension BillOfMaterials.Package {
    init(_ package: Manifest.Package, _ distribution: Manifest.Distribution?) {
        let origin = Self.origin(of: package, distribution)
        self.init(
            identity: package.identity, purl: Self.purl(package.identity, origin.namespace, origin.codename),
            supplier: origin.supplier, source: "\(package.source) \(package.sourceVersion)", sha256: package.sha256)
    }

    /// A package of a stock image.
    init(_ package: PackageIdentity, _ distribution: Manifest.Distribution?) {
        let id = distribution?.id ?? "linux"
        self.init(
            identity: package, purl: Self.purl(package, id, distribution?.codename),
            supplier: distribution.map { Self.title($0.id) })
    }

    /// Of an archive that the recipe brings it is not known who stands behind it.
    private static func origin(
        of package: Manifest.Package, _ distribution: Manifest.Distribution?
    ) -> (namespace: String, codename: String?, supplier: String?) {
        let id = distribution?.id ?? "debian"
        switch package.archive {
        case nil: return ("piforge", nil, nil)
        case "debian"?, "updates"?, "security"?:
            return ("debian", id == "debian" ? distribution?.codename : nil, title("debian"))
        case let archive?: return (id, distribution?.codename, archive == id ? title(id) : nil)
        }
    }

    private static func title(_ id: String) -> String { id.prefix(1).uppercased() + id.dropFirst() }

    /// A package URL (ECMA-427, and purl-spec's type `deb`).
    static func purl(_ package: PackageIdentity, _ namespace: String, _ codename: String?) -> String {
        let distribution = codename.map { "&distro=\(encoded($0))" } ?? ""
        return "pkg:deb/\(encoded(namespace))/\(encoded(package.name))@\(encoded(package.version))"
            + "?arch=\(encoded(package.architecture))\(distribution)"
    }

    /// Percent-encoding: letters, digits, `.`, `-`, `_`, `~` and `:` stay.
    private static func encoded(_ text: String) -> String {
        text.utf8.map { byte in
            let character = Character(UnicodeScalar(byte))
            let stays = byte < 0x80 && (character.isLetter || character.isNumber || "._-~:".contains(character))
            let hex = String(byte, radix: 16, uppercase: true)
            return stays ? String(character) : "%" + (hex.count < 2 ? "0" : "") + hex
        }.joined()
    }
}
