import Debian
import Diagnostics
import Layers

/// The packages of a tree, from dpkg's status file.
struct PackageList {
    /// More than a status file has, in bytes: one of 5,000 packages has 6 MiB.
    private static let largest: UInt64 = 64 << 20

    /// By name; of a package that is there for several architectures `name:architecture`. What is in a state other than
    /// `installed` has it behind its version.
    let versions: [String: String]

    /// - Returns: nil where there is no status file.
    /// - Throws: `Failure` where dpkg could not read it either.
    init?(_ files: ImageFiles) throws {
        guard let bytes = try files.bytes(at: SystemFiles.packages, limit: Self.largest) else { return nil }
        var found: [(name: String, architecture: String, version: String)] = []
        for paragraph in try ControlParagraph.parse(bytes, place: "\(SystemFiles.packages)") {
            guard let name = paragraph["Package"],
                let state = paragraph["Status"]?.split(separator: " ").last.map(String.init),
                state != "not-installed", state != "config-files"
            else { continue }
            let version = (paragraph["Version"] ?? "?") + (state == "installed" ? "" : " (\(state))")
            found.append((name, paragraph["Architecture"] ?? "", version))
        }
        let counts = Dictionary(found.map { ($0.name, 1) }, uniquingKeysWith: +)
        versions = Dictionary(
            found.map { (counts[$0.name] == 1 ? $0.name : "\($0.name):\($0.architecture)", $0.version) },
            uniquingKeysWith: { $1 })
    }
}
