import Diagnostics
import SystemPackage

/// A runtime as a recipe names it, and what its file says.
public struct RuntimeChoice: Sendable, Equatable {
    static let legacyKey = "legacy-runnc"

    /// What the recipe says.
    enum Written: Sendable, Equatable {
        /// A name or a path.
        case file(String)
        case legacy(LegacyRunnc)
    }

    let written: Written
    public let runtime: ContainerRuntime

    /// A file's mistakes are reported as the file's own.
    private static let file = Shape<HostPath>.existing(
        .file, named: ["runtimes", "../recipes/runtimes", "recipes/runtimes"], suffix: ".yaml", called: "runtime"
    ).mapped(
        { path, decoding in
            do {
                let runtime = try ContainerRuntime.load(
                    path.path, shown: decoding.shown(path.path), home: decoding.home)
                return RuntimeChoice(written: .file(path.written), runtime: runtime)
            } catch let failure as Failure { throw ForeignMistakes(failures: [failure]) } catch let list as FailureList
            { throw ForeignMistakes(failures: list.failures) }
        },
        back: { choice in
            guard case .file(let written) = choice.written else { return HostPath(path: "", written: "") }
            return HostPath(path: "", written: written)
        })

    private static let legacy = LegacyRunnc.shape.mapped(
        { legacy, decoding in
            var url = legacy.archive
            if !url.contains("://") {
                guard let path = decoding.resolve(url) else {
                    throw Refusal("'\(url)' starts at a home folder, and none is known", next: "write the whole path")
                }
                url = path.string
            }
            return RuntimeChoice(written: .legacy(legacy), runtime: legacy.runtime(at: url))
        },
        back: { choice in if case .legacy(let legacy) = choice.written { legacy } else { LegacyRunnc() } })

    static let shape = Shape<RuntimeChoice>.oneOf(
        "a runtime",
        [
            .scalar(
                file, "A name, or a path with a slash in it.", make: { $0 },
                part: { if case .file = $0.written { $0 } else { nil } }),
            .key(
                legacyKey, legacy, "The archived runnc, from a build of it that you bring.", make: { $0 },
                part: { if case .legacy = $0.written { $0 } else { nil } }),
        ])
}

extension Recipe {
    /// The recipe's runtimes, in its order.
    public var containerRuntimes: [ContainerRuntime] { runtimes.map(\.runtime) }

    static let runtimesKey = Key<Recipe>(
        "runtimes", \.runtimes,
        .list(of: RuntimeChoice.shape, called: "list of runtimes", limit: 32, identity: { $0.runtime.name }),
        example: .array([.string("nabla"), .string("hvt"), .string("gvisor")]),
        "Container runtimes beside Docker's own: names of files in `runtimes/` beside the recipe or in `recipes/runtimes`, or paths."
    )

    /// Runtimes may share files, but not names, and what they register needs Docker.
    func checkRuntimes(_ root: Node, _ decoding: Decoding) {
        guard decoding.isClean("runtimes"), decoding.isClean("docker") else { return }
        var names: [String: String] = [:]
        var files: [String: (artefact: ContainerRuntime.Artefact, runtime: String)] = [:]
        for (index, runtime) in containerRuntimes.enumerated() {
            for entry in runtime.docker {
                guard let other = names.updateValue(runtime.file, forKey: entry.name) else { continue }
                decoding.refuse(
                    "runtimes[\(index)]", in: root, "two runtimes have the Docker name '\(entry.name)'",
                    expected: "a name of its own for each", found: "it is in \(other) and in \(runtime.file)")
            }
            for artefact in runtime.artefacts {
                guard let other = files.updateValue((artefact, runtime.file), forKey: artefact.name),
                    (other.artefact.urls, other.artefact.sha256) != (artefact.urls, artefact.sha256)
                else { continue }
                decoding.refuse(
                    "runtimes[\(index)]", in: root, "two runtimes have different files of the name '\(artefact.name)'",
                    expected: "the same URLs and sha256 in both, since the lock knows the file by its name",
                    found: "\(other.runtime) and \(runtime.file)", next: "give one of the two another name")
            }
        }
        // What a stock image brings is known when it is read.
        let engines = ["docker.io", "docker-ce"]
        guard stock == nil, docker.origin == nil, decoding.isClean("packages.install"),
            !packages.installNames.contains(where: engines.contains)
        else { return }
        let needs =
            containerRuntimes.firstIndex { !$0.docker.isEmpty }.map { ("runtimes[\($0)]", "registers with Docker") }
            ?? (docker.daemon != nil ? ("docker.daemon", "configures Docker") : nil)
            ?? (docker.preload.isEmpty ? nil : ("docker.preload", "gives Docker images"))
        if let (key, what) = needs {
            decoding.refuse(
                key, in: root, "\(what), which the recipe does not install", next: "add docker: {from: distribution}")
        }
    }
}

extension Decoding {
    /// A path as messages show it: as the command line wrote the recipe's, where it lies in the recipe's folder.
    fileprivate func shown(_ path: FilePath) -> String {
        var relative = path
        guard relative.removePrefix(folder) else { return path.string }
        return FilePath(file).removingLastComponent().pushing(relative).string
    }
}
