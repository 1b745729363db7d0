import Diagnostics
import Digests
import Foundation
import Layers
import Steps
import Storage
import SystemPackage
import TestSupport
import Testing
import Tools

/// Archives of images, made by Python as Docker and skopeo make them.
private enum Archives {
    /// `oci`, `oci-index`, `saved` (Docker before 25) or `both` (since), and what is wrong with it.
    static let script = """
        import hashlib, io, json, sys, tarfile
        kind, fault = sys.argv[1], sys.argv[2]
        files = {}
        def blob(data):
            digest = hashlib.sha256(data).hexdigest()
            files["blobs/sha256/" + digest] = data
            return digest
        def descriptor(data, kind, **more):
            return dict(mediaType="application/vnd.oci.image." + kind, digest="sha256:" + blob(data), size=len(data), **more)
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as inner:
            entry = tarfile.TarInfo("hello"); entry.size = 5
            inner.addfile(entry, io.BytesIO(b"hello"))
        layer = buffer.getvalue()
        machine = "amd64" if fault == "machine" else "arm64"
        diffs = ["sha256:" + hashlib.sha256(layer).hexdigest()] * (2 if fault == "layers" else 1)
        config = json.dumps(dict(architecture=machine, os="linux", rootfs=dict(type="layers", diff_ids=diffs))).encode()
        stored = layer[:-1] + b"x" if fault == "layer" else layer
        if kind == "saved":
            name = hashlib.sha256(config).hexdigest() + ".json"
            files[name] = config
            files["abc/layer.tar"] = stored
            files["manifest.json"] = json.dumps([dict(Config=name, RepoTags=["hello:1"], Layers=["abc/layer.tar"])]).encode()
        else:
            manifest = json.dumps(dict(schemaVersion=2, config=descriptor(config, "config.v1+json"),
                layers=[descriptor(layer, "layer.v1.tar")])).encode()
            notes = {"org.opencontainers.image.ref.name": "example.org/hello:1"}
            top = descriptor(manifest, "manifest.v1+json", annotations=notes)
            if kind == "oci-index":
                other = descriptor(b"{}", "manifest.v1+json", platform=dict(architecture="amd64", os="linux"))
                mine = descriptor(manifest, "manifest.v1+json", platform=dict(architecture="arm64", os="linux"))
                images = [other] if fault == "index" else [other, mine]
                top = descriptor(json.dumps(dict(manifests=images)).encode(), "index.v1+json", annotations=notes)
            files["index.json"] = json.dumps(dict(manifests=[top])).encode()
            files["oci-layout"] = b'{"imageLayoutVersion": "1.0.0"}'
            if fault == "layer": files["blobs/sha256/" + hashlib.sha256(layer).hexdigest()] = stored
            if fault == "missing": del files["blobs/sha256/" + hashlib.sha256(layer).hexdigest()]
        if fault == "other": files = {"readme": b"x"}
        with tarfile.open(sys.argv[3], "w") as archive:
            for name, data in files.items():
                entry = tarfile.TarInfo(name); entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))
        """

    static func make(_ kind: String, fault: String = "", in folder: FilePath) async throws -> ImageArchive {
        let path = folder.appending("app.tar")
        try await ToolRunner().run(
            Judge.python, ["-c", script, kind, fault, path.string],
            place: "test")
        return ImageArchive(name: "./app.tar", path: path, digest: .of(try readFile(path)))
    }
}

@Suite struct ImageArchiveTests {
    @Test(arguments: [("oci", "example.org/hello:1"), ("oci-index", "example.org/hello:1"), ("saved", "hello:1")])
    func anImageIsReadAndPlacedForDockerLoad(kind: String, tag: String) async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-images")
        let archive = try await Archives.make(kind, in: folder.path)
        let images = try archive.images(in: LayerStore(folder: folder.path.appending("layers")))
        #expect(images.map(\.tags) == [[tag]])
        let step = PreloadStep([.init(name: archive.name, digest: archive.digest, trust: nil, images: images)])
        let tree = try sampleTree([
            Entry("usr/sbin/dockerd", Attributes(mode: 0o755, mtime: Timestamp(seconds: 1)), .regular(Content("elf")))
        ])
        let after = try tree.with(step.apply(to: tree, epoch: epoch))
        let id = try #require(images.first).id.hex
        let place = try EntryPath(validating: "var/lib/piforge/images/\(id.prefix(16))")
        // Python follows the manifest as `docker load` does.
        let image = try #require(after.subtree(place))
        let bytes = try ArchiveWriter(.tar).bytes(of: image)
        let script = """
            import hashlib, json, sys, tarfile
            archive = tarfile.open(fileobj=sys.stdin.buffer, mode="r|")
            files = {m.name: archive.extractfile(m).read() for m in archive if m.isfile()}
            for entry in json.loads(files.pop("manifest.json")):
                config = files.pop(entry["Config"])
                layers = [hashlib.sha256(files[name]).hexdigest() for name in entry["Layers"]]
                assert ["sha256:" + x for x in layers] == json.loads(config)["rootfs"]["diff_ids"]
                for name in set(entry["Layers"]): files.pop(name)
                print(hashlib.sha256(config).hexdigest(), entry["RepoTags"], list(files))
            """
        let judged = try await ToolRunner().run(
            Judge.python, ["-c", script], input: bytes, place: "test")
        #expect(judged.text == "\(id) ['\(tag)'] []\n")
        #expect(after["usr/lib/piforge/load-images"]?.attributes.mode == 0o755)
        #expect(
            after["usr/lib/systemd/system/multi-user.target.wants/piforge-images.service"]?.kind
                == .symlink(Array("../piforge-images.service".utf8)))
    }

    @Test(arguments: [
        (
            "oci", "machine",
            "sha256:SUM: the image is for another machine\n  expected: linux/arm64\n  found:    linux/amd64"
        ),
        (
            "oci-index", "index",
            "the image is for other machines\n  expected: linux/arm64\n  found:    linux/amd64"
        ),
        (
            "oci", "layers",
            "sha256:SUM: the image's configuration does not fit its layers\n  expected: 2 layers\n  found:    1"
        ),
        (
            "oci", "layer",
            """
            /blobs/sha256/SUM: the blob is not the one that its image has
              expected: sha256:SUM, 10240 bytes
              found:    sha256:SUM, 10240 bytes
            """
        ),
        ("oci", "missing", "the archive lacks a blob that its image has\n  expected: /blobs/sha256/SUM"),
        (
            "saved", "machine",
            "the image is for another machine\n  expected: linux/arm64\n  found:    linux/amd64"
        ),
        (
            "saved", "layer",
            """
            abc/layer.tar: the layer is none of those that the image's configuration names
              found:    sha256:SUM
            """
        ),
        (
            "saved", "other",
            """
            this is no archive of container images
              expected: what docker save writes, or an OCI image layout in a tar
            """
        ),
    ])
    func aBadArchiveIsRefused(kind: String, fault: String, message: String) async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-images")
        let archive = try await Archives.make(kind, fault: fault, in: folder.path)
        let store = try LayerStore(folder: folder.path.appending("layers"))
        let failure = failure { _ = try archive.images(in: store) }
        let said = failure?.description.replacing(#/[0-9a-f]{64}/#, with: "SUM")
        #expect(said == "./app.tar: \(message)")
    }

    /// The service's program, with a Docker that fails once: what was not loaded stays for the next boot.
    @Test func whatDockerHasIsRemovedAndTheRestStays() async throws {
        let folder = try TemporaryFolder(in: "/tmp", name: "piforge-images")
        let layer = try PreloadStep([]).apply(
            to: sampleTree([
                Entry(
                    "usr/bin/dockerd", Attributes(mode: 0o755, mtime: Timestamp(seconds: 1)), .regular(Content("elf")))
            ]), epoch: epoch)
        let program = try #require(try Tree([layer]).text("usr/lib/piforge/load-images"))
        for name in ["a", "b"] {
            try writeAtomically(to: folder.path.appending("images/\(name)/manifest.json"), bytes: Array(name.utf8))
            try writeAtomically(to: folder.path.appending("images/\(name)/blobs/x"), bytes: Array(name.utf8))
        }
        let docker = """
            #!/bin/sh
            test "$*" = "load --quiet" || exit 9
            tar -xO manifest.json > \(folder.path)/loaded.$$; test "$(cat \(folder.path)/loaded.$$)" = a
            """
        try writeAtomically(to: folder.path.appending("bin/docker"), mode: 0o755, bytes: Array(docker.utf8))
        let script =
            "PATH=\(folder.path)/bin:$PATH\n"
            + program.replacing("/var/lib/piforge/images", with: "\(folder.path)/images")
        let result = try await ToolRunner().result(
            Judge.sh, ["-c", script])
        #expect(result.status == 1)
        #expect(!exists(folder.path.appending("images/a")))
        #expect(exists(folder.path.appending("images/b/manifest.json")))
    }
}
