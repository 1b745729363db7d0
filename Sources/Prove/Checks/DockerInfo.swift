import Firmware

/// What `docker info` says of a daemon that answers.
package struct DockerInfo: Sendable, Equatable {
    /// The daemon's version: `Server Version`.
    package var version: String
    /// Such as `overlay2`; `none` where it is not told.
    package var storageDriver: String
    /// `1` or `2`.
    package var cgroupVersion: String
    /// Its lines that begin with `WARNING:`, without that word.
    package var warnings: [String]

    /// nil when the daemon did not answer.
    ///
    /// - Parameter text: what `docker info` printed, errors included.
    package init?(_ text: String) {
        let lines = text.split(whereSeparator: \.isNewline).map(\.trimmed)
        func value(_ key: String) -> String? {
            lines.first { $0.hasPrefix(key + ": ") }.map { String($0.dropFirst(key.count + 2)) }
        }
        guard let version = value("Server Version") else { return nil }
        self.version = version
        storageDriver = value("Storage Driver") ?? "none"
        cgroupVersion = value("Cgroup Version") ?? "1"
        warnings = lines.compactMap { $0.hasPrefix("WARNING: ") ? String($0.dropFirst(9)) : nil }
    }

    /// The warnings that another kernel or command line would not give.
    ///
    /// Docker words them "No … support" and "bridge-nf-call-… is disabled" (moby, daemon/info_unix.go). Three say what no
    /// kernel can change: limits of kernel memory, which Linux 5.16 no longer has, and two files that version 2 of the
    /// control groups lacks. Whatever else Docker warns of is the recipe's own wish: a registry, a port, a profile.
    package var removableWarnings: [String] {
        warnings.filter { warning in
            let words = warning.lowercased()
            if words.contains("kernel memory") { return false }
            if cgroupVersion == "2", words.contains("oom kill disable") || words.contains("swappiness") { return false }
            return (words.hasPrefix("no ") && words.contains(" support")) || words.hasPrefix("bridge-nf-call-")
        }
    }
}
