import Debian
import Diagnostics
import Layers
import Steps
import Stock

/// A stock image as the start of a build: its files, its packages, its boot partition.
struct BaseSystem {
    let tree: Tree
    let installed: InstalledPackages
    let boot: StockBoot

    /// - Throws: `Failure` when it has no dpkg database, packages that are half installed, or boot files that are not a Pi's.
    init(_ image: StockImage) throws {
        tree = try Tree([image.layer])
        installed = try InstalledPackages(reading: tree)
        let unfinished = installed.unfinished
        guard unfinished.isEmpty else {
            throw Failure(
                at: "base image", "packages of the image are not wholly installed",
                expected: "installed, or not at all",
                found: unfinished.prefix(8).joined(separator: ", "),
                next: "use an image whose dpkg --audit finds nothing")
        }
        boot = try StockBoot(image.layer, mountPoint: image.bootMountPoint)
    }

    /// The names of the packages that the image brings.
    var installedNames: Set<String> { installed.names }
}
