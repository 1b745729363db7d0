import Debian
import Diagnostics
import Layers
import Packages

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
        var found: [(package: PackageIdentity, state: String)] = []
        for paragraph in try ControlParagraph.parse(bytes, place: "\(SystemFiles.packages)") {
            guard let name = paragraph["Package"],
                let state = paragraph["Status"]?.split(separator: " ").last.map(String.init),
                state != "not-installed", state != "config-files"
            else { continue }
            let package = PackageIdentity(
                name: name, version: paragraph["Version"] ?? "?", architecture: paragraph["Architecture"] ?? "")
            found.append((package, state))
        }
        let counts = Dictionary(found.map { ($0.package.name, 1) }, uniquingKeysWith: +)
        versions = Dictionary(
            found.map { package, state in
                (
                    counts[package.name] == 1 ? package.name : "\(package.name):\(package.architecture)",
                    package.version + (state == "installed" ? "" : " (\(state))")
                )
            }, uniquingKeysWith: { $1 })
    }
}
