import Records
import Digests
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// Compares with a file in Golden/; `PIFORGE_GOLDEN=write` writes it.
func expectGolden(_ name: String, _ bytes: [UInt8]) throws -> Bool {
    let path = FilePath(#filePath).removingLastComponent().appending("Golden").appending(name)
    if ProcessInfo.processInfo.environment["PIFORGE_GOLDEN"] == "write" { try writeAtomically(to: path, bytes: bytes) }
    return try String(decoding: bytes, as: UTF8.self) == String(decoding: readFile(path), as: UTF8.self)
}

/// Bills of materials, the Imager's entry and provenance, judged by the formats' own validators.
@Suite struct CompanionTests {
    /// A build with one of each: packages with odd names and versions, of several archives and of none; a stock image and
    /// what it brought; inputs of several kinds.
    private static func sample(stock: Bool) throws -> Manifest {
        func package(_ name: String, _ version: String, _ archive: String?, _ architecture: String = "arm64")
            -> Manifest.Package
        {
            Manifest.Package(
                .init(name: name, version: version, architecture: architecture), source: "src-\(name)",
                sourceVersion: version,
                size: 1000, sha256: .of(name), archive: archive)
        }
        let record = """
            {"file": "pi.img.xz", "size": 1000, "sha256": "\(SHA256Digest.of("xz"))", "uncompressedSize": 8388608,
            "uncompressedSHA256": "\(SHA256Digest.of("disk"))", "blockSize": 1048576, "preset": 6, "liblzma": "5.4.1"}
            """
        let image = try JSONDecoder().decode(Manifest.Image.self, from: Data(record.utf8))
        var inputs = [
            Manifest.Input(name: "package lock", kind: "lock", sha256: .of("lock")),
            Manifest.Input(name: "debian-archive-keyring", kind: "keyring", sha256: .of("k"), trust: "package x 1"),
            Manifest.Input(name: "overlay motd to /", kind: "overlay", sha256: .of("overlay")),
            Manifest.Input(name: "linux-source-6.12 6.12.48-1", kind: "kernel source", sha256: .of("kernel")),
        ]
        if stock {
            inputs.append(
                Manifest.Input(name: "stock.img.xz", kind: "base image", sha256: .of("stock"), trust: "signature AB"))
        }
        return Manifest(
            name: "pi", epoch: 1_793_491_200, recipe: .init(canonical: "{\"name\":\"pi\"}"),
            distribution: stock ? .init(id: "ubuntu", codename: "bionic") : .init(id: "debian", codename: "trixie"),
            packages: [
                package("libstdc++6", "14.2.0-19", "debian"), package("tzdata", "2025b-4+deb13u1", "security", "all"),
                package("docker-ce", "5:28.0~rc1-1", "docker"), package("linux-image-6.12-pi", "6.12.48-1", nil),
            ],
            base: stock
                ? .init(
                    packages: [.init(name: "bash", version: "4.4.18-2ubuntu1", architecture: "arm64")],
                    accountsLocked: true) : nil,
            inputs: inputs, partitionTable: .init(scheme: "mbr", identifier: "0x1", partitions: []), image: image,
            accounts: [],
            expectations: .init(
                hostname: "pi", memoryLimit: nil, kernelRelease: "6.12", docker: false, ssh: nil, serialConsole: nil,
                growsRoot: true))
    }

    private static var publication: Publication {
        Publication(piforge: "1.2.3", description: "A Pi, for \"tests\" <&>")
    }

    private func bytes(_ companion: Companion, stock: Bool = false) throws -> [UInt8] {
        let bytes = try Self.publication.bytes(of: companion, Self.sample(stock: stock))
        return try #require(bytes)
    }

    @Test(arguments: [Companion.spdx, .cyclonedx, .imager, .provenance], [false, true])
    func companionIsAsItWas(companion: Companion, stock: Bool) async throws {
        let name = companion.file(stock ? "stock" : "pi")
        #expect(try expectGolden(name, try bytes(companion, stock: stock)))
        #expect(try bytes(companion, stock: stock) == bytes(companion, stock: stock))
        let read = try await ToolRunner().run(
            Judge.python, ["-m", "json.tool"], input: try bytes(companion, stock: stock), place: name)
        #expect(!read.output.isEmpty)
    }

    private static let spdxScript = """
        import sys, tempfile
        from spdx_tools.spdx.parser.json import json_parser
        from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
        with tempfile.NamedTemporaryFile(suffix=".json") as f:
            f.write(sys.stdin.buffer.read()); f.flush()
            document = json_parser.parse_from_file(f.name)
        for m in validate_full_spdx_document(document):
            print(m.validation_message)
        print(len(document.packages), len(document.relationships))
        """

    @Test(arguments: [(false, "9 9\n"), (true, "11 11\n")])
    func spdxToolsFindNoFault(stock: Bool, counts: String) async throws {
        let judged = try await PythonJudges.run(Self.spdxScript, input: try bytes(.spdx, stock: stock))
        #expect(judged.text == counts, "\(judged.errors)")
    }

    @Test func spdxToolsRefuseATamperedBill() async throws {
        let text = String(decoding: try bytes(.spdx), as: UTF8.self)
        for (old, new) in [
            (SHA256Digest.of("xz").hex, "abc"), ("\"SPDX-2.3\"", "\"SPDX-9\""),
            ("SPDXRef-Package-tzdata-all", "SPDXRef-Package_tzdata"),
        ] {
            #expect(text.contains(old))
            let judged = try await PythonJudges.run(
                Self.spdxScript, input: Array(text.replacingOccurrences(of: old, with: new).utf8))
            #expect(judged.status != 0 || judged.text != "9 9\n", "\(new)")
        }
    }

    private static let cycloneScript = """
        import sys, json
        from cyclonedx.validation.json import JsonStrictValidator
        from cyclonedx.schema import SchemaVersion
        from packageurl import PackageURL
        text = sys.stdin.read()
        error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
        print(error if error else "valid")
        purls = [c["purl"] for c in json.loads(text)["components"] if "purl" in c]
        for purl in purls:
            if PackageURL.from_string(purl).to_string() != purl: print("not canonical:", purl)
        print(len(purls))
        """

    @Test(arguments: [(false, "valid\n4\n"), (true, "valid\n5\n")])
    func cycloneDXsSchemaAcceptsTheBill(stock: Bool, said: String) async throws {
        let judged = try await PythonJudges.run(Self.cycloneScript, input: try bytes(.cyclonedx, stock: stock))
        #expect(judged.text == said, "\(judged.errors)")
    }

    @Test func cycloneDXsSchemaRefusesATamperedBill() async throws {
        let text = String(decoding: try bytes(.cyclonedx), as: UTF8.self)
        for (old, new) in [
            (SHA256Digest.of("xz").hex, "abc"), ("\"operating-system\"", "\"system\""), ("urn:uuid:", "uuid:"),
            ("\"bomFormat\"", "\"bom\""),
        ] {
            #expect(text.contains(old))
            let judged = try await PythonJudges.run(
                Self.cycloneScript, input: Array(text.replacingOccurrences(of: old, with: new).utf8))
            #expect(judged.status != 0 || !judged.text.hasPrefix("valid"), "\(new)")
        }
    }

    @Test func purlsSayWhereAPackageIsFrom() throws {
        let text = String(decoding: try bytes(.cyclonedx), as: UTF8.self)
        for purl in [
            "pkg:deb/debian/libstdc%2B%2B6@14.2.0-19?arch=arm64&distro=trixie",
            "pkg:deb/debian/docker-ce@5:28.0~rc1-1?arch=arm64&distro=trixie",
            "pkg:deb/piforge/linux-image-6.12-pi@6.12.48-1?arch=arm64",
        ] { #expect(text.contains("\"purl\" : \"\(purl)\""), "\(purl)") }
        let stock = String(decoding: try bytes(.cyclonedx, stock: true), as: UTF8.self)
        #expect(stock.contains("\"pkg:deb/ubuntu/bash@4.4.18-2ubuntu1?arch=arm64&distro=bionic\""))
        #expect(stock.contains("\"pkg:deb/debian/tzdata@2025b-4%2Bdeb13u1?arch=all\""))
    }

    /// An identifier belongs to one image, and is neither random nor timed.
    @Test func identifiersFollowTheImage() throws {
        var other = try Self.sample(stock: false)
        other.image.sha256 = .of("another")
        for companion in [Companion.spdx, .cyclonedx] {
            let one = try bytes(companion)
            let two = try #require(try Self.publication.bytes(of: companion, other))
            let differing = zip(one.split(separator: 10), two.split(separator: 10)).count { $0 != $1 }
            #expect(differing == 2, "the image's sum and the identifier")
        }
    }

    /// What Imager's schema requires, and that the numbers are the image's.
    @Test func imagerEntryHasAllThatIsRequired() async throws {
        let script = """
            import json, sys
            document = json.load(sys.stdin)
            assert set(document) == {"imager", "os_list"}
            [entry] = document["os_list"]
            types = dict(name=str, description=str, icon=str, url=str, extract_size=int, extract_sha256=str,
                         image_download_size=int, release_date=str, devices=list)
            for key, kind in types.items():
                assert type(entry[key]) is kind and entry[key], key
            assert entry["init_format"] in ("none", "systemd", "cloudinit", "cloudinit-rpi", "rpi-preseed")
            tags = document["imager"]["devices"][0]["tags"]
            assert set(entry["devices"]) <= set(tags)
            print(entry["name"], entry["url"], entry.get("bmap_url"), entry["release_date"], entry["extract_size"],
                  entry["image_download_size"], entry["architecture"], entry["icon"].split(",")[0])
            """
        func said(_ publication: Publication) async throws -> String {
            let bytes = try #require(try publication.bytes(of: .imager, Self.sample(stock: false)))
            return try await ToolRunner().run(Judge.python, ["-c", script], input: bytes, place: "os_list").text
        }
        #expect(
            try await said(Self.publication)
                == "pi pi.img.xz pi.img.bmap 2026-11-01 8388608 1000 armv8 data:image/svg+xml;base64\n")
        var publication = Self.publication
        publication.companions = [.imager]
        publication.imager.name = "My Pi"
        publication.imager.url = "https://example.org/images"
        publication.imager.icon = "https://example.org/i.png"
        #expect(
            try await said(publication)
                == "My Pi https://example.org/images/pi.img.xz None 2026-11-01 8388608 1000 armv8 "
                + "https://example.org/i.png\n")
    }

    @Test(arguments: [false, true])
    func inTotoAcceptsTheStatement(stock: Bool) async throws {
        let script = """
            import json, sys
            import google.protobuf.json_format as format
            import in_toto_attestation.v1.statement_pb2 as pb
            from in_toto_attestation.v1.statement import Statement
            text = sys.stdin.read()
            Statement.copy_from_pb(format.Parse(text, pb.Statement())).validate()
            predicate = json.loads(text)["predicate"]
            for d in predicate["buildDefinition"]["resolvedDependencies"]:
                assert "uri" in d or "digest" in d
            print(len(predicate["buildDefinition"]["resolvedDependencies"]), predicate["runDetails"]["builder"]["id"])
            """
        let text = String(decoding: try bytes(.provenance, stock: stock), as: UTF8.self)
        let judged = try await PythonJudges.run(script, input: Array(text.utf8))
        #expect(judged.text == "\(stock ? 9 : 8) pkg:generic/piforge@1.2.3\n", "\(judged.errors)")
        let changed = text.replacingOccurrences(of: "in-toto.io/Statement/v1", with: "in-toto.io/Statement/v9")
        #expect(try await PythonJudges.run(script, input: Array(changed.utf8)).status != 0)
    }

    @Test(arguments: [
        ("ID=ubuntu\nVERSION_CODENAME=\"bionic\"\n", "ubuntu", "bionic"), ("NAME=x\nID='debian'\n", "debian", nil),
        ("ID=De Bian\n", nil, nil), ("", nil, nil), ("VERSION_ID=1\n", nil, nil),
    ])
    func distributionIsReadFromOSRelease(text: String, id: String?, codename: String?) {
        let found = Manifest.Distribution(osRelease: text)
        #expect(found?.id == id)
        #expect(found?.codename == codename)
    }
}
