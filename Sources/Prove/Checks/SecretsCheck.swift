import Records
import Diagnostics

extension Check {
    /// The board has made the keys and secrets that packages' scripts make, none of which is in the image.
    static func secrets(_ secrets: [Manifest.Secret]) -> Check {
        Check("secrets of packages", expected: "made at the first boot: \(secrets.map(\.path).joined(separator: ", "))")
        {
            system in
            let paths = secrets.map(\.path.shellQuoted).joined(separator: " ")
            let script =
                "systemctl is-active piforge-secrets.service; for f in \(paths); do [ -s \"$f\" ] || echo \"$f is missing\"; done"
            let lines = try await system.shell.run(script, within: .longCommand).output.splitLines().map(String.init)
            let missing = lines.dropFirst()
            return Observation(
                missing.isEmpty ? "\(secrets.count) made" : missing.joined(separator: "; "),
                passed: lines.first == "active" && missing.isEmpty)
        }
    }
}
