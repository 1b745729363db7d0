import Diagnostics

/// One run of a maintainer script.
package struct ScriptTiming: Sendable, Hashable {
    /// Which script ran, or what dpkg did with scripts in it.
    package enum Script: String, Sendable {
        case preinst
        /// dpkg unpacking the package, its preinst script among that, and for an upgrade the old version's scripts.
        case unpack
        /// dpkg removing the package, its prerm and postrm scripts among that.
        case removal
        /// `postinst configure`.
        case postinst
        /// `postinst triggered`.
        case trigger
    }

    /// The package's name without its architecture.
    package let package: String
    package let script: Script
    /// On the host's clock, dpkg's own work on the package among them.
    package let seconds: Double
    /// QEMU's CPU time meanwhile, in seconds: on a busy host it tells more.
    package let cpuSeconds: Double
}

/// Follows what the micro-VM prints: dpkg's status lines (dpkg(1), `--status-fd`) among all that the scripts print.
///
///     processing: configure: PACKAGE
///     status: PACKAGE: half-configured
///     status: PACKAGE : error : MESSAGE
struct ConfigureLog {
    /// What is running, or last ran.
    struct Current {
        let package: String
        let script: ScriptTiming.Script
        let start: ContinuousClock.Instant
        let startCPU: Double
        var lines: [String] = []
    }

    /// The first error dpkg told of.
    struct DpkgError: Equatable {
        let package: String
        let message: String
    }

    private(set) var current: Current?
    private(set) var timings: [ScriptTiming] = []
    private(set) var error: DpkgError?
    /// Whether dpkg has begun to tell of an error: what follows are its own words.
    private var isTellingError = false
    /// Whether some program found the file system full.
    private(set) var sawFullDisk = false

    private static let keptLines = 40
    private static let scripts: [Substring: ScriptTiming.Script] = [
        "preinst": .preinst, "configure": .postinst, "trigproc": .trigger, "install": .unpack, "unpack": .unpack,
        "upgrade": .unpack, "remove": .removal,
    ]

    /// Takes one line, without its newline.
    ///
    /// - Parameter cpu: tells the CPU time that QEMU has used, in seconds.
    mutating func take(_ line: String, at time: ContinuousClock.Instant, cpu: () -> Double) {
        let words = line.split(separator: ":", omittingEmptySubsequences: false)
            .map { $0.drop(while: { $0 == " " }) }
        if words.first == "processing", words.count >= 3, let script = Self.scripts[words[1]] {
            let cpu = cpu()
            finish(at: time, cpu: cpu)
            current = Current(
                package: String(Self.trimmed(words[2])), script: script, start: time, startCPU: cpu)
            return
        }
        if words.first == "status" {
            // "status: PACKAGE : error : MESSAGE"; the package may be NAME:ARCHITECTURE.
            if error == nil, let range = line.firstRange(of: " : error : ") {
                let package = line[..<range.lowerBound].dropFirst("status: ".count)
                error = DpkgError(
                    package: String(package.prefix { $0 != ":" }), message: String(line[range.upperBound...]))
            }
            return
        }
        if line.contains("No space left on device") { sawFullDisk = true }
        if line.hasPrefix("dpkg: error processing") { isTellingError = true }
        guard !isTellingError, !line.hasPrefix("Setting up ") else { return }
        current?.lines.append(line)
        if let count = current?.lines.count, count > Self.keptLines { current?.lines.removeFirst() }
    }

    /// Ends what is running.
    mutating func finish(at time: ContinuousClock.Instant, cpu: Double) {
        guard let running = current else { return }
        let seconds = (time - running.start) / .seconds(1)
        timings.append(
            ScriptTiming(
                package: running.package, script: running.script, seconds: seconds, cpuSeconds: cpu - running.startCPU))
    }

    /// The last lines that the running script has printed.
    func lastLines(_ count: Int = 8) -> String? {
        guard let lines = current?.lines.suffix(count), !lines.isEmpty else { return nil }
        return lines.joined(separator: "\n            ")
    }

    private static func trimmed(_ text: Substring) -> Substring {
        text.prefix { $0 != " " && $0 != "\r" }
    }
}

extension ScriptTiming.Script {
    /// As it is called in errors.
    var title: String {
        switch self {
        case .preinst: "preinst script"
        case .unpack: "preinst script"
        case .removal: "removal script"
        case .postinst: "postinst script (configure)"
        case .trigger: "postinst script (triggered)"
        }
    }
}
