extension Recipe {
    /// Docker: where it comes from, and what its daemon.json says.
    package struct Docker: Sendable, Equatable {
        /// nil: `packages.install` names its packages.
        package var origin: Origin?
        /// nil: containers' logs are rotated at ``Log``'s defaults, unless a daemon.json of the image says otherwise.
        package var log: Log?
        /// Further keys of daemon.json: an object.
        package var daemon: JSON?
        /// Images that are there on the first boot.
        package var preload: [Preload] = []

        package init() {}

        /// Where the engine comes from.
        package enum Origin: String, Sendable, CaseIterable {
            /// docker.io of the distribution.
            case distribution
            /// docker-ce of Docker's own archive.
            case docker = "docker.com"
        }

        /// How containers' logs are kept from filling the card.
        package struct Log: Sendable, Equatable {
            /// As Docker writes it: `10m`.
            package var maxSize = "10m"
            /// How many files are kept of a container's log: 1 to 1000.
            package var maxFile = 3

            package init() {}
        }

        /// An image for the first boot.
        package enum Preload: Sendable, Equatable {
            /// An archive of this machine, as `docker save` writes it, or an OCI layout in a tar.
            case archive(HostPath)
            /// `REGISTRY/NAME@sha256:…`, or `REGISTRY/NAME:TAG@sha256:…`.
            case image(String)
        }
    }
}

extension Recipe.Docker {
    static let shape = Shape<Recipe.Docker>.object(
        Self(),
        [
            Key(
                optional: "from", \.origin,
                Shape<String>.word("origin", of: Origin.allCases.map(\.rawValue)).mapped(
                    { text, _ in Origin(rawValue: text) ?? .distribution }, back: \.rawValue),
                fallback: "what packages.install names",
                "Where the engine comes from: `distribution` installs docker.io, `docker.com` installs docker-ce from Docker's own archive."
            ),
            Key(
                optional: "log", \.log, Log.shape,
                fallback: "10m and 3, unless the image has a daemon.json that says otherwise",
                example: .members(["max_size": .string("10m"), "max_file": .integer(3)]),
                "When a container's log is rotated."),
            Key(
                optional: "daemon", \.daemon, .freeMapping("keys of daemon.json"),
                example: .members(["live-restore": .bool(true)]),
                "Further keys of /etc/docker/daemon.json. One that the image's own has with another value is a mistake."
            ),
            Key(
                "preload", \.preload,
                .list(of: Preload.shape, called: "list of images", limit: 64),
                example: .array([.string("./app.tar")]),
                "Images that Docker has on the first boot: archives of `docker save`, OCI layouts in a tar, or references with a digest."
            ),
        ])
}

extension Recipe.Docker.Log {
    static let shape = Shape<Self>.object(
        Self(),
        [
            Key(
                "max_size", \.maxSize,
                .text("a size of a log", pattern: "[1-9][0-9]{0,5}[kmg]", expected: "a number with k, m or g"),
                "How large one file grows."),
            Key("max_file", \.maxFile, .integer("integer", in: 1...1000), "How many files are kept."),
        ])
}

extension Recipe.Docker.Preload {
    /// The pattern of an image's reference that has its digest.
    static let reference =
        "[a-z0-9.-]+(:[0-9]{1,5})?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?@sha256:[0-9a-f]{64}"

    static let shape = Shape<Self>.oneOf(
        "an image",
        [
            .scalar(
                .existing(.file), "An archive of this machine.", make: { .archive($0) },
                part: { if case .archive(let path) = $0 { path } else { nil } }),
            .key(
                "image",
                .text(
                    "an image's reference",
                    pattern: reference,
                    expected: "REGISTRY/NAME@sha256:HEX, or REGISTRY/NAME:TAG@sha256:HEX", limit: 400),
                "An image of a registry, by its digest.", make: { .image($0) },
                part: { if case .image(let reference) = $0 { reference } else { nil } }),
        ])
}
