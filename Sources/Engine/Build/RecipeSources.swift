import Debian
import Recipe
import Steps

/// A source of the recipe with its keyring at hand.
struct OpenedSource {
    var source: Recipe.PackageSource
    /// nil: Debian's own.
    var keyring: InputFetcher.Fetched?
}

extension Recipe {
    /// The recipe's sources, Docker's own among them where the recipe takes Docker from there.
    ///
    /// Docker's archive has a suite for each release of a distribution, by its code name.
    var allSources: [PackageSource] {
        guard docker.origin == .docker else { return packages.sources }
        var source = PackageSource()
        source.name = "docker"
        switch base {
        case .debian(let suite):
            source.uris = ["https://download.docker.com/linux/debian"]
            source.suites = [suite]
        case .image:
            let isDebian = packages.sources.first?.uris.isEmpty ?? false
            source.uris = ["https://download.docker.com/linux/\(isDebian ? "debian" : "ubuntu")"]
            source.suites = [packages.sources.first?.suites.first ?? ""]
        }
        source.components = ["stable"]
        source.keyring = .url("\(source.uris[0])/gpg", keys: ["9DC858229FC7DD38854AE2D88D81803C0EBFCD88"])
        var sources = packages.sources
        if sources.isEmpty {
            // What suites and components say, as sources.
            var debian = PackageSource()
            debian.name = "debian"
            debian.suites = packages.suites
            debian.components = packages.components
            debian.keyring = .file(packages.keyring)
            sources = [debian]
        }
        return sources + [source]
    }

    /// The packages of Docker that `docker.from` stands for.
    ///
    /// Where the kernel has AppArmor, the engine starts no container without its parser; the package only recommends it.
    var dockerPackages: [String] {
        switch docker.origin {
        case nil: []
        case .distribution?:
            // Debian 13 has the client in a package of its own.
            ["docker.io", "iptables", "apparmor"]
                + ([.debian(suite: "bullseye"), .debian(suite: "bookworm")].contains(base) || stock != nil
                    ? [] : ["docker-cli"])
        case .docker?: ["docker-ce", "docker-ce-cli", "containerd.io", "iptables", "apparmor"]
        }
    }

    /// apt_preferences(5) of the recipe's pins, and of what is taken from each source.
    var preferencesText: String {
        var stanzas = packages.preferences.map { ($0.package, $0.pin, $0.priority) }
        for source in allSources where !source.only.isEmpty {
            for suite in source.suites {
                // A bare name is a release's suite or its code name. Debian's bookworm-updates is a code name, and Ubuntu's
                // bionic-updates a suite.
                stanzas.append((source.only.joined(separator: " "), "release \(suite)", 990))
                stanzas.append(("*", "release \(suite)", -10))
            }
        }
        return stanzas.map { "Package: \($0)\nPin: \($1)\nPin-Priority: \($2)\n" }.joined(separator: "\n")
    }
}
