import Diagnostics
import Digests
import Foundation
import Recipe

/// A file that lies beside an image, for those who flash, publish or audit it.
package enum Companion: String, CaseIterable, Sendable {
    /// The block map, for bmaptool.
    case bmap
    /// The bill of materials as SPDX.
    case spdx
    /// The bill of materials as CycloneDX.
    case cyclonedx
    /// The entry for Raspberry Pi Imager's list.
    case imager
    /// What the image was made from, as an in-toto statement.
    case provenance

    /// The file of an image's name.
    ///
    /// The block map's is one that both who look for it know: bmaptool looks for `X.img.xz.bmap`, `X.img.bmap` and `X.bmap`
    /// (bmap-tools, CLI.py, find_and_open_bmap), Imager's script for lists of local images for the first two (rpi-imager,
    /// doc/local_json). It describes the disk, not the .xz, and so has the disk's name.
    package func file(_ name: String) -> String {
        switch self {
        case .bmap: "\(name).img.bmap"
        case .spdx: "\(name).spdx.json"
        case .cyclonedx: "\(name).cdx.json"
        case .imager: "\(name).os_list.json"
        case .provenance: "\(name).provenance.json"
        }
    }
}

/// What is said of an image besides what its manifest says. With the manifest it gives all companions but the block map,
/// the same bytes each time.
package struct Publication: Sendable, Equatable {
    /// The version of piforge that made the image.
    package var piforge: String
    /// What the image is for, in a sentence; may be empty.
    package var description: String
    /// What lies beside the image.
    package var companions: [Companion]
    /// Of use where ``Companion/imager`` is among the companions.
    package var imager: Recipe.Output.Imager

    package init(
        piforge: String, description: String, companions: [Companion] = Companion.allCases,
        imager: Recipe.Output.Imager = Recipe.Output.Imager()
    ) {
        self.piforge = piforge
        self.description = description
        self.companions = companions
        self.imager = imager
    }

    /// A companion's bytes; nil for the block map, which is made from the disk.
    ///
    /// - Throws: `Failure` when it cannot be written as JSON.
    package func bytes(of companion: Companion, _ manifest: Manifest) throws -> [UInt8]? {
        let json: JSONValue
        switch companion {
        case .bmap: return nil
        case .spdx: json = BillOfMaterials(manifest, self).spdx
        case .cyclonedx: json = BillOfMaterials(manifest, self).cycloneDX
        case .imager: json = imager.list(manifest, self)
        case .provenance: json = provenance(of: manifest)
        }
        return try json.file(companion.file(manifest.name))
    }
}

extension Manifest {
    /// The epoch as RFC 3339 has it: `2026-11-01T00:00:00Z`.
    var epochText: String { Date(timeIntervalSince1970: TimeInterval(epoch)).formatted(.iso8601) }

    /// An identifier that is the same for the same image, and no other's.
    func identifier(_ purpose: String) -> String {
        let hasher = KeyHasher(purpose: purpose)
        hasher.add(recipe.sha256)
        hasher.add(image.sha256)
        return hasher.finalize().uuid
    }
}
