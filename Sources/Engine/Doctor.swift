import Diagnostics
import Guest
import Tools

/// What this machine has of the programs that piforge runs.
package enum Doctor {
    /// One program: where it is, its version, and what to do when it is missing.
    package struct Finding: Sendable, Codable {
        /// The program's name on the PATH.
        package let name: String
        /// The Debian package that has the program.
        package let package: String
        /// Why it is needed, to stand behind "to".
        package let purpose: String
        /// Nil when it is not installed.
        package internal(set) var path: String?
        /// That of the Debian package, of QEMU what it says of itself; nil where neither is known.
        package internal(set) var version: String?
        /// What is wrong; nil when nothing is.
        package internal(set) var problem: String?
        /// The command that mends it.
        package internal(set) var next: String?
    }

    /// Looks for programs of this machine.
    package static func examine(
        _ wanted: [Tool] = ToolCatalogue.all, runner: ToolRunner = ToolRunner()
    ) async throws -> [Finding] {
        let versions = try await packageVersions(Set(wanted.map(\.package)), runner)
        var findings: [Finding] = []
        for tool in wanted { findings.append(try await examine(tool, versions[tool.package])) }
        return findings
    }

    private static func examine(_ tool: Tool, _ version: String?) async throws -> Finding {
        var finding = Finding(
            name: tool.name, package: tool.package, purpose: tool.purpose, path: ToolRunner.locate(tool)?.string,
            version: version, problem: nil, next: nil)
        if finding.path == nil {
            finding.problem = "missing"
            finding.next = "make setup (or: sudo apt-get install \(tool.package))"
        } else if tool == .qemu {
            do { finding.version = try await QEMU.locate().version } catch let failure as Failure {
                finding.problem = "not usable: \(failure.message)"
                finding.next = failure.next
            }
        }
        return finding
    }

    /// The installed versions of Debian packages; empty on a system without dpkg.
    private static func packageVersions(
        _ packages: Set<String>, _ runner: ToolRunner
    ) async throws -> [String: String] {
        guard ToolRunner.locate(.dpkgQuery) != nil else { return [:] }
        let result = try await runner.result(.dpkgQuery, ["-W", "-f", "${Package} ${Version}\n"] + packages.sorted())
        var versions: [String: String] = [:]
        for line in result.text.splitLines() {
            let words = line.split(separator: " ")
            if words.count == 2 { versions[String(words[0])] = String(words[1]) }
        }
        return versions
    }

    /// The findings as lines for a person: a mark, the program, its version or what is wrong, and why it is needed.
    package static func table(_ findings: [Finding]) -> String {
        let nameWidth = findings.map(\.name.count).max() ?? 0
        let stateWidth = findings.map { ($0.problem ?? $0.version ?? "").count }.max() ?? 0
        return findings.map { finding in
            let mark = finding.problem == nil ? "✓" : "✗"
            let name = finding.name.padding(to: nameWidth)
            let state = (finding.problem ?? finding.version ?? "found").padding(to: stateWidth)
            var line = "\(mark) \(name)  \(state)  to \(finding.purpose)\n"
            if let next = finding.next { line += "    next: \(next)\n" }
            return line
        }.joined()
    }
}
