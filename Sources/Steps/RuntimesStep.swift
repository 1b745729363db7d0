import Diagnostics
import Digests
import Layers
import Recipe
import Storage

/// Adds what container runtimes bring beside packages: programs from their release files, and their configuration.
package struct RuntimesStep: TreeStep {
    package let name = "runtimes"
    private let runtimes: [ContainerRuntime]
    private let artefacts: [RuntimeArtefact]
    private let store: LayerStore
    /// What the runtime files bring themselves, each with its runtime file.
    private let added: [(runtime: String, entry: Entry)]

    /// - Parameters:
    ///   - artefacts: every release file of the runtimes.
    ///   - store: where what is unpacked of them is kept.
    /// - Throws: `Failure` for a file of the host that cannot be read, or a program the board could not run.
    package init(_ runtimes: [ContainerRuntime], artefacts: [RuntimeArtefact], store: LayerStore) throws {
        self.runtimes = runtimes
        self.artefacts = artefacts
        self.store = store
        added = try runtimes.flatMap { runtime in
            try runtime.files.map { file in
                let bytes = try file.content.map { Array($0.utf8) } ?? file.source.map { try readFile($0.path) } ?? []
                let entry = Entry(
                    try EntryPath(validating: file.to), Attributes(mode: file.mode, mtime: Timestamp(seconds: 0)),
                    .regular(Content(bytes)))
                try RuntimeArtefact.checkProgram(entry, of: runtime.file)
                return (runtime.file, entry)
            }
        }
    }

    package var summary: String { runtimes.map(\.name).joined(separator: ", ") }

    /// The digest of each release file, and of what is taken of it.
    package var inputs: [StepInput] {
        let files = Layer(name: "", entries: added.map(\.entry)).digest
        return [StepInput("runtimes", summary), StepInput("files of runtimes", files.hex)]
            + artefacts.flatMap { artefact in
                [
                    StepInput("\(artefact.runtime) \(artefact.wanted.name)", artefact.digest.hex),
                    StepInput("\(artefact.runtime) what is taken of \(artefact.wanted.name)", artefact.key.hex),
                ]
            }
    }

    /// Unpacks and checks everything, so that a mistake shows before the build's long work.
    ///
    /// - Returns: for each runtime its name and the bytes that its release files add, in the recipe's order.
    /// - Throws: `Failure` as ``apply(to:epoch:)``.
    package func unpack() throws -> [(name: String, bytes: UInt64)] {
        _ = try files()
        return try runtimes.map { runtime in
            let layers = try artefacts.filter { $0.runtime == runtime.file }.map { try $0.layer(in: store) }
            let sizes = layers.flatMap(\.entries).map { entry -> UInt64 in
                if case .regular(let content) = entry.kind { content.size } else { 0 }
            }
            return (runtime.name, sizes.reduce(0, +))
        }
    }

    /// Everything that the runtimes bring, each file once.
    ///
    /// - Throws: `Failure` for a release file that is missing or damaged or holds no program for the board, for two runtimes that bring
    ///   different files to one path, and for a path that the tree has already.
    package func apply(to tree: Tree, epoch: Int64) throws -> Layer {
        var layer = Layer(name: name)
        for (runtime, entry) in try files() {
            if let there = tree.resolve(entry.path) {
                throw Failure(
                    at: runtime, "it brings \(entry.path), which is there already",
                    expected: "a path that no package and no stock image has",
                    found: there == entry.path ? nil : "\(there)", next: "change where it goes in \(runtime)")
            }
            var entry = entry
            entry.attributes.mtime = Timestamp(seconds: epoch)
            layer.entries.append(entry)
        }
        return layer
    }

    /// Every file once, in the runtimes' order, each with the runtime that brings it first.
    private func files() throws -> [(runtime: String, entry: Entry)] {
        var files: [(runtime: String, entry: Entry)] = []
        var places: [EntryPath: Int] = [:]
        let unpacked = try artefacts.flatMap { artefact in
            try artefact.layer(in: store).entries.map { (artefact.runtime, $0) }
        }
        for (runtime, entry) in unpacked + added {
            guard let index = places[entry.path] else {
                places[entry.path] = files.count
                files.append((runtime, entry))
                continue
            }
            let other = files[index]
            guard other.entry == entry else {
                throw Failure(
                    at: "\(entry.path)", "two runtimes bring different files",
                    expected: "the same bytes and mode from both, or another path in one",
                    found: "\(other.runtime) and \(runtime)")
            }
        }
        return files
    }
}
