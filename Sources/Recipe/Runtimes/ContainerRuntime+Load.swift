import Diagnostics
import Digests
import SystemPackage

extension ContainerRuntime {
    /// Reads and checks a runtime file.
    ///
    /// - Parameters:
    ///   - path: the YAML file, at most 1 MiB; relative paths in it start at its folder.
    ///   - shown: what messages call the file.
    /// - Throws: `Failure` of kind `.usage` for one mistake, `FailureList` for several, each with its line.
    static func load(_ path: FilePath, shown: String, home: FilePath?) throws -> ContainerRuntime {
        let text = try readText(path, limit: 1 << 20)
        let root = try YAMLReader.read(text, file: shown)
        let decoding = Decoding(file: shown, folder: path.removingLastComponent(), home: home)
        guard var runtime = shape.decode(root, [], decoding) else {
            try decoding.finish()
            throw Failure(.usage, at: shown, "the runtime could not be read")
        }
        runtime.name = path.lastComponent?.stem ?? ""
        runtime.digest = .of(text)
        if !matches(runtime.name, "[a-z0-9][a-z0-9.-]{0,63}") {
            decoding.refuse(
                [], at: .line(1), "'\(runtime.name)' is not a runtime's name", expected: "a-z, 0-9, '.' and '-'",
                next: "rename the file")
        }
        runtime.check(root, decoding)
        try decoding.finish()
        return runtime
    }

    /// Checks what no single key can.
    private func check(_ root: Node, _ decoding: Decoding) {
        let names = docker.map(\.name)
        for (index, check) in checks.enumerated() {
            guard let name = check.docker, !names.contains(name) else { continue }
            decoding.refuse(
                "checks[\(index)].docker", in: root, "'\(name)' is no name in docker\(didYouMean(name, names))",
                expected: names.isEmpty ? "a name in docker" : "one of \(names.joined(separator: ", "))")
        }
        if version == nil, let index = artefacts.firstIndex(where: \.namesVersion) {
            decoding.refuse(
                "artefacts[\(index)]", in: root, "it has \(Self.versionPlace), and the file has no version",
                expected: "version: …")
        }
        let brings = ["packages", "artefacts", "files"]
        if packages.isEmpty, artefacts.isEmpty, files.isEmpty, brings.allSatisfy(decoding.isClean) {
            decoding.refuse(
                [], at: root.place, "the runtime brings nothing", expected: "packages, artefacts or files")
        }
    }

    /// The JSON Schema of runtime files (draft 2020-12), closed at every level but `options`, always the same bytes.
    package static func schema() -> String {
        guard case .object(let members) = shape.schema else { return shape.schema.pretty }
        return JSON.object(
            [
                .init(key: "$schema", value: .string("https://json-schema.org/draft/2020-12/schema")),
                .init(key: "title", value: .string("piforge container runtime")),
                .init(key: "description", value: .string("A container runtime of an image: what it is made of.")),
            ] + members
        ).pretty
    }

    /// The table of all keys, in Markdown, for docs/runtimes.md.
    package static func referenceText() -> String { referenceTable(shape.rows) }
}
