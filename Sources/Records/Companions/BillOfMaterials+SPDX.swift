import Digests

extension BillOfMaterials {
    /// The bill as an SPDX document (SPDX specification 2.3, in JSON).
    ///
    /// Licences are not asserted: the packages' own copyright files, which are in the image, say them.
    var spdx: JSONValue {
        var elements = [image]
        var relations = [Self.relationship("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image")]
        for package in packages {
            let id = Self.identifier(of: package)
            elements.append(Self.element(package, id))
            relations.append(Self.relationship("SPDXRef-Image", "CONTAINS", id))
        }
        for (index, input) in inputs.enumerated() {
            let id = "SPDXRef-Input-\(index + 1)"
            elements.append(Self.element(input, id))
            relations.append(Self.relationship("SPDXRef-Image", Self.relation(to: input), id))
        }
        return .members([
            "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
            "name": .string(manifest.name),
            "documentNamespace": .string(
                "https://spdx.org/spdxdocs/\(manifest.name)-\(manifest.identifier("SPDX document"))"),
            "creationInfo": .members([
                "created": .string(manifest.epochText),
                "creators": .array([.string("Tool: piforge-\(publication.piforge)")]),
            ]),
            "packages": .array(elements), "relationships": .array(relations),
        ])
    }

    private var image: JSONValue {
        Self.item(
            "SPDXRef-Image", manifest.name,
            [
                "packageFileName": .string(manifest.image.file), "description": .string(description),
                "primaryPackagePurpose": "OPERATING-SYSTEM",
                "checksums": .array([Self.checksum(manifest.image.sha256)]),
            ])
    }

    private static func element(_ package: Package, _ id: String) -> JSONValue {
        item(
            id, package.name,
            [
                "versionInfo": .string(package.version),
                "supplier": .string(package.supplier.map { "Organization: \($0)" } ?? "NOASSERTION"),
                "sourceInfo": package.source.map { .string("built from the source package \($0)") },
                "checksums": package.sha256.map { .array([checksum($0)]) },
                "externalRefs": .array([
                    .members([
                        "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                        "referenceLocator": .string(package.purl),
                    ])
                ]),
            ])
    }

    private static func element(_ input: Manifest.Input, _ id: String) -> JSONValue {
        let isBase = input.kind == Manifest.Input.baseImageKind
        let purpose = isBase ? "OPERATING-SYSTEM" : input.isFile ? "FILE" : "SOURCE"
        return item(
            id, input.name,
            [
                "primaryPackagePurpose": .string(purpose),
                "checksums": input.isFile ? .array([checksum(input.sha256)]) : nil,
                "versionInfo": input.isFile ? nil : .string("sha256:\(input.sha256)"),
                "comment": .string(comment(on: input)),
            ])
    }

    private static func comment(on input: Manifest.Input) -> String {
        let digest = input.isFile ? "" : "; its version is the digest of its entries: names, modes, owners, contents"
        return "\(input.kind)\(input.trust.map { "; vouched for by: \($0)" } ?? "")\(digest)"
    }

    /// A package in SPDX's sense.
    private static func item(_ id: String, _ name: String, _ members: [String: JSONValue?]) -> JSONValue {
        let common: [String: JSONValue?] = [
            "SPDXID": .string(id), "name": .string(name), "downloadLocation": "NOASSERTION", "filesAnalyzed": false,
            "licenseConcluded": "NOASSERTION", "licenseDeclared": "NOASSERTION", "copyrightText": "NOASSERTION",
        ]
        return .members(common.merging(members) { $1 })
    }

    private static func checksum(_ digest: SHA256Digest) -> JSONValue {
        .members(["algorithm": "SHA256", "checksumValue": .string(digest.hex)])
    }

    private static func relation(to input: Manifest.Input) -> String {
        if input.kind == Manifest.Input.baseImageKind { return "DESCENDANT_OF" }
        return input.isPart ? "CONTAINS" : "GENERATED_FROM"
    }

    private static func relationship(_ from: String, _ type: String, _ to: String) -> JSONValue {
        .members([
            "spdxElementId": .string(from), "relationshipType": .string(type), "relatedSpdxElement": .string(to),
        ])
    }

    /// An identifier has letters, digits, `.` and `-`; names of packages have lower-case letters alone, and `+`.
    private static func identifier(of package: Package) -> String {
        let name = package.name.replacing("+", with: "PLUS")
        return "SPDXRef-Package-\(name)-\(package.architecture)"
    }
}
