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
        public internal(set) var path: String?
        public internal(set) var version: String?
        /// What is wrong; nil when nothing is.
        public internal(set) var problem: String?
        /// The command that mends it.
        public internal(set) var next: String?
    }

    /// What needs a program.
    public enum Need: Sendable { case build, proof, kernel }

    private struct Check {
        let name: String
        let package: String
        let purpose: String
        let needs: Set<Need>

        init(_ name: String, _ package: String, _ purpose: String, _ needs: Set<Need> = [.build]) {
            self.name = name
            self.package = package
            self.purpose = purpose
            self.needs = needs
        }
    }

    private static let checks = [
        Check("apt-get", "apt", "resolve packages and verify their archive"),
        Check("gpgv", "gpgv", "verify signatures"),
        Check("mke2fs", "e2fsprogs", "make an empty ext4"),
        Check("e2fsck", "e2fsprogs", "check the root file system"),
        Check("mkfs.fat", "dosfstools", "make an empty FAT"),
        Check("fsck.fat", "dosfstools", "check the boot file system"),
        Check("mmd", "mtools", "make folders on FAT"),
        Check("mcopy", "mtools", "copy files to FAT"),
        Check("depmod", "kmod", "index kernel modules"),
        Check("openssl", "openssl", "name the certificates' links"),
        Check("setpriv", "util-linux", "end the emulator with its parent", [.build, .proof]),
        Check("qemu-system-aarch64", "qemu-system-arm", "run the micro-VM and the proof", [.build, .proof]),
        Check("fdtget", "device-tree-compiler", "read the device tree", [.proof]),
        Check("fdtput", "device-tree-compiler", "fit the device tree to the emulator", [.proof]),
        Check(
            "aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu", "compile kernels, and the proof's KVM guest",
            [.proof, .kernel]),
        Check("gcc", "gcc", "build programs of a kernel's build", [.kernel]),
        Check("make", "make", "compile a kernel", [.kernel]),
        Check("flex", "flex", "build a kernel's Kconfig", [.kernel]),
        Check("bison", "bison", "build a kernel's Kconfig", [.kernel]),
        Check("patch", "patch", "patch a kernel's source", [.kernel]),
        Check("git", "git", "get a kernel's source at a commit", [.kernel]),
        Check("dpkg-buildpackage", "dpkg-dev", "make a kernel's package", [.kernel]),
        Check("dh_builddeb", "debhelper", "make a kernel's package", [.kernel]),
        Check("fakeroot", "fakeroot", "make packages of older kernels", [.kernel]),
        Check("rsync", "rsync", "collect a kernel's headers", [.kernel]),
        Check("bc", "bc", "compute a kernel's timer constants", [.kernel]),
        Check("cpio", "cpio", "make a kernel's empty initramfs", [.kernel]),
        Check("ccache", "ccache", "compile no file of a kernel twice", [.kernel]),
        Check("python3", "python3-venv", "explain a kernel's configuration", [.kernel]),
        Check("ssh", "openssh-client", "log in during the proof", [.proof]),
        Check("ssh-keygen", "openssh-client", "make the proof's throw-away key", [.proof]),
    ]

    /// Looks for the programs that a need has; for all of them when none is given.
    public static func examine(
        for need: Need? = nil, runner: ToolRunner = ToolRunner()
    ) async throws -> [Finding] {
        let wanted = checks.filter { check in need.map(check.needs.contains) ?? true }
        let versions = try await packageVersions(Set(wanted.map(\.package)), runner)
        var findings: [Finding] = []
        for check in wanted { findings.append(try await examine(check, versions[check.package])) }
        return findings
    }

    private static func examine(_ check: Check, _ version: String?) async throws -> Finding {
        let tool = Tool(check.name, package: check.package, purpose: check.purpose)
        var finding = Finding(
            name: tool.name, package: tool.package, purpose: tool.purpose, path: ToolRunner.locate(tool)?.string,
            version: version, problem: nil, next: nil)
        if finding.path == nil {
            finding.problem = "missing"
            finding.next = "make setup (or: sudo apt-get install \(tool.package))"
        } else if tool.name == QEMU.tool.name {
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
        let query = Tool("dpkg-query", package: "dpkg", purpose: "tell the versions of programs")
        guard ToolRunner.locate(query) != nil else { return [:] }
        let result = try await runner.result(query, ["-W", "-f", "${Package} ${Version}\n"] + packages.sorted())
        var versions: [String: String] = [:]
        for line in result.text.splitLines() {
            let words = line.split(separator: " ")
            if words.count == 2 { versions[String(words[0])] = String(words[1]) }
        }
        return versions
    }

    /// The findings as lines for a person: a mark, the program, its version or what is wrong, and why it is needed.
    public static func table(_ findings: [Finding]) -> String {
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

extension String {
    /// Filled up with spaces to `width` characters.
    func padding(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }
}
