/// What is asked of an archive, as apt-get(8) takes it: `name`, `name=version`, `name/suite`, or `name-` for a package that must not
/// be installed.
package struct PackageWish: Hashable, Sendable {
    /// A valid name (``isPackageName(_:)``), without version, suite and hyphen.
    package let name: String
    /// The only version that will do; nil for the one that apt prefers.
    package let version: String?
    /// The suite that it is taken from; nil for the one that apt prefers.
    package let suite: String?
    /// Whether the package is to be kept out.
    package let keepsOut: Bool

    /// - Returns: nil for a text that asks for nothing.
    package static func parse(_ text: String) -> PackageWish? {
        var name = Substring(text)
        var version: String?
        var suite: String?
        var keepsOut = false
        if let mark = name.firstIndex(of: "=") {
            version = String(name[name.index(after: mark)...])
            name = name[..<mark]
        } else if let mark = name.firstIndex(of: "/") {
            suite = String(name[name.index(after: mark)...])
            name = name[..<mark]
        } else if name.hasSuffix("-") {
            name = name.dropLast()
            keepsOut = true
        }
        guard isPackageName(name), version.map({ isPackageVersion($0) }) ?? true,
            suite.map({ isArchiveName($0) }) ?? true
        else { return nil }
        return PackageWish(name: String(name), version: version, suite: suite, keepsOut: keepsOut)
    }
}
