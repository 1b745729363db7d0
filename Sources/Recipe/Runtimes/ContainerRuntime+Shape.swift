extension ContainerRuntime {
    /// The schema of runtime files.
    static let shape = Shape<ContainerRuntime>.object(
        Self(), called: "runtime",
        [
            Key(
                "summary", \.summary, .text("text", pattern: "[^\\n]+", limit: 500), required: true,
                example: .string("gVisor: a kernel in user space between the container and Linux"),
                "What it is, in a sentence."),
            Key(
                optional: "version", \.version, versionText, example: .string("0.8.0"),
                "What `{version}` stands for in names and URLs of `artefacts`. A recipe may ask for another one."),
            Key(
                "packages", \.packages,
                .list(of: Recipe.Packages.name, called: "list of packages", limit: 100, identity: { $0 }),
                example: .array([.string("runsc")]), "The Debian packages that it comes in."),
            Key(
                "artefacts", \.artefacts, .list(of: Artefact.shape, called: "list of release files", limit: 64),
                "Release files that are fetched."),
            Key(
                "files", \.files, .list(of: AddedFile.shape, called: "list of files", limit: 100, identity: { $0.to }),
                "Files that are added: its configuration."),
            Key(
                "docker", \.docker,
                .list(of: Registration.shape, called: "list of names", limit: 16, identity: { $0.name }),
                "How Docker knows it: entries of `runtimes` in /etc/docker/daemon.json."),
            Key(
                "kernel", \.kernel,
                .list(of: KernelLine.shape, called: "list of configuration lines", limit: 500),
                example: .array([.string("CONFIG_KVM=y"), .string("CONFIG_TUN=y|m")]),
                "What the kernel must have, as in kernel-configs: `=y|m`, `'# CONFIG_X is not set'`, `'CONFIG_X=y # since 5.7'`; a line with a `#` needs quotes."
            ),
            Key(
                "cmdline", \.cmdline, Recipe.Firmware.commandLine,
                "Words that it needs on the kernel's command line."),
            Key(
                "checks", \.checks, .list(of: Check.shape, called: "list of checks", limit: 32, identity: { $0.name }),
                "What `piforge prove` runs in the booted image."),
            Key(
                optional: "proof", \.proof, Proof.shape(),
                "What `piforge prove` shows by containers: that it refuses what it must, and by an image that is made for it all else."
            ),
        ])

    static let versionText = Shape<String>.text(
        "a version", pattern: "[A-Za-z0-9][A-Za-z0-9.+~-]*", expected: "letters, digits and .+~-", limit: 64)

    static let target = Shape<String>.text(
        "a path in the image", pattern: "(/[^/\\x00-\\x1f]+)+", expected: "an absolute path of a file", limit: 1024
    ).refusing(climbing)

    static let sha256 = Shape<String>.text(
        "a SHA-256", pattern: "[0-9a-f]{64}", expected: "64 hex digits, lower case", limit: 64)

    /// A place without blanks that no program could take for an option; a path starts at the file's folder.
    static let place = Shape<String>.text(
        "a URL or a path", pattern: "[^-\\x00-\\x20\\x7f\"\\\\][^\\x00-\\x20\\x7f\"\\\\]*",
        expected: "a URL or a path, without blanks", limit: 1024)

    fileprivate static func climbing(_ path: String) -> Refusal? {
        path.split(separator: "/").contains("..") ? Refusal("the path climbs with '..'") : nil
    }

    fileprivate static func lines(_ doc: String) -> Shape<[String]> {
        .list(of: .text("a command line", pattern: "[^\\n]+", expected: "one line"), called: doc, limit: 100)
    }
}

extension ContainerRuntime.Artefact {
    static let shape = Shape<Self>.object(
        Self(),
        [
            Key(
                "urls", \.urls,
                .list(
                    of: ContainerRuntime.place.mapped(
                        { text, decoding in
                            if text.contains("://") { return text }
                            guard let path = decoding.resolve(text) else {
                                throw Refusal("'\(text)' starts at a home folder, and none is known")
                            }
                            return path.string
                        }, back: { $0 }), called: "list of URLs or paths", limit: 16, identity: { $0 }
                ).refusing { $0.isEmpty ? Refusal("the list is empty", expected: "at least one URL") : nil },
                required: true, example: .array([.string("https://example.org/v1.0/runtime-arm64.tar.gz")]),
                "Where the file is, tried in this order. Paths start at the runtime file's folder."),
            Key(
                optional: "name", \.givenName,
                .text(
                    "a file name", pattern: "[A-Za-z0-9]([A-Za-z0-9._+~-]|\\{version\\})*",
                    expected: "letters, digits and ._+~-",
                    limit: 200), fallback: "the last part of the first URL", example: .string("urunc-{version}"),
                "What the lock calls the file. Put the version in it where the URL's last part has none."),
            Key(
                optional: "sha256", \.sha256, ContainerRuntime.sha256,
                fallback: "the file must be accepted once (`piforge lock accept`)",
                "Its SHA-256. Leave it out where the publisher gives none."),
            Key(
                optional: "to", \.to, ContainerRuntime.target, fallback: "it is an archive",
                example: .string("/usr/local/bin/runtime"), "Where the one file goes."),
            Key("mode", \.mode, Recipe.Overlay.Mode.octal, "The one file's mode."),
            Key(
                "members", \.members,
                .list(of: ContainerRuntime.Member.shape, called: "list of members", limit: 1000),
                fallback: "it is one file", "What is taken from the archive (.tar.gz, .tar.xz, .tar.zst or .tar)."),
        ]
    ).checked { artefact in
        guard artefact.to == nil || artefact.members.isEmpty else {
            return Refusal("to and members exclude each other", expected: "one of to, members")
        }
        if artefact.to != nil { return nil }
        guard !artefact.members.isEmpty else {
            return Refusal("it says nothing of where its files go", expected: "one of to, members")
        }
        return [".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.zst"].contains(where: artefact.fileName.hasSuffix)
            ? nil : Refusal("'\(artefact.fileName)' is no archive", expected: ".tar.gz, .tar.xz, .tar.zst or .tar")
    }
}

extension ContainerRuntime.Member {
    static let shape = Shape<Self>.object(
        Self(),
        [
            Key(
                "from", \.from,
                .text(
                    "a path in the archive", pattern: "[^/\\x00-\\x1f]+(/[^/\\x00-\\x1f]+)*/?",
                    expected: "a path without a leading slash", limit: 1024
                ).refusing(ContainerRuntime.climbing), required: true, example: .string("bin/runtime"),
                "A file of the archive; with a slash at its end, all files of a folder. `*/` at its start stands for any folders, or none."
            ),
            Key(
                "to", \.to,
                .text(
                    "a path in the image", pattern: "(/[^/\\x00-\\x1f]+)+/?", expected: "an absolute path", limit: 1024
                ).refusing(ContainerRuntime.climbing), required: true, example: .string("/usr/local/bin/runtime"),
                "Where it goes; a folder's ends in a slash."),
            Key(
                "mode", \.mode, Recipe.Overlay.Mode.octal,
                "A file's mode. In a folder, 0755 where the archive lets its owner run the file, else 0644."),
        ]
    ).checked {
        $0.from.hasSuffix("/") == $0.to.hasSuffix("/")
            ? nil : Refusal("from and to must both be files, or both folders that end in '/'")
    }
}

extension ContainerRuntime.AddedFile {
    static let shape = Shape<Self>.object(
        Self(),
        [
            Key(
                "to", \.to, ContainerRuntime.target, required: true, example: .string("/etc/runtime/config.toml"),
                "Where the file goes."),
            Key("mode", \.mode, Recipe.Overlay.Mode.octal, "Its mode."),
            Key(
                optional: "content", \.content, .text("text", limit: 1 << 16), fallback: "that of `file`",
                example: .string("debug = false"), "Its text."),
            Key(
                optional: "file", \.source, .existing(.file), fallback: "`content` has it",
                example: .string("./config.toml"),
                "A file of this machine that it is a copy of. Paths start at the runtime file's folder."),
        ]
    ).checked {
        ($0.content == nil) != ($0.source == nil)
            ? nil : Refusal("takes exactly one of content, file")
    }
}

extension ContainerRuntime.Registration {
    static let shape = Shape<Self>.object(
        Self(),
        [
            Key(
                "name", \.name,
                .text(
                    "a runtime's name", pattern: "[a-zA-Z0-9][a-zA-Z0-9_.-]*",
                    expected: "letters, digits, '.', '_' and '-'", limit: 64
                ).refusing { name in
                    // dockerd takes these for its own (daemon/config, "reserved runtime name").
                    name == "runc" || name.hasPrefix("io.containerd.")
                        ? Refusal("'\(name)' is a name of Docker's own") : nil
                }, required: true, example: .string("gvisor"), "The name that `docker run --runtime` takes."),
            Key(
                optional: "path", \.path, ContainerRuntime.target, example: .string("/usr/bin/runsc"),
                "The program, which is called as runc is."),
            Key(
                "args", \.arguments,
                .list(of: .text("an argument", pattern: "[^\\n]+"), called: "list of arguments", limit: 100),
                example: .array([.string("--platform=kvm")]), "The program's own arguments."),
            Key(
                optional: "type", \.type,
                .text(
                    "a shim's name", pattern: "[a-z0-9]+([._-][a-z0-9]+)+", expected: "such as io.containerd.urunc.v2",
                    limit: 128), example: .string("io.containerd.urunc.v2"),
                "The containerd shim in the program's place (`runtimeType`)."),
            Key(
                optional: "options", \.options, .freeMapping("a mapping for the shim"),
                "The shim's own options."),
            Key(
                optional: "engine", \.engine,
                Shape<String>.text(
                    "a version of Docker", pattern: ">= ?[0-9]{1,4}(\\.[0-9]{1,4}){0,2}", expected: "such as '>= 24'"
                ).mapped(
                    { text, _ in
                        ContainerRuntime.EngineVersion(
                            parsing: String(text.drop { $0 == ">" || $0 == "=" || $0 == " " }))
                            ?? ContainerRuntime.EngineVersion(numbers: [])
                    }, back: { ">= \($0)" }),
                fallback: "`>= 24` where there is a `type`, else any", example: .string(">= 24"),
                "The engine that it needs. `runtimeType` in daemon.json came with Docker 24."),
        ]
    ).checked { entry in
        if (entry.path == nil) == (entry.type == nil) { return Refusal("takes exactly one of path, type") }
        if entry.path == nil, !entry.arguments.isEmpty { return Refusal("args belong to path, and this is a type") }
        return entry.type == nil && entry.options != nil ? Refusal("options belong to type, and this is a path") : nil
    }
}

extension ContainerRuntime.KernelLine {
    static let shape: Shape<Self> = {
        let text = Shape<String>.text(
            "a line of kernel configuration",
            pattern: "(CONFIG_[A-Za-z0-9_]+=[^\\n]+|# CONFIG_[A-Za-z0-9_]+ is not set( # [^\\n]+)?)",
            expected: "CONFIG_X=y, CONFIG_X=y|m or '# CONFIG_X is not set'", limit: 500)
        var shape = text.mapped({ text, _ in Self(text: text) }, back: \.text)
        let plain = shape.decode
        shape.decode = { node, path, decoding in
            var line = plain(node, path, decoding)
            if case .line(let number) = node.place { line?.line = number }
            return line
        }
        return shape
    }()
}

extension ContainerRuntime.Check {
    static let shape = Shape<Self>.object(
        Self(),
        [
            Key(
                "name", \.name, .text("a few words", pattern: "[^\\n|]+", limit: 100), required: true,
                example: .string("a kernel of its own"), "What it shows."),
            Key(
                optional: "docker", \.docker, .text("a runtime's name", limit: 64), fallback: "the first one",
                "Which of the names in `docker` it checks."),
            Key(
                "setup", \.setup, ContainerRuntime.lines("list of command lines"),
                "Lines for root's shell before it; each must succeed."),
            Key(
                "run", \.run, .text("a command line", pattern: "[^\\n]+", expected: "one line"), required: true,
                example: .string("docker run --rm --runtime gvisor hello"),
                "The line for the shell of a user of the recipe who may use Docker; root's where there is none."),
            Key(
                "user", \.user,
                Shape<String>.word("user", of: User.allCases.map(\.rawValue)).mapped(
                    { text, _ in User(rawValue: text) ?? .recipe }, back: \.rawValue),
                "Who runs the line: a user of the `recipe`, or `root`."),
            Key(
                "expect", \.expect, .text("text", pattern: "[^\\n]+", expected: "text of one line"), required: true,
                example: .string("Starting gVisor"), "Text that must stand in what it prints."),
            Key(
                "cleanup", \.cleanup, ContainerRuntime.lines("list of command lines"),
                "Lines that root's shell runs afterwards, however it ended."),
        ])
}
