import Diagnostics
import Foundation
import Storage
import SystemPackage
import Tools

/// Asks Kconfiglib, a reader of Kconfig files in Python, about symbols of a kernel. The kernel's own programs make the
/// configuration; this only tells why it came out as it did.
package struct KconfigEngine: Sendable {
    /// The release of PyPI, and the SHA-256 of its wheel.
    package static let release = "kconfiglib==14.1.0"
    static let sha256 = "edcd35a20e7e138a9a9e96149027f805f785e818d2eae400b6fa8b0c8845114a"

    /// The programs that it needs.
    package static let programs: [Tool] = [.python3, .environment]

    private let folder: FilePath
    private let offline: Bool
    private let tools: ToolRunner

    /// - Parameters:
    ///   - folder: where the Python environment is kept. Absolute.
    ///   - offline: whether it must be there already.
    ///   - tools: its environment may name proxies and pip's settings.
    package init(folder: FilePath, offline: Bool, tools: ToolRunner = ToolRunner()) {
        self.folder = folder
        self.offline = offline
        self.tools = tools
    }

    /// A question about a symbol.
    package struct Question: Sendable, Equatable, Encodable {
        /// Without `CONFIG_`.
        package var name: String
        /// `y`, `m`, `n`, or what else is wanted; nil asks for the present state.
        package var wanted: String?

        /// - Parameter wanted: what a fragment's line asks for; nil asks for the present state.
        package init(name: String, wanted: KernelOptionValue?) {
            self.name = name
            self.wanted = wanted?.description
        }
    }

    private struct Request: Encodable {
        var tree: String
        var config: String
        var symbols: [Question]
    }

    /// What the tree's Kconfig says of symbols in a configuration, in the order of the questions.
    ///
    /// - Throws: `Failure` when Kconfiglib cannot be had, or cannot read the tree.
    package func facts(_ questions: [Question], tree: KconfigTree, config: FilePath) async throws -> [KconfigFacts] {
        guard !questions.isEmpty else { return [] }
        let python = try await python()
        let request = Request(tree: tree.root.string, config: config.string, symbols: questions)
        let input = try jsonBytes(request, .oneLine, at: "Kconfig of Linux \(tree.version)")
        let variables = Self.variables(tree.version).map { "\($0)=\($1)" }
        let program = String(decoding: PackageResources.kconfig_facts_py, as: UTF8.self)
        let result = try await tools.run(
            .environment, variables + [python.string, "-I", "-c", program], input: input,
            place: "Kconfig of Linux \(tree.version)")
        do { return try JSONDecoder().decode([KconfigFacts].self, from: Data(result.output)) } catch {
            throw Failure(at: Self.release, "its answer could not be read", found: String(result.text.prefix(200)))
        }
    }

    /// What the kernel's Makefile exports to Kconfig.
    private static func variables(_ version: KernelVersion) -> [(String, String)] {
        let binutils = [
            "LD": "ld", "AR": "ar", "NM": "nm", "OBJCOPY": "objcopy", "OBJDUMP": "objdump", "STRIP": "strip",
        ]
        return KernelConfigurator.variables.map { ($0.name, $0.value) }
            + [
                ("SRCARCH", "arm64"), ("CC", "\(KernelConfigurator.prefix)gcc"), ("HOSTCC", "gcc"), ("HOSTCXX", "g++"),
                ("CLANG_FLAGS", ""), ("KERNELVERSION", version.description),
            ] + binutils.sorted { $0.key < $1.key }.map { ($0.key, KernelConfigurator.prefix + $0.value) }
    }

    /// The interpreter of an environment that has Kconfiglib and nothing else; it is made where it is not there yet, or no
    /// longer works.
    private func python() async throws -> FilePath {
        let python = folder.appending("bin/python")
        if UseGate(folder.removingLastComponent()).use(folder), exists(python) {
            let result = try await tools.result(.environment, [python.string, "-I", "-c", "import kconfiglib"])
            if result.status == 0 { return python }
        }
        guard !offline else {
            throw Failure.offline("\(Self.release) is not in the cache")
        }
        let root = folder.removingLastComponent()
        let made = try TemporaryFolder(in: root, name: "venv")
        let requirements = made.path.appending("requirements.txt")
        try await tools.run(Self.programs[0], ["-m", "venv", made.path.string], place: "Python environment")
        try writeAtomically(to: requirements, bytes: Array("\(Self.release) --hash=sha256:\(Self.sha256)\n".utf8))
        try await tools.run(
            .environment,
            [
                made.path.appending("bin/python").string, "-m", "pip", "install", "--quiet", "--no-deps",
                "--no-cache-dir", "--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes", "-r",
                requirements.string,
            ], place: Self.release)
        removeTree(folder)
        guard rename(made.path.string, folder.string) == 0 || exists(python) else {
            throw Failure(at: folder.string, "could not put the Python environment in place")
        }
        return python
    }
}
