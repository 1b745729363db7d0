/// Which package: what names a Debian package of one build among all others.
package struct PackageIdentity: Hashable, Sendable, Codable {
    /// As Debian Policy, section 5.6.7, has it: `libc6`.
    package let name: String
    /// As Debian Policy, section 5.6.12, has it, the epoch in front where there is one: `5:28.0.1-1`.
    package let version: String
    /// The architecture that the package declares: `arm64`, or `all`.
    package let architecture: String

    package init(name: String, version: String, architecture: String) {
        self.name = name
        self.version = version
        self.architecture = architecture
    }
}

extension PackageIdentity: Comparable {
    /// By name, then architecture, as lists of packages are sorted; last by the version's text, which is not the order of
    /// versions.
    package static func < (a: PackageIdentity, b: PackageIdentity) -> Bool {
        (a.name, a.architecture, a.version) < (b.name, b.architecture, b.version)
    }
}

extension PackageIdentity: CustomStringConvertible {
    /// As errors name a package: `openssh-server 1:10.0p1-7`.
    package var description: String { "\(name) \(version)" }
}

/// What is of one package.
package protocol IdentifiedPackage {
    var identity: PackageIdentity { get }
}

extension IdentifiedPackage {
    package var name: String { identity.name }
    package var version: String { identity.version }
    package var architecture: String { identity.architecture }
}
