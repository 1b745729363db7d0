import Digests
import Foundation
import Recipe

/// The list of Raspberry Pi Imager (raspberrypi/rpi-imager, doc/json-schema/os-list-schema.json).
extension Recipe.Output.Imager {
    /// A board on a violet ground, 40 by 40, as a URL of its own.
    static let plainIcon: String = {
        let shapes = """
            <svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 40 40'><rect width='40' height='40' rx='8' fill='#5b3a8c'/>\
            <rect x='8' y='11' width='24' height='18' rx='2' fill='#fff'/><rect x='17' y='16' width='8' height='8' fill='#5b3a8c'/></svg>
            """
        return "data:image/svg+xml;base64," + Data(shapes.utf8).base64EncodedString()
    }()

    /// The image's entry, in a list of its own that Imager opens (`rpi-imager --repo`) and that other lists may refer to.
    func list(_ manifest: Manifest, _ publication: Publication) -> JSONValue {
        let image = manifest.image
        let blockMap: JSONValue? =
            publication.companions.contains(.bmap) ? .string(location(of: Companion.bmap.file(manifest.name))) : nil
        let description = publication.description.isEmpty ? manifest.name : publication.description
        return .members([
            // Imager asks for the board first; of a list that another refers to, it passes this over.
            "imager": .members(["devices": .array([board])]),
            "os_list": .array([
                .members([
                    "name": .string(name ?? manifest.name), "description": .string(description),
                    "icon": .string(icon ?? Self.plainIcon), "url": .string(location(of: image.file)),
                    "bmap_url": blockMap,
                    "website": website.map { .string($0) },
                    "release_date": .string(String(manifest.epochText.prefix(10))),
                    "extract_size": .integer(Int64(image.uncompressedSize)),
                    "extract_sha256": .string(image.uncompressedSHA256.hex),
                    "image_download_size": .integer(Int64(image.size)),
                    "image_download_sha256": .string(image.sha256.hex),
                    "devices": .array(devices.map { .string($0) }), "init_format": .string(initFormat),
                    "architecture": "armv8",
                ])
            ]),
        ])
    }

    private var board: JSONValue {
        .members([
            "name": "Raspberry Pi 4", "description": "Raspberry Pi 4 Model B and 400",
            "tags": .array(devices.map { .string($0) }), "icon": .string(Self.plainIcon), "matching_type": "exclusive",
        ])
    }

    /// A reference relative to the list's own place (RFC 3986, section 4.2) where the URL is not known: no path of the
    /// machine that built it belongs into a file that is published.
    private func location(of file: String) -> String {
        guard let url else { return file }
        return url.hasSuffix("/") ? url + file : "\(url)/\(file)"
    }
}
