/// What an image is made of: a recipe, decoded and checked. Every default of the schema stands in the properties below.
package struct Recipe: Sendable, Equatable {
    /// The image's name; it becomes the names of the output files.
    package var name = ""
    /// What the image is for, in a sentence.
    package var description = ""
    /// The time stamp of everything in the image: seconds since 1970-01-01 00:00 UTC, in the range FAT and ext4 can both hold.
    package var epoch: Int64 = 0
    /// What the image's UUIDs and serial numbers derive from. The name, unless the recipe gives one.
    package var seed = ""
    /// Required in a recipe; the value here is a placeholder.
    package var base = Base.debian(suite: "trixie")
    package var packages = Packages()
    package var kernel = Kernel()
    package var docker = Docker()
    /// Container runtimes beside Docker's own.
    package var runtimes: [RuntimeChoice] = []
    package var firmware = Firmware()
    package var memory = Memory()
    /// File trees laid over the packages' files, in this order.
    package var overlays: [Overlay] = []
    package var accounts = Accounts()
    /// What becomes of secrets that packages' scripts make, by their paths in the image; nil where the recipe says nothing.
    package var secrets: [String: SecretChoice]?
    package var system = System()
    package var disk = Disk()
    package var output = Output()

    package init() {}

    /// What the image starts from.
    package enum Base: Sendable, Equatable {
        /// A suite of Debian's archive.
        case debian(suite: String)
        /// A stock image.
        case image(StockBase)
    }

    /// The stock image that the recipe starts from; nil for Debian.
    package var stock: StockBase? { if case .image(let stock) = base { stock } else { nil } }

    /// Where the kernel comes from.
    package struct Kernel: Sendable, Equatable {
        /// A Debian package, such as `linux-image-arm64`.
        package var package = "linux-image-arm64"
        /// Files of kernel configuration lines that the kernel is held to.
        package var fragments: [HostPath] = []
        /// What ``source`` is made of.
        var origin: KernelSource.Origin?
        var defconfig: String?
        var patches: [KernelSource.Patch]?
        var initramfsKey: Initramfs?

        /// Whether a kernel from source boots with an initramfs.
        package enum Initramfs: String, Sendable, CaseIterable {
            /// Where the kernel needs it: where something that its root hangs on is a module.
            case auto
            case yes, no
        }

        /// How the kernel boots; a package's always has an initramfs.
        package var initramfs: Initramfs { origin == nil ? .yes : initramfsKey ?? .auto }

        package init() {}
    }

    /// How much of the board's memory the system may use.
    package struct Memory: Sendable, Equatable {
        /// A multiple of 1 MiB, 256 MiB to 8 GiB; nil for all there is.
        package var limit: ByteCount?

        package init() {}
    }
}

extension Recipe {
    /// The recipe's schema: the one description of its keys.
    static let shape = Shape<Recipe>.object(
        Recipe(),
        [
            Key(
                "name", \.name,
                .text(
                    "a name", pattern: "[a-z0-9][a-z0-9.-]*",
                    expected: "a-z, 0-9, '.' and '-', not '.' or '-' first; it becomes the output's file names",
                    limit: 64),
                required: true, example: .string("debian-13"), "The image's name; the output files are called after it."
            ),
            Key("description", \.description, .text("text"), "What the image is for, in a sentence."),
            Key(
                "epoch", \.epoch, Epoch.shape, required: true, example: .string("2026-11-01"),
                "The time stamp of every file, and the clock of the build: a date, a time in UTC, or seconds since 1970."
            ),
            Key(
                "seed", \.seed, .text("text", pattern: "[^\\n]+", limit: 256), fallback: "the name",
                "The UUIDs and serial numbers of the image derive from it: the same seed gives the same ones."),
            Key(
                "base", \.base, Base.shape, required: true,
                example: .members(["debian": .string("trixie")]), "What the image starts from."),
            Key("packages", \.packages, Packages.shape, "Which Debian packages are installed, and from where."),
            Key("kernel", \.kernel, Kernel.shape, "The kernel."),
            Key("docker", \.docker, Docker.shape, "Docker."),
            runtimesKey,
            Key("firmware", \.firmware, Firmware.shape, "The Raspberry Pi's boot files and their settings."),
            Key("memory", \.memory, Memory.shape, "The memory that the system may use."),
            Key(
                "overlays", \.overlays, .list(of: Overlay.shape, called: "list of overlays", limit: 64),
                "Folders whose files are laid over the packages' files, in this order; the last one wins."),
            Key("accounts", \.accounts, Accounts.shape, "Who may log in."),
            Key(
                optional: "secrets", \.secrets, .secrets,
                example: .members(["/etc/ssl/private/ssl-cert-snakeoil.key": .string("keep")]),
                "What becomes of private keys and secrets that packages' scripts make: `first_boot` leaves one out, `keep` puts it into the image, the "
                    + "same on every board. Without a word, the board makes at its first boot what the package's own script can make again; for any other the build ends, and names it."
            ),
            Key("system", \.system, System.shape, "How the system is set up."),
            Key("disk", \.disk, Disk.shape, "The sizes of the partitions."),
            Key("output", \.output, Output.shape, "How the image file is packed, and what lies beside it."),
        ])
}

extension Recipe.Base {
    static let shape = Shape<Recipe.Base>.oneOf(
        "a base",
        [
            .key(
                "debian", .word("suite", of: ["bullseye", "bookworm", "trixie", "forky", "sid"]),
                "A suite of Debian, by its code name.",
                make: { .debian(suite: $0) }, part: { if case .debian(let suite) = $0 { suite } else { nil } }),
            .key(
                "image", StockBase.shape, "A stock image, which becomes the first layer.",
                make: { .image($0) }, part: { if case .image(let stock) = $0 { stock } else { nil } }),
        ])
}

extension Recipe.Kernel {
    static let shape = Shape<Recipe.Kernel>.object(
        Self(),
        [
            Key(
                optional: "package", \.packageKey, Recipe.Packages.name, fallback: "`linux-image-arm64`",
                "The Debian package of the kernel."),
            Key(
                "fragments", \.fragments,
                .list(
                    of: .existing(
                        .file, named: ["../kernel-configs", "kernel-configs"], shared: "kernel-configs",
                        suffix: ".config",
                        called: "fragment"),
                    called: "list of fragments", limit: 64, identity: { $0.written }),
                example: .array([.string("kvm"), .string("virtio")]),
                "Kernel configuration that the kernel is held to: names of files in `kernel-configs/` beside the recipe or above it, or of those that come with piforge; or paths."
            ),
        ] + sourceKeys)
}

extension Recipe.Memory {
    static let shape = Shape<Recipe.Memory>.object(
        Self(),
        [
            Key(
                optional: "limit", \.limit, .size(in: .mebibytes(256)...(.gibibytes(8))), fallback: "no limit",
                example: .string("1G"),
                "How much memory the system may use; written to config.txt (`total_mem`) and to the kernel's command line."
            )
        ])
}

/// Dates of a recipe.
enum Epoch {
    /// FAT knows no earlier time.
    static let first: Int64 = 315_532_800
    /// The last second of 32 unsigned bits: 2106-02-07.
    static let last: Int64 = 4_294_967_295

    static let shape = Shape<String>.text(
        "a date", pattern: "([0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}Z)?|[0-9]{1,10})",
        expected: "a date (2026-11-01), a time in UTC (2026-11-01T12:00:00Z), or seconds since 1970"
    ).mapped({ text, _ in try seconds(text) }, back: { String($0) }).summarized(
        "date, time in UTC, or seconds since 1970"
    )
    .integerInSchema()

    /// Seconds since 1970 of what the pattern lets through.
    private static func seconds(_ text: String) throws -> Int64 {
        let seconds: Int64
        if let plain = Int64(text) {
            seconds = plain
        } else {
            let fields = text.split { "-T:Z".contains($0) }.compactMap { Int64($0) }
            guard fields.count >= 3, let days = daysSince1970(year: fields[0], month: fields[1], day: fields[2]) else {
                throw Refusal("there is no day '\(text.prefix(10))'")
            }
            let time = fields.count == 6 ? Array(fields[3...]) : [0, 0, 0]
            guard time[0] < 24, time[1] < 60, time[2] < 60 else { throw Refusal("there is no time '\(text)'") }
            seconds = days * 86_400 + time[0] * 3600 + time[1] * 60 + time[2]
        }
        guard (first...last).contains(seconds) else {
            throw Refusal(
                "'\(text)' is out of range", expected: "1980-01-01 (FAT knows no earlier time) to 2106-02-07")
        }
        return seconds
    }

    /// Days between 1970-01-01 and a day of the Gregorian calendar; nil when there is no such day.
    private static func daysSince1970(year: Int64, month: Int64, day: Int64) -> Int64? {
        func isLeap(_ year: Int64) -> Bool { year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) }
        let lengths: [Int64] = [31, isLeap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard year >= 1970, (1...12).contains(month), (1...lengths[Int(month) - 1]).contains(day) else { return nil }
        let years = (1970..<year).reduce(Int64(0)) { $0 + (isLeap($1) ? 366 : 365) }
        return years + lengths.prefix(Int(month) - 1).reduce(0, +) + day - 1
    }
}

extension Shape where Value == Int64 {
    /// The value is printed as an integer, and the schema takes an integer beside the text.
    fileprivate func integerInSchema() -> Shape {
        var shape = self
        shape.encode = { .integer($0) }
        shape.schema = .members([
            "oneOf": .array([
                .members([
                    "type": .string("integer"), "minimum": .integer(Epoch.first), "maximum": .integer(Epoch.last),
                ]), schema,
            ])
        ])
        return shape
    }
}
