import Diagnostics
import Foundation
import SystemPackage

/// A runtime as a recipe names it, and what its file says.
package struct RuntimeChoice: Sendable, Equatable {
    static let legacyKey = "legacy-runnc"

    /// What the recipe says.
    enum Written: Sendable, Equatable {
        /// A name or a path, and what is chosen of it.
        case file(String, Options)
        case legacy(LegacyRunnc)
    }

    /// What a recipe may choose of a runtime.
    struct Options: Sendable, Equatable {
        /// In place of the file's own.
        var version: String?
        /// A folder of this machine that has the release files.
        var folder: HostPath?
        var proof: ContainerRuntime.Proof?

        static let none = Options()

        static let shape = Shape<Options>.object(
            Options(),
            [
                Key(
                    optional: "version", \.version, ContainerRuntime.versionText, fallback: "that of its file",
                    example: .string("0.7.0"), "Which version of its release files."),
                Key(
                    optional: "from", \.folder, .existing(.folder), fallback: "the URLs in its file",
                    example: .string("./downloads"),
                    "A folder that has its release files, by the last part of their URLs."),
                Key(
                    optional: "proof", \.proof, ContainerRuntime.Proof.shape(ofChoice: true),
                    fallback: "that of its file", "An image that the proof shows the runtime by."),
            ])
    }

    let written: Written
    /// As its file describes it, with the version, the folder and the proof that the recipe chooses.
    package let runtime: ContainerRuntime

    /// A runtime file by its name or path.
    private static let path = Shape<HostPath>.existing(
        .file, named: ["runtimes", "../recipes/runtimes", "recipes/runtimes"], shared: "recipes/runtimes",
        suffix: ".yaml",
        called: "runtime")

    /// Reads a runtime's file; its mistakes are reported as the file's own.
    private static func load(_ path: HostPath, _ options: Options, _ decoding: Decoding) throws -> RuntimeChoice {
        var runtime: ContainerRuntime
        do {
            runtime = try ContainerRuntime.load(path.path, shown: decoding.shown(path.path), home: decoding.home)
        } catch let failure as Failure { throw ForeignMistakes(failures: [failure]) } catch let list as FailureList {
            throw ForeignMistakes(failures: list.failures)
        }
        try runtime.take(options)
        return RuntimeChoice(written: .file(path.written, options), runtime: runtime)
    }

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

    private static let name = path.mapped(
        { path, decoding in try load(path, .none, decoding) },
        back: { choice in
            guard case .file(let written, _) = choice.written else { return HostPath(path: "", written: "") }
            return HostPath(path: "", written: written)
        })

    static let shape = Shape<RuntimeChoice>.oneOf(
        "a runtime",
        [
            .scalar(
                name, "A name, or a path with a slash in it.", make: { $0 },
                part: { if case .file(_, .none) = $0.written { $0 } else { nil } }),
            .key(
                legacyKey, legacy, "The archived runnc, from a build of it that you bring.", make: { $0 },
                part: { if case .legacy = $0.written { $0 } else { nil } }),
            .anyKey(
                "NAME", besides: [legacyKey], Options.shape, "A name or a path, and what is chosen of it.",
                make: { name, place, options, path, decoding in
                    // The name is read as a scalar is, at its own place.
                    let node = Node(value: .scalar(name, plain: true), place: place)
                    guard let file = Self.path.decode(node, path, decoding) else { return nil }
                    do { return try load(file, options, decoding) } catch let refusal as Refusal {
                        decoding.refuse(path, at: place, refusal)
                    } catch let mistakes as ForeignMistakes {
                        decoding.refuse(path, at: place, mistakes)
                    } catch { decoding.refuse(path, at: place, "\(error)") }
                    return nil
                },
                part: { choice in
                    guard case .file(let written, let options) = choice.written, options != .none else { return nil }
                    return (written, options)
                }),
        ])
}

extension ContainerRuntime {
    /// Takes what a recipe chooses; `{version}` is filled in.
    fileprivate mutating func take(_ options: RuntimeChoice.Options) throws {
        if let wanted = options.version {
            guard version != nil else {
                throw Refusal("\(file) has no versions to choose from", next: "leave version out")
            }
            version = wanted
        }
        folder = options.folder?.path
        if let proof = options.proof { self.proof = (self.proof ?? Proof()).taking(proof) }
        for index in artefacts.indices {
            var artefact = artefacts[index]
            func filled(_ text: String) -> String { text.replacing(Self.versionPlace, with: version ?? "") }
            artefact.givenName = artefact.givenName.map(filled)
            artefact.urls = artefact.urls.map(filled)
            if let folder = options.folder {
                let path = folder.path.appending(artefact.fileName)
                guard FileManager.default.isReadableFile(atPath: path.string) else {
                    throw Refusal(
                        "the folder '\(folder.written)' lacks the release file '\(artefact.fileName)'",
                        expected: artefacts.map { filled($0.urls.first ?? "") }.map {
                            FilePath($0).lastComponent?.string ?? ""
                        }
                        .joined(separator: ", "), next: "put it there, or leave from out")
                }
                artefact.urls = [path.string]
            }
            artefacts[index] = artefact
        }
    }
}

extension Recipe {
    /// The recipe's runtimes, in its order.
    package var containerRuntimes: [ContainerRuntime] { runtimes.map(\.runtime) }

    static let runtimesKey = Key<Recipe>(
        "runtimes", \.runtimes,
        .list(of: RuntimeChoice.shape, called: "list of runtimes", limit: 32, identity: { $0.runtime.name }),
        example: .array([.string("nabla"), .string("hvt"), .string("gvisor")]),
        "Container runtimes beside Docker's own: names of files in `runtimes/` beside the recipe or in `recipes/runtimes`, or of those that come with piforge; or paths."
    )

    /// Runtimes may share files, but not names, and what they register needs Docker.
    func checkRuntimes(_ root: Node, _ decoding: Decoding) {
        guard decoding.isClean("runtimes"), decoding.isClean("docker") else { return }
        var names: [String: String] = [:]
        var files: [String: (artefact: ContainerRuntime.Artefact, runtime: ContainerRuntime)] = [:]
        var places: [String: (artefact: ContainerRuntime.Artefact, runtime: ContainerRuntime)] = [:]
        for (index, runtime) in containerRuntimes.enumerated() {
            for entry in runtime.docker {
                guard let other = names.updateValue(runtime.file, forKey: entry.name) else { continue }
                decoding.refuse(
                    "runtimes[\(index)]", in: root, "two runtimes have the Docker name '\(entry.name)'",
                    expected: "a name of its own for each", found: "it is in \(other) and in \(runtime.file)")
            }
            for artefact in runtime.artefacts {
                guard let other = files.updateValue((artefact, runtime), forKey: artefact.name),
                    (other.artefact.urls, other.artefact.sha256) != (artefact.urls, artefact.sha256)
                else { continue }
                decoding.refuse(
                    "runtimes[\(index)]", in: root, "two runtimes have different files of the name '\(artefact.name)'",
                    expected: "the same URLs and sha256 in both, since the lock knows the file by its name",
                    found: "\(other.runtime.file) and \(runtime.file)",
                    next: sameSource(other.runtime, runtime) ?? "give one of the two another name")
            }
            for (path, artefact) in runtime.broughtFiles {
                guard let other = places[path] else {
                    places[path] = (artefact, runtime)
                    continue
                }
                // What differs by its version is another file; what has another name alone may be the same bytes.
                guard other.artefact.name != artefact.name, other.runtime.version != runtime.version else {
                    continue
                }
                decoding.refuse(
                    "runtimes[\(index)]", in: root, "two runtimes bring different files to \(path)",
                    expected: "one version of both",
                    found:
                        "\(other.artefact.name) of \(other.runtime.file) and \(artefact.name) of \(runtime.file)",
                    next: "give \(other.runtime.name) and \(runtime.name) the same version")
                break
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

/// What to do about two runtimes that share release files and take them from different places; nil where `from` is not why.
private func sameSource(_ one: ContainerRuntime, _ other: ContainerRuntime) -> String? {
    guard one.folder != other.folder else { return nil }
    return "give \(one.name) and \(other.name) the same from and version"
}

extension ContainerRuntime {
    /// Where its release files go in the image, each path with the file that it is taken from. Globs of members name no path.
    fileprivate var broughtFiles: [(path: String, artefact: Artefact)] {
        artefacts.flatMap { artefact in
            ([artefact.to].compactMap(\.self) + artefact.members.map(\.to)).map { ($0, artefact) }
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
