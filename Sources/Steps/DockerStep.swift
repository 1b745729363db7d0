import Diagnostics
import Digests
import Layers
import Recipe

/// Completes Docker's daemon.json: runtimes, rotation of logs, the recipe's own keys. It comes behind the overlays, since what the
/// image has there already is kept, and only added to.
package struct DockerStep: TreeStep {
    package let name = "docker"
    private let docker: Recipe.Docker
    private let runtimes: [ContainerRuntime]

    package init(_ docker: Recipe.Docker, runtimes: [ContainerRuntime]) {
        self.docker = docker
        self.runtimes = runtimes
    }

    private var names: [String] { runtimes.flatMap(\.docker).map(\.name) }

    package var summary: String { names.isEmpty ? "daemon.json" : "daemon.json: \(names.joined(separator: ", "))" }

    /// The recipe's settings and the runtimes' definitions on one line each, keys sorted.
    package var inputs: [StepInput] {
        [
            StepInput("docker.daemon", docker.daemon.map { $0.sorted.inline } ?? "none"),
            StepInput("docker.log", docker.log.map { "\($0.maxSize) \($0.maxFile)" } ?? "default"),
        ]
            + runtimes.flatMap { runtime in
                runtime.docker.map { StepInput("\(runtime.file) \($0.name)", $0.definition.sorted.inline) }
            }
    }

    /// /etc/docker/daemon.json, whole. Nothing where the tree has no dockerd and nothing is to be configured.
    ///
    /// - Throws: `Failure` when something is to be configured and there is no dockerd, when the tree's own file is not a JSON object, and
    ///   for a key that it has with another value.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        // docker.io has it in /usr/sbin, docker-ce in /usr/bin.
        let engines: [EntryPath] = ["usr/sbin/dockerd", "usr/bin/dockerd"]
        guard engines.contains(where: { tree.content($0) != nil }) else {
            let place =
                runtimes.first { !$0.docker.isEmpty }?.file ?? (docker.daemon == nil ? nil : "docker.daemon")
            if let place {
                throw Failure(
                    .usage, at: place, "it configures Docker, and the image has none",
                    next: "add docker: {from: distribution}")
            }
            return layer
        }
        let path: EntryPath = "etc/docker/daemon.json"
        var configuration = try DaemonConfiguration(
            try tree.content(path).map { try ContentReader().bytes(of: $0, limit: 1 << 20) })
        for runtime in runtimes {
            for entry in runtime.docker {
                let member = JSON.Member(
                    key: "runtimes", value: .object([JSON.Member(key: entry.name, value: entry.definition)]))
                try configuration.merge([member], for: runtime.file)
            }
        }
        if case .object(let members)? = docker.daemon { try configuration.merge(members, for: "docker.daemon") }
        let log = docker.log ?? Recipe.Docker.Log()
        let options = JSON.members(["max-size": .string(log.maxSize), "max-file": .string(String(log.maxFile))])
        if docker.log != nil {
            try configuration.merge(
                [.init(key: "log-driver", value: .string("json-file")), .init(key: "log-opts", value: options)],
                for: "docker.log")
        } else if configuration.root["log-driver"] == nil {
            configuration.addDefault("log-driver", .string("json-file"))
            configuration.addDefault("log-opts", options)
        }
        // The root file system is ext4, for which this is the one that is meant.
        configuration.addDefault("storage-driver", .string("overlay2"))
        let mode = tree.lookup(path)?.attributes.mode ?? 0o644
        layer.addText(path, configuration.text, mode: mode, epoch: epoch)
        return layer
    }
}
