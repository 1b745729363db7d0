import Diagnostics
import Storage
import Tools

/// The programs that compile and package a kernel, and their versions.
package struct KernelToolchain: Sendable {
    /// The version of how a kernel is compiled and packaged here; part of the key of what is kept.
    package static let rulesVersion = 1

    /// A program whose version shapes the package's bytes.
    package struct Version: Sendable, Equatable {
        /// The program that was asked, as ``Tools/Tool/name`` has it: `dpkg-query` for debhelper's version.
        package var name: String
        /// As the program tells it, with the distribution's version.
        package var version: String
    }

    /// In a fixed order.
    package var versions: [Version]

    /// What each is asked with. dpkg-deb compresses, depmod writes the modules' indices, debhelper fills the control archive.
    private static let asked: [(tool: Tool, arguments: [String])] = [
        (.arm64GCC, ["--version"]),
        (.arm64LD, ["--version"]),
        (.dpkgDeb, ["--version"]),
        // debhelper's programs do not tell their version.
        (.dpkgQuery, ["--show", "--showformat=debhelper ${Version}\\n", "debhelper"]),
        (.depmod, ["--version"]),
    ]

    /// Asks the programs of this machine.
    ///
    /// - Throws: `FailureList` with every one that is missing.
    package static func ask(tools: ToolRunner) async throws -> KernelToolchain {
        try require(asked.map(\.tool) + [.dhBuilddeb])
        var versions: [Version] = []
        for (tool, arguments) in asked {
            let said = try await tools.run(tool, arguments, place: tool.name).text
            versions.append(Version(name: tool.name, version: String(said.prefix { $0 != "\n" }.prefix(200))))
        }
        return KernelToolchain(versions: versions)
    }

    /// - Throws: `FailureList` with every program that is missing.
    package static func require(_ programs: [Tool]) throws {
        let missing = programs.filter { ToolRunner.locate($0) == nil }
        guard missing.isEmpty else {
            throw FailureList(
                missing.map {
                    Failure(
                        at: $0.name, "the program is not installed; it is needed to \($0.purpose)",
                        next: "make setup (or: sudo apt-get install \($0.package))")
                })
        }
    }
}

extension KernelToolchain {
    /// Compares the compiler and the linker with what the source asks for (scripts/min-tool-version.sh, since Linux 5.12).
    ///
    /// - Throws: `FailureList` with every program that is too old.
    package static func check(against tree: KconfigTree, tools: ToolRunner) async throws {
        guard exists(tree.root.appending("scripts/min-tool-version.sh")) else { return }
        var asking = tools
        asking.environment["ARCH"] = "arm64"
        asking.environment["SRCARCH"] = "arm64"
        var failures: [Failure] = []
        for (name, index, package) in [
            ("gcc", 0, "gcc-aarch64-linux-gnu"), ("binutils", 1, "binutils-aarch64-linux-gnu"),
        ] {
            let answer = try await asking.result(.shell, ["scripts/min-tool-version.sh", name], directory: tree.root)
            let text = answer.text.filter { !$0.isWhitespace }
            let (tool, arguments) = asked[index]
            let said = try await tools.run(tool, arguments, place: tool.name).text
            // `aarch64-linux-gnu-gcc (Debian 12.2.0-14) 12.2.0`, `GNU ld (GNU Binutils for Debian) 2.40`.
            let found = said.prefix { $0 != "\n" }.split(separator: " ").last.map(String.init) ?? ""
            guard answer.status == 0, let wanted = KernelVersion(text), let version = KernelVersion(found) else {
                continue
            }
            if version < wanted, version.cut(like: wanted).lexicographicallyPrecedes(wanted.numbers) {
                failures.append(
                    Failure(
                        at: tool.name, "the program is too old for Linux \(tree.version)",
                        expected: "\(name) \(text) or later",
                        found: found, next: "install a newer \(package)"))
            }
        }
        guard failures.isEmpty else { throw FailureList(failures) }
    }
}
