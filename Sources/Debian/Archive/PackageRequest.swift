import Diagnostics
import Digests
import Packages

/// What a recipe asks of the archive: everything that the solution depends on but the archive's own state.
package struct PackageRequest: Sendable, Equatable {
    /// The suites, with their components and keyrings.
    package let sources: [ArchiveSource]
    /// The Debian architecture to resolve for: `arm64`.
    package let architecture: String
    /// What to install, sorted and without doubles: `name`, `name=version`, `name/suite`, or `name-` for a package that
    /// must not be installed.
    package let packages: [String]
    /// apt_preferences(5) text; empty for none.
    package let preferences: String
    /// What those preferences know some sources by, by the source's name: the solver checks that it is so. Their text is part of
    /// ``preferences``.
    package let pins: [String: [ArchivePin]]
    /// What stands for the preferences in ``digest``, where they hang on a machine's mirrors; nil for their text.
    package let preferencesKey: String?
    /// Whether recommended packages are installed too.
    package let recommends: Bool
    /// Whether the archive's essential packages and apt are added to the request: on an empty dpkg status apt installs
    /// only what it is asked for.
    package let addsEssential: Bool
    /// A dpkg status file of what is installed already; empty for nothing.
    package var status: [UInt8]
    /// The stock image whose status that is. A request can be compared with a lock by it before the image is there.
    package let base: SHA256Digest?
    /// Whether installed packages are upgraded too.
    package let upgrades: Bool

    /// - Throws: `Failure` for a package that is no package name (Debian Policy, section 5.6.7).
    package init(
        sources: [ArchiveSource], packages: [String], preferences: String = "",
        pins: [String: [ArchivePin]] = [:], preferencesKey: String? = nil, recommends: Bool = false,
        architecture: String = "arm64", addsEssential: Bool = true, status: [UInt8] = [], base: SHA256Digest? = nil,
        upgrades: Bool = false
    ) throws {
        for package in packages where PackageWish.parse(package) == nil {
            throw Failure(
                .usage, at: "packages", "'\(package)' is not a package name",
                expected: "name, name=version, name/suite, or name- to keep a package out")
        }
        self.sources = sources
        self.packages = Set(packages).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        self.preferences = preferences
        self.pins = pins
        self.preferencesKey = preferencesKey
        self.recommends = recommends
        self.architecture = architecture
        self.addsEssential = addsEssential
        self.status = status
        self.base = base
        self.upgrades = upgrades
    }

    /// A digest over all of the request but the keyring's place on this machine. A lock file holds it, so that a lock
    /// made for another request is known as stale.
    package var digest: SHA256Digest {
        let hasher = KeyHasher(purpose: "package request 1")
        hasher.add(architecture)
        hasher.add(sources.count)
        for source in sources {
            hasher.add(source.suite)
            hasher.add(source.components.joined(separator: " "))
            if let name = source.name { hasher.add(name) }
            for uri in source.uris { hasher.add(uri) }
        }
        hasher.add(packages.count)
        for package in packages { hasher.add(package) }
        hasher.add(preferencesKey ?? preferences)
        hasher.add(recommends ? "recommends" : "no recommends")
        hasher.add(addsEssential ? "essential" : "no essential")
        if let base {
            hasher.add(base)
            hasher.add(upgrades ? "upgrades" : "no upgrades")
        } else {
            hasher.add(status)
        }
        return hasher.finalize()
    }
}
