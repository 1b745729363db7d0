extension Recipe {
    /// A folder of the host whose files are laid over the packages' files.
    ///
    /// Git keeps of a file's mode only whether its owner may run it, and a checkout's umask decides the rest. So files are
    /// 0644, or 0755 when their owner may run them, and folders 0755, unless `modes` says otherwise.
    package struct Overlay: Sendable, Equatable {
        /// The folder.
        package var folder = HostPath(path: "", written: "")
        /// Where its files go: an absolute path in the image.
        package var to = "/"
        /// Who owns what the overlay brings.
        package var owner = Owner()
        /// Modes in place of that rule; no path twice.
        package var modes: [Mode] = []
        /// Paths inside the overlay's folder at which it may replace a folder of the image.
        package var replaced: [String] = []

        /// Numeric owner and group.
        package struct Owner: Sendable, Equatable {
            package var uid: UInt32 = 0
            package var gid: UInt32 = 0

            package init(uid: UInt32 = 0, gid: UInt32 = 0) {
                self.uid = uid
                self.gid = gid
            }
        }

        /// The mode of one path of the overlay.
        package struct Mode: Sendable, Equatable {
            /// A path inside the overlay's folder, without a leading slash.
            package var path = ""
            /// The permission bits, with set-user-ID, set-group-ID and sticky: 0 to 0o7777.
            package var mode: UInt16 = 0

            package init(path: String = "", mode: UInt16 = 0) {
                self.path = path
                self.mode = mode
            }
        }

        /// The owner as the recipe wrote it, until the accounts are known.
        var ownerText = "root"

        package init() {}
    }
}

extension Recipe.Overlay {
    static let shape = Shape<Recipe.Overlay>.object(
        Self(), called: "overlay",
        [
            Key(
                "path", \.folder, .existing(.folder, named: ["overlays", "../overlays"], shared: "overlays"),
                required: true,
                example: .string("motd"),
                "The folder. A name without a slash is a folder in `overlays/`, in the recipe's folder or the one above it, or of those "
                    + "that come with piforge; any other path starts at the recipe's folder."),
            Key(
                "to", \.to,
                .text(
                    "a path in the image", pattern: "/([^/\\x00-\\x1f]+(/[^/\\x00-\\x1f]+)*)?",
                    expected: "an absolute path"
                )
                .refusing { $0.split(separator: "/").contains("..") ? Refusal("the path climbs with '..'") : nil },
                example: .string("/opt/demo"), "Where its files go."),
            Key(
                "owner", \.ownerText,
                .text(
                    "an owner", pattern: "([a-z][a-z0-9_-]*|[0-9]{1,9}:[0-9]{1,9})",
                    expected: "root, an account of this recipe, or UID:GID"),
                example: .string("1000:1000"), "Who owns the files: `root`, an account of this recipe, or `UID:GID`."),
            Key(
                "modes", \.modes, .list(of: Mode.shape, called: "list of modes", identity: { $0.path }),
                "Modes other than 0644 (0755 where the owner may run the file) and 0755 for folders. A folder that is in the image already keeps its own."
            ),
            Key(
                "replace", \.replaced,
                .list(of: Mode.inside, called: "list of paths in the overlay", identity: { $0 }),
                example: .array([.string("etc/ssh")]),
                "Where a file or a link of the overlay may take the place of a folder of the image, and all in it. Elsewhere that is a mistake."
            ),
        ])
}

extension Recipe.Overlay.Mode {
    static let octal = Shape<String>.text("a mode", pattern: "[0-7]{3,4}", expected: "octal digits, such as 0440")
        .mapped(
            { text, _ in UInt16(text, radix: 8) ?? 0 },
            back: { String(repeating: "0", count: max(0, 4 - String($0, radix: 8).count)) + String($0, radix: 8) })

    static let inside = Shape<String>.text(
        "a path in the overlay", pattern: "[^/\\x00-\\x1f]+(/[^/\\x00-\\x1f]+)*",
        expected: "a path without a leading slash"
    ).refusing { $0.split(separator: "/").contains("..") ? Refusal("the path climbs with '..'") : nil }

    static let shape = Shape<Recipe.Overlay.Mode>.object(
        Self(),
        [
            Key(
                "path", \.path,
                inside, required: true, example: .string("etc/sudoers.d/build"), "A file or folder of the overlay."),
            Key(
                "mode", \.mode, octal, required: true, example: .string("0440"), "Its mode, in octal digits."),
        ])
}
