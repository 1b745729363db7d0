import Records
import XZ
import Diagnostics
import Digests
import Foundation
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

@Suite struct ManifestTests {
    static func sample() async throws -> Manifest {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-pack")
        try writeDisk(folder.path.appending("d"), size: 1 << 20, [(0, [1, 2, 3])])
        let settings = try XZSettings(preset: 6, blockSize: 1 << 20)
        let summary = try await XZWriter(settings: settings, workers: 1)
            .write(FileSource(folder.path.appending("d")), to: folder.path.appending("d.xz"))
        return Manifest(
            name: "debian-13", epoch: 1_700_000_000, recipe: .init(canonical: "name: debian-13\n"),
            packages: [
                .init(
                    .init(name: "libc6", version: "2.41-12", architecture: "arm64"), source: "glibc",
                    sourceVersion: "2.41-12", size: 2_000_000, sha256: .of("libc6"))
            ], inputs: [.init(name: "overlays/root", kind: "overlay", sha256: .of("overlay"))],
            partitionTable: .init(
                scheme: "mbr", identifier: "1234abcd",
                partitions: [
                    .init(
                        number: 1, start: 1 << 20, size: 256 << 20, type: "0c", filesystem: "vfat",
                        label: "system-boot",
                        uuid: "1234-ABCD")
                ]), image: .init(file: "debian-13.img.xz", summary: summary, settings: settings),
            accounts: [
                .init(
                    name: "pi", groups: ["sudo"], credential: .generatedPassword, passwordExpired: true,
                    authorizedKeys: 0)
            ],
            expectations: .init(
                hostname: "forge", memoryLimit: nil, kernelRelease: "6.12.0-arm64", docker: true,
                ssh: .init(passwordLogin: false, rootLogin: false), serialConsole: "ttyS1", growsRoot: true,
                kernelConfig: ["CONFIG_KVM=y"],
                runtimes: [
                    .init(
                        name: "gvisor", docker: "gvisor",
                        checks: [
                            .init(name: "a kernel of its own", run: "docker run --runtime gvisor x", expect: "Linux")
                        ])
                ]))
    }

    @Test func pythonReadsWhatWasWritten() async throws {
        let manifest = try await Self.sample()
        let json = try manifest.json()
        let script = """
            import json, sys
            text = sys.stdin.read()
            m = json.loads(text)
            def ordered(v):
                if isinstance(v, dict):
                    assert list(v) == sorted(v), list(v)
                    [ordered(x) for x in v.values()]
                elif isinstance(v, list):
                    [ordered(x) for x in v]
            ordered(m)
            assert text.endswith("}\\n")
            print(m["format"], m["epoch"], m["image"]["file"], m["image"]["uncompressedSize"], m["packages"][0]["source"],
                  m["partitionTable"]["partitions"][0]["size"], m["accounts"][0]["credential"], "memoryLimit" in m["expectations"])
            """
        let result = try await ToolRunner().run(Judge.python, ["-c", script], input: json, place: "manifest")
        #expect(result.text == "1 1700000000 debian-13.img.xz 1048576 glibc 268435456 generatedPassword False\n")
        #expect(try manifest.json() == json)
        #expect(try Manifest(json: json, at: "m") == manifest)
    }

    @Test func packageIsOneObject() async throws {
        let text = String(decoding: try await Self.sample().json(), as: UTF8.self)
        let digest = SHA256Digest.of("libc6").hex
        #expect(
            text.contains(
                """
                  "packages" : [
                    {
                      "architecture" : "arm64",
                      "name" : "libc6",
                      "sha256" : "\(digest)",
                      "size" : 2000000,
                      "source" : "glibc",
                      "sourceVersion" : "2.41-12",
                      "version" : "2.41-12"
                    }
                  ],

                """))
    }

    @Test(arguments: [
        ("\"format\" : 1", "\"format\" : 2", "the manifest has another format"),
        ("\"epoch\" : 1700000000", "\"epoch\" : \"x\"", "this is not a manifest"),
        ("name: debian-13\\n", "name: debian-12\\n", "the recipe in the manifest does not fit its digest"),
        ("\"debian-13.img.xz\"", "\"../debian-13.img.xz\"", "the image's file name is not allowed"),
        ("{", "[", "this is not a manifest"),
    ])
    func changedManifestIsRefused(old: String, new: String, message: String) async throws {
        let text = String(decoding: try await Self.sample().json(), as: UTF8.self)
        #expect(text.contains(old))
        let changed = text.replacingOccurrences(of: old, with: new)
        #expect(failure { try Manifest(json: Array(changed.utf8), at: "m") }?.headline == "m: \(message)")
    }

    @Test func manifestFromBeforeTheKernelsConfigurationIsRead() async throws {
        var manifest = try await Self.sample()
        let text = String(decoding: try manifest.json(), as: UTF8.self)
        let old = text.replacing(#/ *"kernelConfig" : \[[^\]]*\],\n/#, with: "")
        #expect(old.count < text.count)
        manifest.expectations.kernelConfig = []
        #expect(try Manifest(json: Array(old.utf8), at: "m") == manifest)
    }

    @Test func manifestFromBeforeTheRuntimesIsRead() async throws {
        var manifest = try await Self.sample()
        manifest.expectations.runtimes = []
        let text = String(decoding: try manifest.json(), as: UTF8.self)
        let old = text.replacing(#/ *"runtimes" : \[[^\]]*\],\n/#, with: "")
        #expect(old.count < text.count)
        #expect(try Manifest(json: Array(old.utf8), at: "m") == manifest)
    }

    /// An image without wifi has the manifest that it always had.
    @Test func wifiIsInTheManifestWhereTheImageHasIt() async throws {
        var manifest = try await Self.sample()
        let without = try manifest.json()
        #expect(!String(decoding: without, as: UTF8.self).contains("wifi"))
        #expect(try Manifest(json: without, at: "m").expectations.wifi == nil)
        manifest.expectations.wifi = .init(ssid: "home: sweet", country: "DE")
        let json = try manifest.json()
        #expect(String(decoding: json, as: UTF8.self).contains(#""ssid" : "home: sweet""#))
        #expect(try Manifest(json: json, at: "m") == manifest)
    }

    @Test func unknownKeyIsPassedOver() async throws {
        let manifest = try await Self.sample()
        let text = String(decoding: try manifest.json(), as: UTF8.self)
            .replacingOccurrences(of: "\"epoch\" :", with: "\"colour\" : \"red\", \"epoch\" :")
        #expect(try Manifest(json: Array(text.utf8), at: "m") == manifest)
    }
}
