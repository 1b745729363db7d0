/// Which package: what names a Debian package of one build among all others.
public struct PackageIdentity: Hashable, Sendable, Codable {
    /// As Debian Policy, section 5.6.7, has it: `libc6`.
    public let name: String
    /// As Debian Policy, section 5.6.12, has it, the epoch in front where there is one: `5:28.0.1-1`.
    public let version: String
    /// The architecture that the package declares: `arm64`, or `all`.
    public let architecture: String

    public init(name: String, version: String, architecture: String) {
        self.name = name
        self.version = version
        self.architecture = architecture
    }
}

extension PackageIdentity: Comparable {
    /// By name, then architecture, as lists of packages are sorted; last by the version's text, which is not the order of
    /// versions.
    public static func < (a: PackageIdentity, b: PackageIdentity) -> Bool {
        (a.name, a.architecture, a.version) < (b.name, b.architecture, b.version)
    }
}

extension PackageIdentity: CustomStringConvertible {
    /// As errors name a package: `openssh-server 1:10.0p1-7`.
    public var description: String { "\(name) \(version)" }
}

/// What is of one package.
public protocol IdentifiedPackage {
    var identity: PackageIdentity { get }
}

extension IdentifiedPackage {
    public var name: String { identity.name }
    public var version: String { identity.version }
    public var architecture: String { identity.architecture }
}
