import SystemPackage

/// A build of runnc that a user brings: the runtime of 2019 that ran nabla and hvt unikernels, archived since 2023.
///
/// The archive has the layout of the root file system, as its `make install` leaves it.
struct LegacyRunnc: Sendable, Equatable {
    /// As the recipe wrote it.
    var archive = ""
    var sha256: String?

    static let shape = Shape<LegacyRunnc>.object(
        Self(),
        [
            Key(
                "archive", \.archive, ContainerRuntime.place, required: true, example: .string("./runnc-arm64.tar.gz"),
                "The archive with usr/local/bin/runnc and opt/runnc/bin/nabla-run in it: a URL, or a path from the recipe's folder."
            ),
            Key(
                optional: "sha256", \.sha256, ContainerRuntime.sha256,
                fallback: "the file must be accepted once (`piforge lock accept`)", "Its SHA-256."),
        ])

    /// Where runnc itself goes.
    private static let program = "/usr/local/lib/runnc/runnc"

    /// What Docker starts in its place.
    private static let front = """
        #!/bin/sh
        # In runnc's place: it knows no control groups of systemd, and ends with an error where Docker asks for them, as it does
        # wherever there is cgroup v2.
        for word; do
            shift
            [ "$word" = --systemd-cgroup ] || set -- "$@" "$word"
        done
        exec \(program) "$@"

        """

    /// - Parameter url: where the archive is: a URL or an absolute path.
    func runtime(at url: String) -> ContainerRuntime {
        var artefact = ContainerRuntime.Artefact()
        artefact.urls = [url]
        artefact.sha256 = sha256
        artefact.members = [
            .init(from: "usr/local/bin/runnc", to: Self.program),
            // bin/nabla-run, bin/hvt-run where it was built, and the libraries that they are linked with.
            .init(from: "opt/runnc/", to: "/opt/runnc/"),
        ]
        var entry = ContainerRuntime.Registration()
        entry.name = "runnc"
        entry.path = "/usr/local/bin/runnc"
        var runtime = ContainerRuntime()
        runtime.name = RuntimeChoice.legacyKey
        runtime.summary = "runnc: nabla and hvt unikernels as of 2019, from a build that you bring"
        // It makes the image of a unikernel's disk with it.
        runtime.packages = ["genisoimage"]
        runtime.artefacts = [artefact]
        var front = ContainerRuntime.AddedFile()
        front.to = "/usr/local/bin/runnc"
        front.mode = 0o755
        front.content = Self.front
        runtime.files = [front]
        runtime.docker = [entry]
        var check = ContainerRuntime.Check()
        check.name = "what it calls is there"
        check.run = "test -x /opt/runnc/bin/nabla-run && command -v genisoimage && echo both are"
        check.expect = "both are"
        runtime.checks = [check]
        return runtime
    }
}
