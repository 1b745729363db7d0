/// Where a kernel's source comes from, and what it is before it is configured.
package struct KernelSource: Sendable, Equatable {
    /// Where the source is.
    package enum Origin: Sendable, Equatable {
        /// A Debian package that brings /usr/src/NAME.tar.xz, from a suite of Debian's archive.
        case debian(package: String, suite: String)
        /// A tar archive: a URL, or a path as the recipe wrote it. The SHA-256 is 64 hex digits, lower case.
        case tarball(String, sha256: String)
        /// A repository and a commit of it; the commit's id (40 hex digits, lower case) is the checksum of all that is in it.
        case git(String, commit: String)
        /// A source tree of this machine; it is read, and never changed.
        case tree(HostPath)
    }

    package var origin: Origin
    /// Applied to the source in this order.
    package var patches: [Patch] = []
    /// The file of arch/arm64/configs that the configuration starts from, or `allnoconfig`.
    package var defconfig = "defconfig"

    package init(_ origin: Origin) { self.origin = origin }

    /// A patch as `diff -u` writes it, with one leading path component.
    package struct Patch: Sendable, Equatable {
        /// The patch. A file that does not have ``sha256`` is refused when it is read, not when the recipe is loaded.
        package var file = HostPath(path: "", written: "")
        /// 64 hex digits, lower case.
        package var sha256 = ""

        package init() {}
    }
}

extension KernelSource.Patch {
    static let shape = Shape<KernelSource.Patch>.object(
        Self(),
        [
            Key(
                "file", \.file, .existing(.file), required: true, example: .string("./0001-board.patch"),
                "The patch, with one leading path component (`a/…`, `b/…`)."),
            Key("sha256", \.sha256, KernelSource.sha256, required: true, "Its SHA-256."),
        ])
}

extension KernelSource {
    fileprivate static let sha256 = Shape<String>.text(
        "a SHA-256", pattern: "[0-9a-f]{64}", expected: "64 hex digits, lower case", limit: 64)

    /// A place without blanks that no program could take for an option.
    private static func place(_ kind: String, expected: String) -> Shape<String> {
        .text(kind, pattern: "[^-\\x00-\\x20\\x7f][^\\x00-\\x20\\x7f]*", expected: expected, limit: 1024)
    }

    /// What the recipe writes: the keys of all origins, of which one says where the source is.
    struct Keys: Sendable {
        var debian: String?
        var suite: String?
        var tarball: String?
        var sha256: String?
        var git: String?
        var commit: String?
        var tree: HostPath?

        static let shape = Shape<Keys>.object(
            Self(),
            [
                Key(
                    optional: "debian", \.debian, Recipe.Packages.name, example: .string("linux-source-6.12"),
                    "The source as a Debian package, verified by apt."),
                Key(
                    optional: "suite", \.suite,
                    .word("suite", of: ["bullseye", "bookworm", "trixie", "forky", "sid"]), fallback: "`trixie`",
                    "The suite of Debian that it comes from, with its updates and security suites."),
                Key(
                    optional: "tarball", \.tarball,
                    KernelSource.place("a URL or a path", expected: "a URL or a path, without blanks"),
                    example: .string("https://example.org/linux-6.12.tar.xz"),
                    "The source as a .tar.xz, .tar.gz, .tar.zst or .tar. Paths start at the recipe's folder."),
                Key(optional: "sha256", \.sha256, KernelSource.sha256, "The tarball's SHA-256."),
                Key(
                    optional: "git", \.git,
                    KernelSource.place("a repository", expected: "a URL or a path, without blanks"),
                    example: .string("https://github.com/raspberrypi/linux"), "The source as a git repository."),
                Key(
                    optional: "commit", \.commit,
                    .text(
                        "a commit's id", pattern: "[0-9a-f]{40}", expected: "all 40 hex digits, lower case", limit: 40),
                    "The commit; its id is the checksum of the whole source."),
                Key(
                    optional: "tree", \.tree, .existing(.folder), example: .string("~/src/linux"),
                    "The source as a folder of this machine; it is never changed."),
            ])
    }

    static let originShape: Shape<Origin> = {
        let keys = Keys.shape
        var shape = keys.mapped({ keys, _ in try origin(keys) }, back: { written($0) })
        let checked = shape.decode
        shape.decode = { node, path, decoding in
            // What a refused key would have said is not missed as well.
            let isRead = keys.decode(node, path, decoding) != nil
            return isRead && decoding.isClean(path.text) ? checked(node, path, decoding) : nil
        }
        return shape
    }()

    private static func origin(_ keys: Keys) throws -> Origin {
        let origins = [
            ("debian", keys.debian != nil), ("tarball", keys.tarball != nil), ("git", keys.git != nil),
            ("tree", keys.tree != nil),
        ]
        let named = origins.filter(\.1).map(\.0)
        guard named.count == 1 else {
            throw Refusal(
                named.isEmpty
                    ? "it says nothing of where the source is"
                    : "\(named.joined(separator: " and ")) exclude each other",
                expected: "one of debian, tarball, git, tree")
        }
        for (key, isThere, owner) in [
            ("suite", keys.suite != nil, "debian"), ("sha256", keys.sha256 != nil, "tarball"),
            ("commit", keys.commit != nil, "git"),
        ] where isThere && owner != named[0] {
            throw Refusal("\(key) belongs to \(owner), and the source is \(named[0])")
        }
        if let package = keys.debian { return .debian(package: package, suite: keys.suite ?? "trixie") }
        if let tarball = keys.tarball {
            guard let sha256 = keys.sha256 else {
                throw Refusal("the tarball has no checksum", expected: "sha256: 64 hex digits")
            }
            return .tarball(tarball, sha256: sha256)
        }
        if let git = keys.git {
            guard let commit = keys.commit else {
                throw Refusal(
                    "the repository has no commit: a branch is another source every day",
                    expected: "commit: 40 hex digits")
            }
            return .git(git, commit: commit)
        }
        guard let tree = keys.tree else { throw Refusal("it says nothing of where the source is") }
        return .tree(tree)
    }

    private static func written(_ origin: Origin) -> Keys {
        switch origin {
        case .debian(let package, let suite): Keys(debian: package, suite: suite)
        case .tarball(let place, let sha256): Keys(tarball: place, sha256: sha256)
        case .git(let url, let commit): Keys(git: url, commit: commit)
        case .tree(let path): Keys(tree: path)
        }
    }
}

extension Recipe.Kernel {
    /// The source that the kernel is built from; nil where it is a package's.
    package var source: KernelSource? {
        guard let origin else { return nil }
        var source = KernelSource(origin)
        source.patches = patches ?? []
        source.defconfig = defconfig ?? source.defconfig
        return source
    }

    /// The package, where the kernel is a package's.
    var packageKey: String? {
        get { origin == nil ? package : nil }
        set { package = newValue ?? package }
    }

    /// The keys of a kernel that is built from source.
    static let sourceKeys: [Key<Recipe.Kernel>] = [
        Key(
            optional: "source", \.origin, KernelSource.originShape, fallback: "the package",
            example: .members(["debian": .string("linux-source-6.12")]),
            "The source that the kernel is compiled from, in the package's place."),
        Key(
            optional: "defconfig", \.defconfig,
            .text(
                "a defconfig's name", pattern: "[A-Za-z0-9][A-Za-z0-9_.-]*",
                expected: "a file of arch/arm64/configs, or allnoconfig", limit: 128), fallback: "`defconfig`",
            example: .string("bcm2711_defconfig"),
            "What the configuration of a source starts from: a file of its arch/arm64/configs, or `allnoconfig`, which is everything off but what the fragments ask for."
        ),
        Key(
            optional: "patches", \.patches,
            .list(
                of: KernelSource.Patch.shape, called: "list of patches", limit: 1000, identity: { $0.file.path.string }),
            fallback: "none", "Patches of the source, applied in this order."),
        Key(
            optional: "initramfs", \.initramfsKey,
            Shape<String>.word("way", of: Initramfs.allCases.map(\.rawValue)).mapped(
                { text, _ in Initramfs(rawValue: text) ?? .auto }, back: \.rawValue), fallback: "`auto`",
            "Whether a kernel from source boots with an initramfs. `auto`: where a driver that the root on the SD card hangs on is not built in. `no`: that is an error."
        ),
    ]
}

extension Recipe {
    /// A kernel is a package's, or built from source.
    func checkKernel(_ root: Node, _ decoding: Decoding) {
        guard let keys = root["kernel"], decoding.isClean("kernel") else { return }
        if keys["source"] != nil {
            if keys["package"] != nil {
                decoding.refuse(
                    "kernel.package", in: root, "stands beside kernel.source, which takes its place",
                    next: "leave one of them out")
            }
        } else {
            for key in ["defconfig", "patches", "initramfs"] where keys[key] != nil {
                decoding.refuse("kernel.\(key)", in: root, "means something with kernel.source alone")
            }
        }
    }
}
