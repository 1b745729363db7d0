import Kernel

extension Check {
    /// The configuration of the kernel that runs, by its own word, follows what the manifest asks for.
    ///
    /// - Parameter lines: as a fragment has them.
    static func kernelConfig(_ lines: [String]) -> Check {
        let count = lines.count == 1 ? "1 line" : "\(lines.count) lines"
        return Check("/proc/config.gz", expected: "\(count) of fragments") { system in
            let release = try await system.shell.run("uname -r", within: .command).firstLine
            // What is not set need not come over the console.
            let result = try await system.shell.run(
                "if ! test -e /proc/config.gz; then echo none; else zcat /proc/config.gz | grep ^CONFIG_; fi",
                within: .longCommand)
            if result.output == "none" {
                return Observation("the kernel does not tell (CONFIG_IKCONFIG_PROC)", passed: true)
            }
            guard let version = KernelVersion(release) else {
                return Observation("\(release) is no version", passed: false)
            }
            // A terminal ends its lines with a carriage return, too.
            let text = result.output.utf8.filter { $0 != 0x0d } + [0x0a]
            let config = try KernelConfig(text, at: "/proc/config.gz")
            // Each line for itself: fragments may ask for one option together.
            let wanted = try ConfigFragment.joined(
                lines.enumerated().map { index, line in
                    try ConfigFragment.parse(line, file: "the manifest's kernelConfig[\(index)]")
                })
            let violations = ConfigFragment.violations(of: wanted, in: config, version: version)
            return Observation(
                violations.isEmpty ? "all followed" : violations.map(\.summary).joined(separator: "\n"),
                passed: violations.isEmpty)
        }
    }
}
