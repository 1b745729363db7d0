import Diagnostics

/// A stock image that becomes the first layer: where it is fetched from, and what vouches for it.
package struct StockBase: Sendable, Equatable {
    /// The image's file name, as its publisher's list of sums has it: `….img.xz`.
    package var file = ""
    /// The folders it lies in, tried in this order: URLs, or paths of this machine.
    package var mirrors: [String] = []
    /// Required in a recipe; the value here is a placeholder.
    package var trust = Trust.confirmation

    package init() {}

    /// What proves that a fetched file is the one that was meant.
    package enum Trust: Sendable, Equatable {
        /// The publisher's signed list of sums.
        case signature(SignedSums)
        /// A digest that the recipe holds, as `sha256:HEX`; `sha512:`, `sha1:` or `md5:` where the publisher gives nothing better.
        case digest(String)
        /// Nothing does: a person has to accept the file once (`piforge lock accept`).
        case confirmation
    }

    /// A list of sums and its detached signature, in the image's own folder.
    package struct SignedSums: Sendable, Equatable {
        /// The name of the list of SHA-256 sums.
        package var sums = "SHA256SUMS"
        /// The name of the list's detached OpenPGP signature.
        package var file = "SHA256SUMS.gpg"
        /// The keys that count: fingerprints of 40 hex digits, upper case.
        package var keys: [String] = []
        /// Where the keys are whose fingerprints ``keys`` has.
        package var keyring = Keyring.package("ubuntu-archive-keyring")
        /// Whether DSA keys and RSA keys of fewer than 2048 bits count.
        package var allowsWeakKeys = false

        package init() {}
    }
}

/// Where OpenPGP keys come from.
package enum Keyring: Sendable, Equatable {
    /// A file of this machine.
    case file(HostPath)
    /// A Debian package that installs it as /usr/share/keyrings/NAME.gpg. It is fetched, and never installed here.
    case package(String)
    /// A file to download; it must hold exactly the keys of these fingerprints.
    case url(String, keys: [String])
}

extension StockBase {
    /// Suffixes of packings that publishers use and that are not read.
    private static let foreignSuffixes = [
        ".gz", ".zst", ".bz2", ".lz4", ".zip", ".7z", ".tar", ".qcow2", ".vmdk", ".vhdx",
    ]

    private static let imageName: Shape<String> = {
        let expected = "the name of an .img.xz or .img"
        var shape = Shape<String>.text(
            "a file name", pattern: "[A-Za-z0-9][A-Za-z0-9._+~-]*\\.img(\\.xz)?", expected: expected,
            limit: 200)
        let read = shape.decode
        shape.decode = { node, path, decoding in
            guard let name = scalarText(node), foreignSuffixes.contains(where: name.hasSuffix) else {
                return read(node, path, decoding)
            }
            decoding.refuse(
                path, at: node.place,
                Refusal(
                    "an image in this packing is not read as it is", expected: expected, found: name,
                    next:
                        "unpack it, and name its folder in mirrors; piforge inspect \(name.shellWord) says with which command"
                ))
            return nil
        }
        return shape
    }()

    static let shape = Shape<StockBase>.object(
        Self(),
        [
            Key(
                "file", \.file, imageName, required: true,
                example: .string("ubuntu-18.04.3-preinstalled-server-arm64+raspi3.img.xz"),
                "The image's file name, as its publisher has it."),
            Key(
                "mirrors", \.mirrors,
                .list(
                    of: .text(
                        "a folder", pattern: "[^\\x00-\\x20\\x7f]+", expected: "a URL or a path, without blanks",
                        limit: 1024), called: "list of URLs or paths", limit: 32, identity: { $0 }
                ).refusing { $0.isEmpty ? Refusal("the list is empty", expected: "at least one folder") : nil },
                required: true, example: .array([.string("http://old-releases.ubuntu.com/releases/18.04.3/")]),
                "The folders it is fetched from, tried in this order. Paths start at the recipe's folder."),
            Key("trust", \.trust, Trust.shape, required: true, "What proves that the file is the right one."),
        ])

    /// 40 hex digits, with or without blanks between them: gpg prints groups of four, two blanks in the middle.
    static let fingerprint = Shape<String>.text(
        "a key's fingerprint", pattern: "([0-9A-Fa-f] {0,2}){40}", expected: "40 hex digits", limit: 120
    ).mapped({ text, _ in text.filter { $0 != " " }.uppercased() }, back: { $0 })

    static let keys = Shape<[String]>.list(of: fingerprint, called: "list of fingerprints", limit: 32, identity: { $0 })
        .refusing { $0.isEmpty ? Refusal("the list is empty", expected: "at least one fingerprint") : nil }
}

extension StockBase.Trust {
    static let shape = Shape<StockBase.Trust>.oneOf(
        "a proof",
        [
            .key(
                "signature", StockBase.SignedSums.shape, "The publisher's list of sums and its OpenPGP signature.",
                make: { .signature($0) }, part: { if case .signature(let sums) = $0 { sums } else { nil } }),
            .key(
                "digest",
                .text(
                    "a digest",
                    pattern: "sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}|sha1:[0-9a-f]{40}|md5:[0-9a-f]{32}",
                    expected: "sha256:HEX (or sha512:, sha1:, md5: where the publisher gives nothing better)"),
                "A digest that you trust.",
                make: { .digest($0) }, part: { if case .digest(let text) = $0 { text } else { nil } }),
            .word(
                "confirm", .confirmation, "Nothing: the file must be accepted once with `piforge lock accept`.",
                is: { $0 == .confirmation }),
        ])
}

extension StockBase.SignedSums {
    private static let name = Shape<String>.text(
        "a file name", pattern: "[A-Za-z0-9][A-Za-z0-9._-]*", expected: "a file in the image's folder", limit: 200)

    static let shape = Shape<StockBase.SignedSums>.object(
        Self(),
        [
            Key("sums", \.sums, name, "The list of SHA-256 sums, in the image's folder."),
            Key("file", \.file, name, "The list's detached signature, in the same folder."),
            Key(
                "keys", \.keys, StockBase.keys, required: true,
                example: .array([.string("843938DF228D22F7B3742BC0D94AA3F0EFE21092")]),
                "The fingerprints of the keys whose signature counts."),
            Key("keyring", \.keyring, Keyring.shape, "Where those keys are."),
            Key(
                "allow_weak_keys", \.allowsWeakKeys, .flag,
                "Whether DSA keys, and RSA keys of fewer than 2048 bits, count."),
        ])
}

extension Keyring {
    static let shape = Shape<Keyring>.oneOf(
        "a keyring",
        [
            .key(
                "package", Recipe.Packages.name,
                "A Debian package that brings /usr/share/keyrings/NAME.gpg; it is fetched for this and not installed.",
                make: { .package($0) }, part: { if case .package(let name) = $0 { name } else { nil } }),
            .key(
                "file", .existing(.file), "A file of keys, binary or armoured.",
                make: { .file($0) }, part: { if case .file(let path) = $0 { path } else { nil } }),
            .key(
                "download", Download.shape, "A file of keys to fetch, which must hold these keys and no others.",
                make: { .url($0.url, keys: $0.keys) },
                part: { if case .url(let url, let keys) = $0 { Download(url: url, keys: keys) } else { nil } }),
        ])

    struct Download: Sendable {
        var url = ""
        var keys: [String] = []

        static let shape = Shape<Download>.object(
            Self(),
            [
                Key("url", \.url, Recipe.Packages.uri, required: true, "Where the file is."),
                Key("keys", \.keys, StockBase.keys, required: true, "The fingerprints of all keys in it."),
            ])
    }
}
