import Digests

extension BillOfMaterials {
    /// The bill as a CycloneDX document (CycloneDX specification 1.5, in JSON).
    var cycloneDX: JSONValue {
        var components = packages.map { Self.component($0) }
        var parts = packages.map(\.purl)
        for (index, input) in inputs.enumerated() {
            let reference = "input-\(index + 1)"
            components.append(Self.component(input, reference))
            if input.isPart { parts.append(reference) }
        }
        return .members([
            "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json", "bomFormat": "CycloneDX",
            "specVersion": "1.5", "version": 1,
            "serialNumber": .string("urn:uuid:\(manifest.identifier("CycloneDX document"))"),
            "metadata": .members([
                "timestamp": .string(manifest.epochText), "component": image,
                "tools": .members([
                    "components": .array([
                        .members([
                            "type": "application", "name": "piforge", "version": .string(publication.piforge),
                        ])
                    ])
                ]),
            ]),
            "components": .array(components),
            "dependencies": .array([.members(["ref": "image", "dependsOn": .array(parts.map { .string($0) })])]),
        ])
    }

    private var image: JSONValue {
        .members([
            "type": "operating-system", "bom-ref": "image", "name": .string(manifest.name),
            "description": .string(description), "hashes": .array([Self.hash(manifest.image.sha256)]),
        ])
    }

    private static func component(_ package: Package) -> JSONValue {
        .members([
            "type": "library", "bom-ref": .string(package.purl), "name": .string(package.name),
            "version": .string(package.version), "purl": .string(package.purl),
            "supplier": package.supplier.map { .members(["name": .string($0)]) },
            "hashes": package.sha256.map { .array([hash($0)]) },
            "properties": package.source.map { .array([property("source", $0)]) },
        ])
    }

    private static func component(_ input: Manifest.Input, _ reference: String) -> JSONValue {
        let isBase = input.kind == Manifest.Input.baseImageKind
        let type = isBase ? "operating-system" : input.isFile ? "file" : "data"
        var properties = [property("kind", input.kind)]
        if let trust = input.trust { properties.append(property("trust", trust)) }
        let scope = input.isPart || isBase ? "required" : "excluded"
        return .members([
            "type": .string(type), "bom-ref": .string(reference), "scope": .string(scope),
            "name": .string(input.name), "hashes": input.isFile ? .array([hash(input.sha256)]) : nil,
            "version": input.isFile ? nil : .string("sha256:\(input.sha256)"),
            "properties": .array(properties),
        ])
    }

    private static func hash(_ digest: SHA256Digest) -> JSONValue {
        .members(["alg": "SHA-256", "content": .string(digest.hex)])
    }

    private static func property(_ name: String, _ value: String) -> JSONValue {
        .members(["name": "piforge:\(name)", "value": .string(value)])
    }
}
