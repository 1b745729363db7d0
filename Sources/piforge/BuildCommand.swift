import Progress
import ArgumentParser
import Diagnostics
import Engine
import Foundation
import Recipe
import Storage
import SystemPackage

/// What decides a build besides the recipe.
struct BuildArguments: ParsableArguments {
    @Argument(help: ArgumentHelp("The recipe: a YAML file.", valueName: "recipe"))
    var recipe: String

    @Option(name: [.customShort("o"), .long], help: ArgumentHelp("Where the image goes.", valueName: "dir"))
    var output: String = "out"

    @Option(
        name: .customLong("set"), parsing: .unconditionalSingleValue,
        help: ArgumentHelp(
            "Put another value in the recipe's place: system.hostname=pi. Repeatable.", valueName: "a.b=c"))
    var overrides: [String] = []

    @Flag(name: .long, help: "Use what the cache holds; touch no network.")
    var offline = false

    @Flag(name: .long, help: "Fail rather than choose other packages than the lock file's.")
    var locked = false

    @Flag(name: .long, help: "Choose the packages anew and write the lock file.")
    var updateLock = false

    @Option(name: .long, help: ArgumentHelp("Debian's mirror, in place of the host's.", valueName: "url"))
    var mirror: String?

    @Option(name: .long, help: ArgumentHelp("Debian's security mirror, in place of the host's.", valueName: "url"))
    var securityMirror: String?

    @Option(
        name: [.short, .long],
        help: ArgumentHelp("How much runs at a time; the result never depends on it.", valueName: "n"))
    var jobs: Int?

    @OptionGroup var remote: RemoteCacheOptions

    @OptionGroup var shared: SharedOptions

    func validate() throws {
        if output.isEmpty { throw ValidationError("-o: expected a folder, found nothing") }
        if locked, updateLock { throw ValidationError("--locked and --update-lock contradict each other") }
        if offline, updateLock { throw ValidationError("--offline and --update-lock contradict each other") }
        if let jobs, !(1...256).contains(jobs) {
            throw ValidationError("--jobs: expected 1 to 256, found \(jobs)")
        }
    }

    /// The recipe and everything a build needs to know.
    ///
    /// - Parameters:
    ///   - other: a recipe in place of the first one.
    ///   - device: the one whose image is made, of a list.
    ///   - sign: the keys that sign the list of sums.
    ///   - check: what is judged of the disk.
    ///   - progress: takes progress in place of who shows it.
    func builder(
        _ other: String? = nil, device: DeviceList.Device? = nil, sign: [String] = [],
        check: DiskCheck = .metadata, progress: (any ProgressReporter)? = nil
    ) throws -> ImageBuilder {
        let recipe = other ?? recipe
        let keys = try sign.map { try SigningKey($0, path: absolute($0)) }
        guard Set(keys.map(\.kind)).count == keys.count else {
            throw Failure(
                .usage, at: "--sign", "two keys of one kind", expected: "at most one key of gpg's and one SSH key")
        }
        let path = FilePath(recipe)
        let decoded = try Recipe.load(
            path: path, overrides: overrides, device: device, home: homeFolder, share: shareFolder)
        let progress = progress ?? shared.progress
        var options = BuildOptions(
            recipePath: absolute(recipe), device: device?.name, output: absolute(output), offline: offline,
            locked: locked, updateLock: updateLock, mirror: mirror, securityMirror: securityMirror,
            signingKeys: keys,
            jobs: jobs ?? ProcessInfo.processInfo.activeProcessorCount,
            environment: ProcessInfo.processInfo.environment, overrides: overrides,
            givenCache: shared.cache)
        options.check = check
        return ImageBuilder(
            recipe: decoded, options: options,
            cache: try shared.openCache(shared: offline ? nil : remote.open(progress)), progress: progress
        )
    }
}

extension DiskCheck: ExpressibleByArgument {}

struct BuildCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "build", abstract: "Make the image a recipe describes.",
        discussion: """
            piforge build recipes/debian-13.yaml
            piforge build recipes/debian-13.yaml --set system.hostname=pi7 -o /tmp/pi7
            piforge build recipes/debian-13.yaml --offline --locked
            piforge build recipes/debian-13.yaml recipes/debian-13-small.yaml
            piforge build recipes/debian-13.yaml --matrix devices.yaml
            piforge build recipes/debian-13.yaml --remote-cache http://cache.lan:8080
            piforge build recipes/debian-13.yaml --sign me@example.org
            piforge build recipes/debian-13.yaml --trace trace.json

            Writes NAME.img.xz, NAME.SHA256SUMS, NAME.manifest.json and the companions that \
            output.companions names to the output folder. Writes NAME.credentials when it \
            generates a password.

            --matrix makes an image for each device of a list, NAME-DEVICE.img.xz:

              - name: node-1
                set:
                  system.hostname: node-1
                  "accounts.users[0].ssh_keys": [{file: keys/node-1.pub}]
            """)

    @OptionGroup var arguments: BuildArguments

    @Argument(help: ArgumentHelp("More recipes.", valueName: "recipe"))
    var more: [String] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "A list of devices (YAML), each with what is set for it: an image for each.", valueName: "file"))
    var matrix: String?

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Sign the sums: with a key of gpg's, or with an SSH key by its path. Once for each kind.",
            valueName: "key"))
    var sign: [String] = []

    @Option(
        name: .long,
        help: ArgumentHelp(
            "What is judged of the disk: its metadata, or full, all of it written out. The image is the same.",
            valueName: "check"))
    var check = DiskCheck.metadata

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Write when each step, package's script and block began and ended: a trace for Chrome or Perfetto.",
            valueName: "file"))
    var trace: String?

    private func writeTrace(of recorder: TraceRecorder) {
        guard let trace else { return }
        do { try writeAtomically(to: absolute(trace), bytes: recorder.chromeTrace()) } catch {
            writeError("piforge: the trace is not written: \(error)\n")
        }
    }

    func validate() throws {
        if matrix != nil, !more.isEmpty {
            throw ValidationError("--matrix: expected one recipe, found \(more.count + 1)")
        }
    }

    func run() async throws {
        let recorder = TraceRecorder(showing: arguments.shared.progress)
        // All recipes and devices are read before anything is built.
        let builders =
            if let matrix {
                try DeviceList.load(path: FilePath(matrix)).devices.map {
                    try arguments.builder(device: $0, sign: sign, check: check, progress: recorder)
                }
            } else {
                try ([arguments.recipe] + more).map {
                    try arguments.builder($0, sign: sign, check: check, progress: recorder)
                }
            }
        if let twice = builders.indices.first(where: { index in
            builders[..<index].contains { $0.recordPath == builders[index].recordPath }
        }) {
            throw Failure(
                .usage, at: more.isEmpty ? arguments.recipe : more[twice - 1],
                "another recipe of this command has the same name, and would make the same image",
                expected: "a name of its own",
                next: "change the name in one of them, or build it into another folder")
        }
        let json = arguments.shared.json
        // A build that fails has a trace, too.
        defer { writeTrace(of: recorder) }
        try await interruptible {
            for builder in builders {
                var result = try await builder.build()
                result.criticalPath = recorder.criticalPath()
                try printLine(json ? jsonLine(result) : result.text(cache: arguments.shared.cache), terminator: "")
            }
        }
    }
}

struct FetchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "fetch", abstract: "Download what a build needs, so that it can run offline.",
        discussion: """
            piforge fetch recipes/debian-13.yaml
            piforge build recipes/debian-13.yaml --offline
            """)

    @OptionGroup var arguments: BuildArguments

    func run() async throws {
        let builder = try arguments.builder()
        let count = try await interruptible { try await builder.fetch() }
        try printLine("\(count) packages are in the cache")
    }
}

struct PlanCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan", abstract: "Show what a build would run, what is cached, and why the rest runs.",
        discussion: """
            A step is 'cached' when its result is in the cache, or when the image in the output's folder is already the one that a build would \
            make; 'run' when the build makes it: the small steps above the kernel are kept nowhere, and made for each new image in a second; \
            'after STEP' when that step has to be made first, and its result decides. Behind that stands what is different from the last build \
            into that folder, where something is. Nothing is built, and no password is needed.

            piforge plan recipes/debian-13.yaml
            piforge plan recipes/debian-13.yaml --set system.hostname=shed
            piforge plan recipes/debian-13.yaml --graph | dot -Tsvg > plan.svg
            """)

    @OptionGroup var arguments: BuildArguments

    @Flag(help: "Print the steps as a graph in the DOT language of Graphviz, instead of rows.")
    var graph = false

    func run() async throws {
        let builder = try arguments.builder()
        let report = try await interruptible { try await builder.plan() }
        if graph {
            try printLine(report.graph, terminator: "")
        } else if arguments.shared.json {
            for row in report.rows { try printLine(jsonLine(row), terminator: "") }
        } else {
            for row in report.rows { try printLine(row.text) }
        }
    }
}
