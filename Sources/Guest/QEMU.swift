import Diagnostics
import SystemPackage
import Tools

/// The installed QEMU for arm64 machines.
package struct QEMU: Sendable, Hashable {
    /// The first version with the machine `raspi4b` (QEMU 9.0's change log).
    package static let minimumVersion = 9

    /// Where the program is.
    package let path: FilePath
    /// As the program tells it: `10.0.2`.
    package let version: String

    /// Takes a program whose version is known.
    package init(path: FilePath, version: String) {
        self.path = path
        self.version = version
    }

    /// Finds QEMU and checks its version.
    ///
    /// - Parameter tool: another program than the usual one, for tests.
    /// - Throws: `Failure` with the command that installs it, when it is missing or older than ``minimumVersion``.
    package static func locate(_ tool: Tool = .qemu) async throws -> QEMU {
        let result = try await ToolRunner().run(tool, ["--version"], place: tool.name)
        guard let path = ToolRunner.locate(tool)?.lexicallyNormalized() else {
            throw Failure(at: tool.name, "the program went away while it was looked at")
        }
        // "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)"
        let words = result.text.split(whereSeparator: \.isWhitespace)
        let version = words.firstIndex(of: "version").flatMap { words.dropFirst($0 + 1).first }.map(String.init)
        guard let version, let major = version.split(separator: ".").first.flatMap({ Int($0) }) else {
            throw Failure(
                at: path.string, "the program does not tell its version", expected: "QEMU emulator version N",
                found: result.text.splitLines().first.map(String.init) ?? "nothing")
        }
        guard major >= minimumVersion else {
            throw Failure(
                at: path.string, "QEMU is too old", expected: "\(minimumVersion).0 or newer", found: version,
                next: "make setup (or, on Debian 12: sudo apt-get install -t bookworm-backports \(tool.package))")
        }
        return QEMU(path: path, version: version)
    }
}
