import Diagnostics
import Guest
import Tools

/// What this machine has of the programs that piforge runs.
public enum Doctor {
    /// One program: where it is, its version, and what to do when it is missing.
    public struct Finding: Sendable, Codable {
        public let name: String
        public let package: String
        public let purpose: String
        /// Nil when it is not installed.
        public let path: String?
        public let version: String?
        /// What is wrong; nil when nothing is.
        public let problem: String?
        /// The command that mends it.
        public let next: String?
    }

    /// A program and how it tells its version.
    private struct Check {
        let tool: Tool
        let arguments: [String]
        var minimum: Int?
    }

    private static let checks = [
        Check(tool: Tool("apt-get", package: "apt", purpose: "resolve packages"), arguments: ["--version"]),
        Check(tool: Tool("apt-cache", package: "apt", purpose: "read package indices"), arguments: ["--version"]),
        Check(tool: Tool("gpgv", package: "gpgv", purpose: "verify signatures"), arguments: ["--version"]),
        Check(tool: Tool("mke2fs", package: "e2fsprogs", purpose: "make an empty ext4"), arguments: ["-V"]),
        Check(tool: Tool("e2fsck", package: "e2fsprogs", purpose: "check the root file system"), arguments: ["-V"]),
        Check(tool: Tool("mkfs.fat", package: "dosfstools", purpose: "make an empty FAT"), arguments: ["--help"]),
        Check(
            tool: Tool("fsck.fat", package: "dosfstools", purpose: "check the boot file system"), arguments: ["--help"]),
        Check(tool: Tool("mcopy", package: "mtools", purpose: "read and write FAT"), arguments: ["--version"]),
        Check(tool: Tool("sfdisk", package: "fdisk", purpose: "check the partition table"), arguments: ["--version"]),
        Check(
            tool: Tool("openssl", package: "openssl", purpose: "name the certificates' links"), arguments: ["version"]),
        Check(
            tool: Tool("setpriv", package: "util-linux", purpose: "end the emulator with its parent"),
            arguments: ["--version"]),
        Check(tool: Tool("depmod", package: "kmod", purpose: "index kernel modules"), arguments: ["--version"]),
        Check(
            tool: Tool("fdtput", package: "device-tree-compiler", purpose: "fit the device tree to the emulator"),
            arguments: ["--version"]),
        Check(
            tool: Tool("qemu-system-aarch64", package: "qemu-system-arm", purpose: "run the micro-VM and the proof"),
            arguments: ["--version"], minimum: 9),
        Check(
            tool: Tool("qemu-img", package: "qemu-utils", purpose: "lay a writable disk over the image"),
            arguments: ["--version"]),
        Check(
            tool: Tool(
                "aarch64-linux-gnu-gcc", package: "gcc-aarch64-linux-gnu", purpose: "compile the proof's KVM guest"),
            arguments: ["--version"]),
        Check(tool: Tool("ssh", package: "openssh-client", purpose: "log in during the proof"), arguments: ["-V"]),
        Check(
            tool: Tool("ssh-keygen", package: "openssh-client", purpose: "make the proof's throw-away key"),
            arguments: ["-?"]),
    ]

    /// Looks for every program.
    public static func examine(runner: ToolRunner = ToolRunner()) async throws -> [Finding] {
        var findings: [Finding] = []
        for check in checks { findings.append(try await examine(check, runner)) }
        return findings
    }

    private static func examine(_ check: Check, _ runner: ToolRunner) async throws -> Finding {
        let tool = check.tool
        func finding(path: String?, version: String?, problem: String?, next: String?) -> Finding {
            Finding(
                name: tool.name, package: tool.package, purpose: tool.purpose, path: path, version: version,
                problem: problem, next: next)
        }
        guard let path = ToolRunner.locate(tool) else {
            return finding(
                path: nil, version: nil, problem: "missing",
                next: "make setup (or: sudo apt-get install \(tool.package))")
        }
        let result = try await runner.result(tool, check.arguments)
        let version = (result.text + "\n" + result.errors).split(separator: "\n").lazy.compactMap(versionNumber).first
        if let minimum = check.minimum {
            let major = version.flatMap { Int($0.prefix { $0 != "." }) } ?? 0
            if major < minimum {
                return finding(
                    path: path.string, version: version, problem: "too old: at least \(minimum) is needed",
                    next: "make setup (it adds the backports suite and installs \(tool.package) from it)")
            }
        }
        return finding(path: path.string, version: version, problem: nil, next: nil)
    }

    /// The first word of a line that looks like a version: digits with a dot in them.
    private static func versionNumber(_ line: Substring) -> String? {
        for word in line.split(whereSeparator: { " ,()_".contains($0) }) {
            let digits = word.drop { !$0.isNumber }
            guard digits.count == word.count || word.count - digits.count <= 1 || word.hasPrefix("OpenSSH") else {
                continue
            }
            let version = digits.prefix { $0.isNumber || $0 == "." || $0 == "p" }
            if version.contains("."), version.last?.isNumber == true { return String(version) }
        }
        return nil
    }

    /// The findings as lines for a person: a mark, the program, its version or what is wrong, and why it is needed.
    public static func table(_ findings: [Finding]) -> String {
        let nameWidth = findings.map(\.name.count).max() ?? 0
        return findings.map { finding in
            let mark = finding.problem == nil ? "✓" : "✗"
            let name = finding.name.padding(to: nameWidth)
            let state = (finding.problem ?? finding.version ?? "found").padding(to: 12)
            var line = "\(mark) \(name)  \(state)  to \(finding.purpose)\n"
            if let next = finding.next { line += "    next: \(next)\n" }
            return line
        }.joined()
    }
}

extension String {
    /// Filled up with spaces to `width` characters.
    func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
