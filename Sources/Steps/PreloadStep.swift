import Diagnostics
import Digests
import Layers

/// Puts container images beside Docker, and a service that gives them to it on the first boot.
package struct PreloadStep: TreeStep {
    /// One of the recipe's `docker.preload`.
    package struct Source: Sendable {
        /// As the recipe wrote it.
        package let name: String
        /// Of the archive, or in the reference.
        package let digest: SHA256Digest
        /// What vouched for what was fetched; nil for an archive of this machine.
        package let trust: String?
        /// At least one, all for the board.
        package let images: [ContainerImage]

        package init(name: String, digest: SHA256Digest, trust: String?, images: [ContainerImage]) {
            self.name = name
            self.digest = digest
            self.trust = trust
            self.images = images
        }
    }

    package let name = "images"
    /// In the recipe's order.
    package let sources: [Source]

    package init(_ sources: [Source]) { self.sources = sources }

    /// Those of all sources, in their order, duplicates among them.
    package var images: [ContainerImage] { sources.flatMap(\.images) }

    package var summary: String { "\(images.count) for Docker" }

    /// Each source's digest, and the digest of what loads the images on the board.
    package var inputs: [StepInput] {
        sources.map { StepInput("docker.preload \($0.name)", $0.digest.hex) } + [
            StepInput("loading", SHA256Digest.of(Self.unit + Self.program).hex)
        ]
    }

    /// The service's name; it is over when Docker has the images.
    package static let unitName = "piforge-images.service"
    private static let folder: EntryPath = "var/lib/piforge/images"

    /// Each image once, and the service that loads it.
    ///
    /// - Throws: `Failure` of kind usage when the tree has no dockerd.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        guard ["usr/sbin/dockerd", "usr/bin/dockerd"].contains(where: { tree.content($0) != nil }) else {
            throw Failure(
                .usage, at: "docker.preload", "it gives Docker images, and the system has no Docker",
                next: "add docker: {from: distribution}")
        }
        var layer = Layer(name: name)
        for image in Self.merged(images) {
            layer.entries += image.entries(in: Self.folder.appending(String(image.id.hex.prefix(16))), epoch: epoch)
        }
        let units: EntryPath = "usr/lib/systemd/system"
        layer.addText("usr/lib/piforge/load-images", Self.program, mode: 0o755, epoch: epoch)
        layer.addText(units.appending(Self.unitName), Self.unit, epoch: epoch)
        layer.addSymlink(
            units.appending("multi-user.target.wants").appending(Self.unitName), to: "../\(Self.unitName)",
            .root(0o777, epoch: epoch))
        return layer
    }

    /// Images that are equal become one, with the names of all.
    private static func merged(_ images: [ContainerImage]) -> [ContainerImage] {
        images.reduce(into: []) { merged, image in
            if let index = merged.firstIndex(where: { $0.id == image.id }) {
                merged[index].tags += image.tags.filter { !merged[index].tags.contains($0) }
            } else {
                merged.append(image)
            }
        }
    }

    private static let unit = """
        [Unit]
        Description=Give Docker the images that came with the system
        Requires=docker.service
        After=docker.service
        ConditionPathExistsGlob=/var/lib/piforge/images/*/manifest.json

        [Service]
        Type=oneshot
        ExecStart=/usr/lib/piforge/load-images

        [Install]
        WantedBy=multi-user.target

        """

    private static let program = """
        #!/bin/sh
        # Gives Docker the images that came with the system, each once: what Docker has is removed here. One that could not be loaded
        # stays for the next boot.
        set -u
        failed=0
        for image in /var/lib/piforge/images/*; do
            [ -e "$image/manifest.json" ] || continue
            if tar -C "$image" -cf - manifest.json blobs | docker load --quiet; then
                rm -rf -- "$image"
            else
                failed=1
            fi
        done
        exit "$failed"

        """
}
