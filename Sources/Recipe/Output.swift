extension Recipe {
    /// How the image file is packed, and what lies beside it.
    package struct Output: Sendable, Equatable {
        package var compression = Compression()
        /// What lies beside the image besides its manifest and sums: `bmap`, `spdx`, `cyclonedx`, `imager`, `provenance`.
        package var companions = Self.allCompanions
        package var imager = Imager()

        static let allCompanions = ["bmap", "spdx", "cyclonedx", "imager", "provenance"]

        package init() {}

        /// How the .xz is made. The preset and the block size decide its bytes; the number of jobs does not.
        package struct Compression: Sendable, Equatable {
            /// xz's preset, 0 (fast) to 9.
            package var preset = 6
            /// Uncompressed bytes per block, 4 MiB to 64 MiB.
            package var blockSize = ByteCount.mebibytes(8)
            /// Decides the bytes too. Who unpacks an image with `arm64` needs xz 5.4 or newer.
            package var filter = Filter.none

            package init() {}
        }

        /// What the bytes go through before they are compressed.
        package enum Filter: String, Sendable, CaseIterable {
            case none
            /// xz's filter for ARM64 programs.
            case arm64
        }

        /// What Raspberry Pi Imager's list says of the image.
        package struct Imager: Sendable, Equatable {
            /// nil for the recipe's name.
            package var name: String?
            /// The folder that the outputs are published in, a URL; nil where that is not known.
            package var url: String?
            /// A URL; nil for a plain icon.
            package var icon: String?
            /// Where people read about the image: a URL; nil for none.
            package var website: String?
            /// How Imager may customise the image: `none`, `systemd`, `cloudinit`, `cloudinit-rpi` or `rpi-preseed`
            /// (rpi-imager, doc/os_customisation_formats.md).
            package var initFormat = "none"
            /// Imager's tags of boards.
            package var devices = ["pi4-64bit"]

            package init() {}
        }
    }
}

extension Recipe.Output {
    static let shape = Shape<Recipe.Output>.object(
        Self(),
        [
            Key(
                "compression", \.compression, Compression.shape,
                "How the .xz is made; the output's bytes depend on it."),
            Key(
                "companions", \.companions,
                .list(
                    of: .word("companion", of: allCompanions), called: "list of companions", limit: 16,
                    identity: { $0 }),
                "What lies beside the image, the manifest and the sums: a block map for bmaptool, bills of materials, an "
                    + "entry for Raspberry Pi Imager, and where all of it comes from (docs/outputs.md)."),
            Key("imager", \.imager, Imager.shape, "What Raspberry Pi Imager's list says of the image."),
        ])
}

extension Recipe.Output.Compression {
    static let shape = Shape<Recipe.Output.Compression>.object(
        Self(),
        [
            Key("preset", \.preset, .integer("xz's preset", in: 0...9), "0 is fast, 9 is small."),
            Key(
                "block_size", \.blockSize, .size(in: .mebibytes(4)...(.mebibytes(64))),
                "How much is compressed at a time. Small blocks are compressed again when they change; large ones pack better."
            ),
            Key(
                "filter", \.filter,
                Shape<String>.word("filter", of: Recipe.Output.Filter.allCases.map(\.rawValue)).mapped(
                    { text, _ in Recipe.Output.Filter(rawValue: text) ?? .none }, back: \.rawValue),
                "`arm64` packs programs better: with it preset 4 makes about as small an image as preset 6, in three quarters of the time. "
                    + "Who unpacks the image needs xz 5.4 (December 2022) or newer."),
        ])
}

extension Recipe.Output.Imager {
    private static let url = Shape<String>.text(
        "a URL", pattern: "(https?|file)://[^\\x00-\\x20\\x7f\"<>\\\\]+", expected: "https://…, http://… or file://…",
        limit: 2000)
    private static let picture = Shape<String>.text(
        "a URL", pattern: "((https?|file)://|data:image/)[^\\x00-\\x20\\x7f\"<>\\\\]+",
        expected: "https://…, http://…, file://… or data:image/…", limit: 65536)

    /// What Imager 2 knows; it leaves an entry with any other word out of its list, and Imager 1 takes one for `systemd`
    /// (rpi-imager, src/oslistparser.cpp, VALID_INIT_FORMATS; doc/os_customisation_formats.md).
    private static let initFormats = ["none", "systemd", "cloudinit", "cloudinit-rpi", "rpi-preseed"]

    static let shape = Shape<Recipe.Output.Imager>.object(
        Self(),
        [
            Key(
                optional: "name", \.name, .text("text", pattern: "[^\\n]+", limit: 256), fallback: "the recipe's name",
                "The image's name in the list."),
            Key(
                optional: "url", \.url, url, fallback: "none: the image is looked for beside the list",
                example: .string("https://example.org/images"),
                "The folder that the outputs are published in. Imager takes nothing but whole URLs."),
            Key(optional: "icon", \.icon, picture, fallback: "a plain one", "The image's icon, 40 by 40."),
            Key(optional: "website", \.website, url, "Where people read about the image."),
            Key(
                "init_format", \.initFormat,
                .word("init_format", of: initFormats),
                "How Imager may customise the image before the first boot. An image of piforge's takes its settings from the "
                    + "recipe; others than `none` need what they name in the image."),
            Key(
                "devices", \.devices,
                .list(
                    of: .text("a tag", pattern: "[a-z0-9][a-z0-9-]*", expected: "one of Imager's tags", limit: 64),
                    called: "list of tags", limit: 16, identity: { $0 }),
                "The boards it is offered for, by Imager's tags."),
        ])
}
