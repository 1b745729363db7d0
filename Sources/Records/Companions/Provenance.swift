import Digests

extension Publication {
    /// How the image came about: an in-toto statement (in-toto attestation framework, Statement v1) with a SLSA provenance
    /// (slsa.dev/provenance/v1). It bears no time and no run's number: the same build makes the same statement.
    func provenance(of manifest: Manifest) -> JSONValue {
        // What a stock image brought came with that image, which is among the inputs.
        let packages = BillOfMaterials(manifest, self).packages.filter { $0.sha256 != nil }
        let dependencies = packages.map { Self.dependency($0) } + manifest.inputs.map { Self.dependency($0) }
        return .members([
            "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://slsa.dev/provenance/v1",
            "subject": .array([
                Self.subject(manifest.image.file, manifest.image.sha256),
                Self.subject(String(manifest.image.file.dropLast(".xz".count)), manifest.image.uncompressedSHA256),
            ]),
            "predicate": .members([
                "buildDefinition": .members([
                    "buildType": .string("urn:piforge:build:\(Manifest.formatVersion)"),
                    "externalParameters": .members([
                        "name": .string(manifest.name),
                        "recipe": .members([
                            "digest": Self.digest(manifest.recipe.sha256),
                            "canonical": .string(manifest.recipe.canonical),
                        ]),
                    ]),
                    "internalParameters": .members([
                        "epoch": .string(manifest.epochText), "liblzma": .string(manifest.image.liblzma),
                    ]),
                    "resolvedDependencies": .array(dependencies),
                ]),
                "runDetails": .members([
                    "builder": .members([
                        "id": .string("pkg:generic/piforge@\(piforge)"),
                        "version": .members(["piforge": .string(piforge)]),
                    ])
                ]),
            ]),
        ])
    }

    private static func subject(_ name: String, _ sum: SHA256Digest) -> JSONValue {
        .members(["name": .string(name), "digest": digest(sum)])
    }

    private static func dependency(_ package: BillOfMaterials.Package) -> JSONValue {
        .members([
            "name": .string(package.name), "uri": .string(package.purl), "digest": package.sha256.map { digest($0) },
        ])
    }

    private static func dependency(_ input: Manifest.Input) -> JSONValue {
        .members([
            "name": .string(input.name),
            "digest": input.isFile ? digest(input.sha256) : .members(["piforgeEntries": .string(input.sha256.hex)]),
            "annotations": .members(["kind": .string(input.kind), "trust": input.trust.map { .string($0) }]),
        ])
    }

    private static func digest(_ digest: SHA256Digest) -> JSONValue { .members(["sha256": .string(digest.hex)]) }
}
